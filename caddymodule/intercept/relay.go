package intercept

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// end is one side of a relay.
type end interface {
	io.Reader
	io.Writer
	// CloseWrite says that no more bytes will be written. An error means that
	// this end can't say so without ending the other direction too.
	CloseWrite() error
	// Close ends both directions and wakes Read and Write.
	Close() error
}

// halfIdle is how long the open direction of a half-closed relay may be silent.
// Most ends that closed theirs are gone altogether.
const halfIdle = 5 * time.Minute

// relay copies between two ends until both directions have ended.
type relay struct {
	client, peer end
	// idle ends the relay when no byte has moved for so long; zero: never.
	idle time.Duration

	in, out atomic.Int64 // bytes from and to the client
	last    atomic.Int64 // when the last byte moved, as Unix nanoseconds
	half    atomic.Bool
	timer   *time.Timer

	first  sync.Once // guards cause
	cause  error
	once   sync.Once // guards the closing
	closed atomic.Bool
}

func newRelay(client, peer end, idle time.Duration) *relay {
	r := &relay{client: client, peer: peer, idle: idle}
	r.last.Store(time.Now().UnixNano())
	return r
}

// run copies and returns when nothing of it runs any more; both ends are closed
// then. The error is the first thing that went wrong, if anything did.
func (r *relay) run() error {
	if r.idle > 0 {
		r.timer = time.AfterFunc(never, r.check)
		r.timer.Reset(r.idle) // only now, since check uses r.timer
		defer r.timer.Stop()
	}
	var wg sync.WaitGroup
	wg.Go(func() { r.pump(r.peer, r.client, &r.in) })
	r.pump(r.client, r.peer, &r.out)
	wg.Wait()
	r.end(nil)
	return r.cause
}

// pump copies one direction and passes its end on.
func (r *relay) pump(dst, src end, n *atomic.Int64) {
	err := r.copy(dst, src, n)
	switch {
	case err == nil:
		if dst.CloseWrite() != nil {
			r.end(nil)
			return
		}
	case errors.As(err, new(*writeError)) && dst == r.peer:
		// The peer takes no more. What it said before that may still be on
		// its way to the client, and closing now could lose it.
		r.note(err)
	default:
		r.end(err)
		return
	}
	r.half.Store(true)
	if r.timer != nil {
		r.timer.Reset(min(r.idle, halfIdle))
	}
}

// note keeps the first thing that went wrong: what fails later mostly fails
// because of that.
func (r *relay) note(cause error) {
	if cause != nil {
		r.first.Do(func() { r.cause = cause })
	}
}

// end closes both ends.
func (r *relay) end(cause error) {
	r.once.Do(func() {
		r.note(cause)
		r.first.Do(func() {}) // from here on, errors are of our own making
		r.closed.Store(true)
		_ = r.client.Close()
		_ = r.peer.Close()
	})
}

// Close ends the relay from outside: the process exits.
func (r *relay) Close() error {
	r.end(http.ErrServerClosed)
	return nil
}

func (r *relay) isClosed() bool { return r.closed.Load() }

// writeError tells a failed Write from a failed Read.
type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }
func (e *writeError) Unwrap() error { return e.err }

// ErrIdle is what ends a tunnel in which no byte has moved for too long.
var ErrIdle = fmt.Errorf("the tunnel was idle: %w", os.ErrDeadlineExceeded)

// check ends the relay if it was silent for too long, and else looks again when
// it could be.
func (r *relay) check() {
	limit := r.idle
	if r.half.Load() {
		limit = min(limit, halfIdle)
	}
	if left := limit - r.quiet(); left > 0 {
		r.timer.Reset(left)
		return
	}
	r.end(ErrIdle)
}

func (r *relay) quiet() time.Duration { return time.Since(time.Unix(0, r.last.Load())) }

const (
	smallBuffer = 2 << 10
	bigBuffer   = 32 << 10
)

var bigBuffers = sync.Pool{New: func() any { return new([bigBuffer]byte) }}

// copy is io.Copy with the buffer of an idle tunnel kept small: most tunnels wait
// most of the time, and there may be thousands of them.
func (r *relay) copy(dst, src end, n *atomic.Int64) error {
	small := make([]byte, smallBuffer)
	buf := small
	var big *[bigBuffer]byte
	defer func() {
		if big != nil {
			bigBuffers.Put(big)
		}
	}()
	for {
		got, err := src.Read(buf)
		if got > 0 {
			r.last.Store(time.Now().UnixNano())
			wrote, err := dst.Write(buf[:got])
			n.Add(int64(wrote))
			if err != nil {
				return &writeError{err}
			}
			r.last.Store(time.Now().UnixNano())
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case big == nil && got == len(buf):
			big = bigBuffers.Get().(*[bigBuffer]byte)
			buf = big[:]
		case big != nil && got < smallBuffer:
			bigBuffers.Put(big)
			big, buf = nil, small
		}
	}
}
