package upstream

import (
	"sync"
	"time"
)

// pool keeps idle connections, the latest used first.
type pool struct {
	perPlace, all int
	timeout       time.Duration

	mu     sync.Mutex
	places map[place][]*conn
	n      int
	closed bool
	sweeps bool // a sweep is due
}

func (p *pool) init(perPlace, all int, timeout time.Duration) {
	p.perPlace, p.all, p.timeout = perPlace, all, timeout
	p.places = map[place][]*conn{}
}

// take returns an idle connection that is still good, or nil. One on which
// anything came, be it the end or an answer that nobody asked for, is not.
func (p *pool) take(at place) *conn {
	for {
		c := p.pop(at)
		if c == nil {
			return nil
		}
		if c.isQuiet() {
			c.reused = true
			return c
		}
		c.close()
	}
}

func (p *pool) pop(at place) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	cs := p.places[at]
	if len(cs) == 0 {
		return nil
	}
	c := cs[len(cs)-1]
	cs[len(cs)-1] = nil
	p.places[at] = cs[:len(cs)-1]
	p.n--
	if p.timeout > 0 && time.Since(c.idle) > p.timeout {
		// The rest is older still; the sweep closes it.
		c.retire()
		return nil
	}
	return c
}

// put keeps c, or closes it where enough are kept.
func (p *pool) put(c *conn) {
	c.idle = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.places[c.place]) >= max(p.perPlace, 1) {
		c.retire()
		return
	}
	if p.all > 0 && p.n >= p.all {
		p.evict()
	}
	p.places[c.place] = append(p.places[c.place], c)
	p.n++
	if !p.sweeps && p.timeout > 0 {
		p.sweeps = true
		time.AfterFunc(p.timeout/2, p.sweep)
	}
}

// evict closes the oldest connection of some place.
func (p *pool) evict() {
	for at, cs := range p.places {
		if len(cs) == 0 {
			delete(p.places, at)
			continue
		}
		p.drop(at, 1)
		return
	}
}

// drop closes the oldest n of a place.
func (p *pool) drop(at place, n int) {
	cs := p.places[at]
	for _, c := range cs[:n] {
		c.retire()
	}
	p.n -= n
	if n == len(cs) {
		delete(p.places, at)
		return
	}
	kept := copy(cs, cs[n:])
	clear(cs[kept:])
	p.places[at] = cs[:kept]
}

// sweep closes what has been idle for too long, and comes again while anything is left.
func (p *pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for at, cs := range p.places {
		old := 0
		for old < len(cs) && time.Since(cs[old].idle) > p.timeout {
			old++
		}
		p.drop(at, old)
	}
	p.sweeps = p.n > 0
	if p.sweeps {
		time.AfterFunc(p.timeout/2, p.sweep)
	}
}

// close drops all that is idle, and keeps nothing from now on.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for at, cs := range p.places {
		p.drop(at, len(cs))
	}
}
