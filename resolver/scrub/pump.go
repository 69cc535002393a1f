package scrub

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// pump reads a source in a goroutine of its own, so that its reader can stop
// waiting. It is made where something waits that time may let go.
type pump struct {
	pieces chan pumped
	free   chan struct{} // the reader has taken the last piece
	done   chan struct{}
	once   sync.Once

	rest []byte // of the last piece
	err  error
}

type pumped struct {
	b   []byte
	err error
}

// pumpSize is how much is read at once.
const pumpSize = 4 << 10

func newPump(src io.Reader) *pump {
	p := &pump{pieces: make(chan pumped), free: make(chan struct{}), done: make(chan struct{})}
	go p.run(src)
	return p
}

func (p *pump) run(src io.Reader) {
	buf := make([]byte, pumpSize)
	for {
		n, err := src.Read(buf)
		select {
		case p.pieces <- pumped{buf[:n], err}:
		case <-p.done:
			return
		}
		if err != nil {
			return
		}
		select {
		case <-p.free:
		case <-p.done:
			return
		}
	}
}

// read waits for bytes until due, at which it returns none and no error. The
// zero time is never.
func (p *pump) read(b []byte, due time.Time) (int, error) {
	if len(p.rest) == 0 {
		if p.err != nil {
			return 0, p.err
		}
		var alarm <-chan time.Time
		if !due.IsZero() {
			t := time.NewTimer(time.Until(due))
			defer t.Stop()
			alarm = t.C
		}
		select {
		case got := <-p.pieces:
			p.rest, p.err = got.b, got.err
		case <-alarm:
			return 0, nil
		case <-p.done:
			return 0, http.ErrBodyReadAfterClose
		}
	}
	n := copy(b, p.rest)
	if p.rest = p.rest[n:]; len(p.rest) > 0 {
		return n, nil
	}
	if p.err == nil {
		select {
		case p.free <- struct{}{}:
		case <-p.done:
		}
	}
	return n, p.err
}

// stop ends the goroutine after the source was closed.
func (p *pump) stop() { p.once.Do(func() { close(p.done) }) }
