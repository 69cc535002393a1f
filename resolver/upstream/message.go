package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/net/http/httpguts"
)

// message is a request as it is written: whole, where it is short, else the
// head, and the body as it comes.
type message struct {
	out    *bytes.Buffer // the head, and a short body behind it
	head   int           // the head's length
	req    *http.Request
	stream bool
	length int64 // of a streamed body; -1 for chunks
	expect bool  // the service is asked before the body is sent
	begun  bool  // a sender reads the body, and closes it
}

// maxWhole is up to what size a request is written in one piece. That much fits
// into the socket's buffer, so that no service can keep us from its answer by
// not reading. A body that short is waited for before anything is sent.
const maxWhole = 16 << 10

// chunkSize is how much of a streamed body is read at once.
const chunkSize = 64 << 10

var (
	heads  = sync.Pool{New: func() any { return bytes.NewBuffer(make([]byte, 0, 2<<10)) }}
	chunks = sync.Pool{New: func() any { b := make([]byte, chunkSize); return &b }}
)

// compose writes the head, and the body where it is short.
func compose(req *http.Request) (*message, error) {
	m := &message{out: heads.Get().(*bytes.Buffer), req: req, length: req.ContentLength}
	m.out.Reset()
	switch {
	case !hasBody(req):
		m.length = 0
	case m.length <= 0:
		m.length = -1
	}
	if err := writeHead(m.out, req, m.length); err != nil {
		m.release()
		return nil, err
	}
	m.head = m.out.Len()
	m.expect = hasBody(req) && httpguts.HeaderValuesContainsToken(req.Header["Expect"], "100-continue")
	m.stream = m.length < 0 || m.expect || int64(m.out.Len())+m.length > maxWhole
	if m.stream || m.length == 0 {
		return m, nil
	}
	if err := readWhole(m.out, req.Body, m.length); err != nil {
		m.release()
		return nil, err
	}
	return m, nil
}

// readWhole appends a body of that length to b.
func readWhole(b *bytes.Buffer, body io.Reader, length int64) error {
	b.Grow(int(length))
	p := b.AvailableBuffer()[:length]
	n, err := io.ReadFull(body, p)
	b.Write(p[:n])
	switch {
	case err == io.EOF, err == io.ErrUnexpectedEOF:
		return shortBody(length, int64(n))
	case err != nil:
		return &bodyError{err}
	}
	return noMore(body, length)
}

func shortBody(length, n int64) error {
	return &bodyError{fmt.Errorf("the request's body ended after %d of %d bytes", n, length)}
}

// noMore makes sure that the body ends where its length says. Reading to the
// end also tells net/http's server that the request is over.
func noMore(body io.Reader, length int64) error {
	var one [1]byte
	for {
		n, err := body.Read(one[:])
		switch {
		case n > 0:
			return &bodyError{fmt.Errorf("the request's body is longer than its %d bytes", length)}
		case err == io.EOF:
			return nil
		case err != nil:
			return &bodyError{err}
		}
	}
}

// bodyError says that the request's body failed, and not the connection.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return "reading the request's body: " + e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

// again makes the message ready to be sent once more, if it may be: where none
// of it went out, or where the method allows.
func (m *message) again(req *http.Request, unsent bool) bool {
	if m.out == nil || !unsent && !repeatable(req) {
		return false
	}
	if !m.stream || !hasBody(req) {
		return true
	}
	if req.GetBody == nil {
		return false
	}
	body, err := req.GetBody()
	if err != nil {
		return false
	}
	again := *req
	again.Body, m.req, m.begun = body, &again, false
	return true
}

// release gives the buffer back, once nobody writes from it.
func (m *message) release() {
	if m.out != nil && m.out.Cap() <= 4*maxWhole {
		heads.Put(m.out)
	}
	m.out = nil
}

// drop is release for a request that was not sent.
func (m *message) drop() {
	if m.begun {
		return
	}
	m.release()
	closeBody(m.req)
}

// sending is a body on its way, written beside the reading of the answer.
type sending struct {
	done chan struct{} // closed when nothing more is written
	goOn chan bool     // whether to send a body that the service was asked about
	err  error         // readable after done
	all  atomic.Bool   // the body's end has come from the caller, if not yet gone out
}

// finished reports whether all of the request went out.
func (s *sending) finished() bool { return s.err == nil }

var errNotWanted = errors.New("the service did not want the body")

// send writes head and body. It ends early when the connection breaks; when the
// body breaks, it breaks the connection.
func (c *conn) send(t *Transport, m *message, req *http.Request, s *sending) {
	defer close(s.done)
	defer closeBody(req)
	if _, err := c.rw.Write(m.out.Bytes()); err != nil {
		s.err = err
		return
	}
	if !hasBody(req) { // it is the head that is long
		s.all.Store(true)
		return
	}
	if m.expect && !s.wanted(t.std.ExpectContinueTimeout) {
		s.err = errNotWanted
		return
	}
	if m.length < 0 {
		s.err = c.sendChunks(req, s)
	} else {
		s.err = c.sendLength(req, m.length, s)
	}
	if bad := (*bodyError)(nil); errors.As(s.err, &bad) {
		c.abort()
	}
}

func (c *conn) sendLength(req *http.Request, length int64, s *sending) error {
	buf := chunks.Get().(*[]byte)
	defer chunks.Put(buf)
	for left := length; left > 0; {
		n, err := req.Body.Read((*buf)[:min(left, chunkSize)])
		if left -= int64(n); left == 0 {
			s.all.Store(true)
		}
		if n > 0 {
			if _, err := c.rw.Write((*buf)[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF && left > 0:
			return shortBody(length, length-left)
		case err == io.EOF:
			return nil
		case err != nil:
			return &bodyError{err}
		}
	}
	return noMore(req.Body, length)
}

// room is for the line before a chunk: eight hex digits at most, CR and LF.
const room = 10

func (c *conn) sendChunks(req *http.Request, s *sending) error {
	pooled := chunks.Get().(*[]byte)
	defer chunks.Put(pooled)
	buf := *pooled
	for {
		n, err := req.Body.Read(buf[room : chunkSize-2])
		if n > 0 {
			var line [room]byte
			size := append(strconv.AppendInt(line[:0], int64(n), 16), "\r\n"...)
			from := room - len(size)
			copy(buf[from:], size)
			copy(buf[room+n:], "\r\n")
			if _, err := c.rw.Write(buf[from : room+n+2]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			s.all.Store(true)
			return c.endChunks(req.Trailer)
		}
		if err != nil {
			return &bodyError{err}
		}
	}
}

// endChunks writes the last chunk and the trailers, whose values have come with
// the end of the body.
func (c *conn) endChunks(trailer http.Header) error {
	b := bytes.NewBufferString("0\r\n")
	for name := range trailer {
		if err := checkTrailer(name); err != nil {
			return &bodyError{err}
		}
	}
	if err := checkHeader(trailer); err != nil {
		return &bodyError{err}
	}
	if err := trailer.Write(b); err != nil {
		return &bodyError{err}
	}
	b.WriteString("\r\n")
	_, err := c.rw.Write(b.Bytes())
	return err
}
