package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// body is an answer's body. Its end gives the connection back; closing it
// before closes the connection.
type body struct {
	c      *conn
	t      *Transport
	ctx    context.Context
	s      *sending
	stop   func() bool
	held   Holder
	src    io.Reader // net/http's reader of chunks, or of all there is
	left   int64     // with src nil: how much of a body of known length
	keeps  bool
	err    error // sticky
	done   atomic.Bool
	closed atomic.Bool
}

var errClosed = errors.New("the answer's body was closed")

// handOut makes res.Body the owner of the connection, or gives it back at once.
func (c *conn) handOut(t *Transport, res *http.Response, req *http.Request, s *sending, broken error, stop func() bool, held Holder) {
	b := &body{c: c, t: t, ctx: req.Context(), s: s, stop: stop, held: held, keeps: !res.Close && !req.Close && broken == nil && !s.early()}
	switch {
	case res.Body == nil || res.Body == http.NoBody:
		res.Body = http.NoBody
		b.end(true)
		return
	case res.ContentLength > 0:
		b.left = res.ContentLength
	default:
		b.src = res.Body
	}
	res.Body = b
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	switch {
	case b.closed.Load():
		return 0, errClosed
	case b.err != nil:
		return 0, b.err
	case len(p) == 0:
		return 0, nil
	}
	n, err := b.read(p)
	if err != nil {
		b.err = b.fail(err)
		b.end(err == io.EOF)
	}
	if n > 0 && err != nil && err != io.EOF {
		return n, b.err
	}
	return n, errOrNil(err, b.err)
}

func errOrNil(happened, meaning error) error {
	if happened == nil {
		return nil
	}
	return meaning
}

// read takes the next bytes. The last of a known length come with io.EOF.
func (b *body) read(p []byte) (int, error) {
	if b.src != nil {
		return b.src.Read(p)
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.c.br.Read(p)
	b.left -= int64(n)
	switch {
	case b.left == 0:
		return n, io.EOF
	case err == io.EOF:
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// Buffered is how many bytes can be read without waiting; more than none where
// the end is reached.
func (b *body) Buffered() int {
	if b.err != nil || b.done.Load() {
		return 1
	}
	return b.c.br.Buffered()
}

// WriteTo implements io.WriterTo. A body of known length that comes over plain
// TCP is given to a writer's ReadFrom as a socket, so that the kernel can move it.
func (b *body) WriteTo(w io.Writer) (int64, error) {
	to, ok := w.(io.ReaderFrom)
	if !ok || b.src != nil || b.c.state != nil || b.err != nil || b.closed.Load() {
		return io.Copy(w, struct{ io.Reader }{b})
	}
	ahead, err := b.c.br.Peek(int(min(int64(b.c.br.Buffered()), b.left)))
	if err != nil {
		return 0, err
	}
	n, err := w.Write(ahead)
	_, _ = b.c.br.Discard(n)
	rest := &io.LimitedReader{R: b.c.wire.Conn, N: b.left - int64(n)}
	written := int64(n)
	if err == nil && rest.N > 0 {
		var m int64
		m, err = to.ReadFrom(rest)
		written += m
		if err == nil && rest.N > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	b.left = rest.N
	b.err = io.EOF
	if err != nil {
		b.err = b.fail(err)
	}
	b.end(err == nil)
	return written, errOrNil(err, b.err)
}

// fail is an error as the reader should see it: the request's end, where that
// is the reason.
func (b *body) fail(err error) error {
	if err == io.EOF {
		return err
	}
	if cause := context.Cause(b.ctx); cause != nil {
		return cause
	}
	return err
}

// end lets go of the connection: to be used again where the answer is whole,
// the request went out, and nothing is left behind.
func (b *body) end(whole bool) {
	if !b.done.CompareAndSwap(false, true) {
		return
	}
	c := b.c
	stopped := b.stop()
	sent := b.s == nil || b.s.over()
	if !whole || !b.keeps || !stopped || !sent || c.br.Buffered() > 0 || b.held != nil && !b.held.Holds(nil) {
		c.close()
		return
	}
	c.closeReader()
	b.t.pool.put(c)
}

// early reports that the answer came before the end of the body. A service that has
// not read it may take the rest for the next request; only one that closes the
// connection says that it does not (RFC 9112 §9.3).
func (s *sending) early() bool { return s != nil && !s.all.Load() }

// over waits a moment for the request's end.
func (s *sending) over() bool {
	select {
	case <-s.done:
		return s.finished()
	default:
	}
	timer := time.NewTimer(maxWriteWait)
	defer timer.Stop()
	select {
	case <-s.done:
		return s.finished()
	case <-timer.C:
		return false
	}
}

// Close implements io.Closer. It may be called beside Read.
func (b *body) Close() error {
	b.closed.Store(true)
	if b.done.CompareAndSwap(false, true) {
		b.stop()
		b.c.close()
	}
	return nil
}
