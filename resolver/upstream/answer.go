package upstream

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// maxInformational bounds the 1xx answers before a final one. A service that
// reports progress sends one every few seconds.
const maxInformational = 1000

// defaultMaxHeader is net/http's limit on the bytes of an answer's headers.
const defaultMaxHeader = 10 << 20

// unanswered is a connection that ended before a byte of the answer came.
type unanswered struct {
	err    error
	unsent bool // nothing of the request went out
}

func (e *unanswered) Error() string { return e.err.Error() }
func (e *unanswered) Unwrap() error { return e.err }

// exchange sends the message and reads the answer's head. The connection
// belongs to the answer's body then, or is closed.
func (c *conn) exchange(t *Transport, req *http.Request, m *message, held Holder) (*http.Response, error) {
	if held != nil {
		held.Holds(c) // where that closes it, writing fails
	}
	stop := context.AfterFunc(req.Context(), c.abort)
	before := c.wire.sent
	c.openReader()
	var s *sending
	var broken error
	if m.stream {
		s = &sending{done: make(chan struct{}), goOn: make(chan bool, 1)}
		m.begun = true
		go c.send(t, m, m.req, s)
	} else {
		// Where this fails, an answer may be there nevertheless.
		_, broken = c.rw.Write(m.out.Bytes())
	}
	res, err := c.answer(t, req, s)
	if err == nil {
		if !m.stream {
			m.release()
			closeBody(req)
		}
		res.TLS = c.state
		c.handOut(t, res, req, s, broken, stop, held)
		return res, nil
	}
	stop()
	c.close()
	if s != nil {
		s.answered(false)
		if first := s.cause(); first != nil {
			err = first
		}
	} else if broken != nil {
		err = &unanswered{broken, c.wire.sent == before}
	}
	return nil, err
}

// answer reads informational answers and the final one's head.
func (c *conn) answer(t *Transport, req *http.Request, s *sending) (*http.Response, error) {
	limit := t.std.MaxResponseHeaderBytes
	if limit <= 0 {
		limit = defaultMaxHeader
	}
	c.wire.left = limit
	if _, err := c.br.Peek(1); err != nil {
		return nil, &unanswered{err: err}
	}
	for range maxInformational {
		res, err := http.ReadResponse(c.br, req)
		if err != nil {
			return nil, err
		}
		if err := cleanHeader(res.Header); err != nil {
			return nil, err
		}
		switch {
		case res.StatusCode < 100, upgrading(res.StatusCode):
			return nil, fmt.Errorf("unexpected status %d", res.StatusCode)
		case res.StatusCode >= 200:
			c.wire.left = math.MaxInt64
			s.answered(false)
			return res, nil
		case res.StatusCode == http.StatusContinue:
			s.answered(true)
		}
		if trace := httptrace.ContextClientTrace(req.Context()); trace != nil && trace.Got1xxResponse != nil {
			if err := trace.Got1xxResponse(res.StatusCode, textproto.MIMEHeader(res.Header)); err != nil {
				return nil, err
			}
			c.wire.left = limit
		}
	}
	return nil, errors.New("too many informational answers")
}

// cleanHeader takes away names with a space before the colon, which net/http
// keeps as they are (RFC 9112 §5.1), and refuses answers whose length another
// reader would take from one.
func cleanHeader(h http.Header) error {
	for name := range h {
		if httpguts.ValidHeaderFieldName(name) {
			continue
		}
		switch textproto.CanonicalMIMEHeaderKey(strings.TrimRight(name, " \t")) {
		case "Content-Length", "Transfer-Encoding":
			return errors.New("the answer's length is ambiguous")
		}
		delete(h, name)
	}
	return nil
}

// answered tells a waiting sender whether the body is wanted.
func (s *sending) answered(goOn bool) {
	if s == nil {
		return
	}
	select {
	case s.goOn <- goOn:
	default: // it does not wait any more, or was told
	}
}

// wanted waits for the service's word, but not for ever: some never say it.
func (s *sending) wanted(d time.Duration) bool {
	if d <= 0 {
		d = time.Second
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case goOn := <-s.goOn:
		return goOn
	case <-timer.C:
		return true
	}
}

// cause is why the sending failed, where that is known and is not the breaking
// off of the connection that we have seen ourselves.
func (s *sending) cause() error {
	select {
	case <-s.done:
	case <-time.After(maxWriteWait):
		return nil
	}
	if bad := (*bodyError)(nil); errors.As(s.err, &bad) {
		return s.err
	}
	return nil
}
