// Package outcome is what becomes of a call while its bodies stream: how far it
// came, how many bytes went out and came in, and what ends with the answer.
package outcome

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
)

// Outcome is what became of a call. It may still change while a body is streaming.
type Outcome struct {
	// Scrubbed says that an echo of the credential was replaced.
	Scrubbed atomic.Bool
	// Unsearchable says that we broke the answer off, as it could not be searched.
	Unsearchable atomic.Bool

	status         atomic.Int32
	stage          atomic.Int32
	sent, received atomic.Int64
}

// Stages of a call, each further than the one before.
const (
	stageDecided  int32 = iota // it was permitted, and nothing was sent
	stageSent                  // it is on its way to the service
	stageAnswered              // an answer began
	stageBroken                // and the service broke it off
	stageWhole                 // and it came to its end
)

// reach notes that the call came so far; it never goes back.
func (o *Outcome) reach(stage int32) {
	for {
		was := o.stage.Load()
		if was >= stage || o.stage.CompareAndSwap(was, stage) {
			return
		}
	}
}

// Status is the service's; zero where no answer came.
func (o *Outcome) Status() int { return int(o.status.Load()) }

// Sent is how many bytes of the request body went out.
func (o *Outcome) Sent() int64 { return o.sent.Load() }

// Received is how many bytes of the response body came in.
func (o *Outcome) Received() int64 { return o.received.Load() }

// Reached says how far the call came, for people: "decided", "sent", "answered"
// or "complete".
func (o *Outcome) Reached() string {
	switch stage := o.stage.Load(); stage {
	case stageDecided:
		return "decided"
	case stageSent:
		return "sent"
	case stageWhole:
		return "complete"
	}
	return "answered"
}

// BrokeOff reports whether the service broke its answer off.
func (o *Outcome) BrokeOff() bool { return o.stage.Load() == stageBroken }

// shortBody goes out at once, so that its length need not be counted as it does.
const shortBody = 64 << 10

// Goes counts the bytes of a request's body as it goes out.
func (o *Outcome) Goes(out *http.Request) {
	o.reach(stageSent)
	if out.Body == nil || out.Body == http.NoBody {
		return
	}
	if out.ContentLength > 0 && out.ContentLength <= shortBody {
		o.sent.Store(out.ContentLength)
		return
	}
	out.Body = &countingBody{out.Body, &o.sent, nil}
}

// Comes counts the answer's bytes, and sees how it ends. An upgraded connection
// remains readable and writable, and is counted both ways.
func (o *Outcome) Comes(res *http.Response) {
	o.status.Store(int32(res.StatusCode))
	o.reach(stageAnswered)
	if res.Body == nil || res.Body == http.NoBody {
		o.reach(stageWhole)
		return
	}
	if rw, ok := Upgraded(res); ok {
		res.Body = &countingConn{rw, o}
		return
	}
	res.Body = &countingBody{res.Body, &o.received, o}
}

// countingBody counts what is read, and lets pass what its source can besides.
// With an outcome it is the answer's.
type countingBody struct {
	io.ReadCloser
	n       *atomic.Int64
	outcome *Outcome
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	if err != nil && b.outcome != nil {
		b.outcome.closes(err)
	}
	return n, err
}

// Buffered is how many bytes can be read without waiting, as far as is known.
func (b *countingBody) Buffered() int {
	if s, ok := b.ReadCloser.(interface{ Buffered() int }); ok {
		return s.Buffered()
	}
	return 0
}

// WriteTo implements io.WriterTo.
func (b *countingBody) WriteTo(w io.Writer) (int64, error) {
	s, ok := b.ReadCloser.(io.WriterTo)
	if !ok {
		return io.Copy(w, struct{ io.Reader }{b})
	}
	n, err := s.WriteTo(w)
	b.n.Add(n)
	if b.outcome != nil && (err == nil || brokeOff(err)) {
		b.outcome.closes(ended(err))
	}
	return n, err
}

// ended is io.EOF where nothing went wrong.
func ended(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}

// brokeOff tells an error of reading from one of writing, where both are joined.
func brokeOff(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &op) && op.Op == "read"
}

// closes notes how an answer ended.
func (o *Outcome) closes(err error) {
	if err == io.EOF {
		o.reach(stageWhole)
		return
	}
	o.stage.CompareAndSwap(stageAnswered, stageBroken)
}

// countingConn is an upgraded connection.
type countingConn struct {
	io.ReadWriteCloser
	o *Outcome
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.ReadWriteCloser.Read(p)
	c.o.received.Add(int64(n))
	if err != nil {
		c.o.closes(err)
	}
	return n, err
}

func (c *countingConn) Write(p []byte) (int, error) {
	n, err := c.ReadWriteCloser.Write(p)
	c.o.sent.Add(int64(n))
	return n, err
}

// CloseWrite ends our direction, where the connection can do that.
func (c *countingConn) CloseWrite() error { return closeWrite(c.ReadWriteCloser) }
