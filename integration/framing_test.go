package integration_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// After a request that is framed in two ways its connection ends with the answer
// (RFC 9112 §6.3); a request in chunks alone, as clients stream, keeps it.
func TestFramingAndConnections(t *testing.T) {
	w, a := newWireProxy(t)
	w.reset("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	for name, door := range map[string]struct {
		line string
		dial func() net.Conn
	}{
		"base URL":      {"POST /wire/p HTTP/1.1\r\nHost: " + a.Addr + "\r\n", func() net.Conn { return a.dial(t) }},
		"absolute form": {"POST http://wire.test/p HTTP/1.1\r\nHost: wire.test\r\n", func() net.Conn { return a.dial(t) }},
		"CONNECT":       {"POST /p HTTP/1.1\r\nHost: wire.test\r\n", func() net.Conn { return a.connectTLS(t, "wire.test:443", "http/1.1") }},
	} {
		for _, c := range []struct {
			head string
			ends bool
		}{
			{"Transfer-Encoding: chunked\r\n", false},
			{"Transfer-Encoding: chunked\r\nX-Length: Content-Length: 5\r\n", false},
			{"Transfer-Encoding: chunked\r\nX-Long: " + strings.Repeat("a", 800) + "\r\n", false},
			{"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", true},
			{"Transfer-Encoding: chunked\r\ncontent-LENGTH: 5\r\n", true},
			{"Content-Length: 5\r\nX-Long: " + strings.Repeat("a", 9000) + "\r\nTransfer-Encoding: chunked\r\n", true},
		} {
			conn := door.dial()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			r := bufio.NewReader(conn)
			for i := range 3 { // the second of a connection is read from what came before, too
				fmt.Fprint(conn, door.line+c.head+"\r\n5\r\nhello\r\n0\r\n\r\n")
				res, err := http.ReadResponse(r, &http.Request{Method: "POST"})
				for err == nil && res.StatusCode == http.StatusContinue {
					res, err = http.ReadResponse(r, &http.Request{Method: "POST"})
				}
				if err != nil {
					t.Errorf("%s, %.60q: request %d: %v", name, c.head, i, err)
					break
				}
				body := make([]byte, 2)
				_, _ = res.Body.Read(body)
				res.Body.Close()
				if string(body) != "ok" || res.Close != c.ends {
					t.Errorf("%s, %.60q: request %d: %s, %q, the connection ends %v; want %v", name, c.head, i, res.Status, body, res.Close, c.ends)
				}
				if res.Close {
					if _, err := r.ReadByte(); err == nil {
						t.Errorf("%s, %.60q: the connection did not end", name, c.head)
					}
					break
				}
			}
			conn.Close()
		}
	}
}
