package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// opener makes the connections of one target. They are kept between rounds, as
// an agent keeps them.
type opener func(ctx context.Context, n int) ([]client, error)

// each opens n connections one after the other.
func each(open func(context.Context) (client, error)) opener {
	return func(ctx context.Context, n int) ([]client, error) {
		var cs []client
		for range n {
			c, err := open(ctx)
			if err != nil {
				closeAll(cs)
				return nil, err
			}
			cs = append(cs, c)
		}
		return cs, nil
	}
}

func closeAll(cs []client) {
	for _, c := range cs {
		c.close()
	}
}

// latencies are how long requests took, in nanoseconds.
type latencies []int64

// at returns the latency that so many of 1 000 requests stay under.
func (l latencies) at(permille int) time.Duration {
	if len(l) == 0 {
		return 0
	}
	slices.Sort(l)
	return time.Duration(l[min(len(l)-1, len(l)*permille/1000)])
}

// sample is what was measured in one window.
type sample struct {
	requests int
	took     time.Duration
	p50, p99 time.Duration
	cpu      time.Duration // of the proxy
	rss      int64         // of the proxy, at the end
	opened   int64         // connections that the upstream accepted meanwhile
}

func (s sample) perSecond() float64 { return float64(s.requests) / s.took.Seconds() }

// cpuPerRequest is in microseconds.
func (s sample) cpuPerRequest() float64 {
	if s.requests == 0 {
		return 0
	}
	return float64(s.cpu.Nanoseconds()) / 1e3 / float64(s.requests)
}

// worker repeats requests on one connection until it is told to stop.
type worker struct {
	c    client
	done atomic.Int64
	took latencies
	err  error
	_    [64]byte // a cache line of its own
}

// window says when requests count.
type window struct {
	counting atomic.Bool
	over     atomic.Bool
}

func (w *worker) run(win *window) {
	for !win.over.Load() {
		counted := win.counting.Load()
		began := time.Now()
		if w.err = w.c.do(); w.err != nil {
			return
		}
		if counted && win.counting.Load() {
			w.took = append(w.took, int64(time.Since(began)))
		}
		w.done.Add(1)
	}
}

// loop is a closed loop: every connection sends its next request when it has
// the answer. The load goes on for a while before and after what is measured.
func loop(ctx context.Context, cs []client, warm, length time.Duration, p *process, opened func() (int64, error)) (sample, error) {
	ws, win := make([]*worker, len(cs)), &window{}
	var wg sync.WaitGroup
	for i, c := range cs {
		ws[i] = &worker{c: c, took: make(latencies, 0, 1<<10)}
		wg.Go(func() { ws[i].run(win) })
	}
	s, err := measure(ctx, ws, win, warm, length, p, opened)
	win.over.Store(true)
	hung := time.AfterFunc(requestTimeout, func() { closeAll(cs) })
	wg.Wait()
	hung.Stop()
	var all latencies
	for _, w := range ws {
		err = cmp.Or(w.err, err)
		all = append(all, w.took...)
	}
	if err != nil {
		return s, err
	}
	if s.requests == 0 {
		return s, errors.New("no request was answered")
	}
	s.p50, s.p99 = all.at(500), all.at(990)
	return s, nil
}

// warmRequests are sent on each connection before anything is measured, all
// connections at once: then the proxy's pool is as large as it gets.
const warmRequests = 20

func warmUp(ctx context.Context, cs []client) error {
	hung := time.AfterFunc(2*requestTimeout, func() { closeAll(cs) })
	defer hung.Stop()
	errs := make([]error, len(cs))
	var wg sync.WaitGroup
	for i, c := range cs {
		wg.Go(func() {
			for range warmRequests {
				if errs[i] = cmp.Or(ctx.Err(), c.do()); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return cmp.Or(errs...)
}

func measure(ctx context.Context, ws []*worker, win *window, warm, length time.Duration, p *process, opened func() (int64, error)) (s sample, err error) {
	if err := sleep(ctx, warm); err != nil {
		return s, err
	}
	conns, err := opened()
	if err != nil {
		return s, err
	}
	before, err := p.usage()
	if err != nil {
		return s, err
	}
	began, n := time.Now(), total(ws)
	win.counting.Store(true)
	if err := sleep(ctx, length); err != nil {
		return s, err
	}
	after, err := p.usage()
	if err != nil {
		return s, err
	}
	s.took, s.requests = time.Since(began), int(total(ws)-n)
	win.counting.Store(false)
	s.cpu, s.rss = after.CPU-before.CPU, after.RSS
	now, err := opened()
	s.opened = now - conns
	return s, err
}

func total(ws []*worker) (n int64) {
	for _, w := range ws {
		n += w.done.Load()
	}
	return n
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("the run was ended: %w", context.Cause(ctx))
	case <-time.After(d):
		return nil
	}
}

// median of an unsorted slice; zero where it is empty.
func median[T cmp.Ordered](xs []T) (m T) {
	if len(xs) == 0 {
		return m
	}
	xs = slices.Clone(xs)
	slices.Sort(xs)
	return xs[len(xs)/2]
}
