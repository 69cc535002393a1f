package outcome

import (
	"io"
	"net/http"
)

// Upgraded is the connection of an answer that switched protocols.
func Upgraded(res *http.Response) (io.ReadWriteCloser, bool) {
	rw, ok := res.Body.(io.ReadWriteCloser)
	return rw, ok && res.StatusCode == http.StatusSwitchingProtocols
}

// Then does something after an answer's body was closed. An upgraded connection
// remains readable and writable.
func Then(res *http.Response, then func()) {
	if rw, ok := Upgraded(res); ok {
		res.Body = &endingConn{rw, then}
		return
	}
	res.Body = ending{res.Body, then}
}

type ending struct {
	io.ReadCloser
	then func()
}

func (e ending) Close() error { defer e.then(); return e.ReadCloser.Close() }

// endingConn is the same for an upgraded connection.
type endingConn struct {
	io.ReadWriteCloser
	then func()
}

func (c *endingConn) Close() error { defer c.then(); return c.ReadWriteCloser.Close() }

// CloseWrite ends our direction, where the connection can do that.
func (c *endingConn) CloseWrite() error { return closeWrite(c.ReadWriteCloser) }

func closeWrite(c io.ReadWriteCloser) error {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return http.ErrNotSupported
}
