package integration_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// dial opens a connection to the proxy that gives up after 30 s.
func (a *attache) dial(t testing.TB) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", a.Addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	t.Cleanup(func() { conn.Close() })
	return conn
}

// connect opens a tunnel with CONNECT. It fails the test if the proxy refuses.
func (a *attache) connect(t testing.TB, target string, headers ...string) net.Conn {
	t.Helper()
	conn := a.dial(t)
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", target, target, strings.Join(append(headers, ""), "\r\n"))
	status, header := readHead(t, conn)
	if !strings.HasPrefix(status, "HTTP/1.1 200") {
		t.Fatalf("CONNECT %s = %s\n%s", target, status, header)
	}
	return conn
}

// connectTLS is connect with a handshake for the target's name.
func (a *attache) connectTLS(t testing.TB, target string, protocols ...string) *tls.Conn {
	t.Helper()
	host, _, _ := net.SplitHostPort(target)
	conn := tls.Client(a.connect(t, target), &tls.Config{RootCAs: pool(t, a.CA), ServerName: host, NextProtos: protocols})
	if err := conn.Handshake(); err != nil {
		t.Fatalf("TLS with %s: %v", target, err)
	}
	return conn
}

// readHead reads a status line and headers byte by byte, so that nothing of
// what follows is lost.
func readHead(t testing.TB, conn net.Conn) (status, header string) {
	t.Helper()
	var b strings.Builder
	one := make([]byte, 1)
	for !strings.HasSuffix(b.String(), "\r\n\r\n") {
		if _, err := io.ReadFull(conn, one); err != nil {
			t.Fatalf("reading an answer's head: %v after %q", err, b.String())
		}
		b.Write(one)
	}
	status, header, _ = strings.Cut(b.String(), "\r\n")
	return status, header
}

// exchange sends bytes and reads all that comes back within the limit: until
// the other side closes, or is silent for `quiet`.
func exchange(conn net.Conn, send string, quiet time.Duration) string {
	conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	go io.WriteString(conn, send)
	var b strings.Builder
	p := make([]byte, 32<<10)
	for {
		conn.SetReadDeadline(time.Now().Add(quiet))
		n, err := conn.Read(p)
		b.Write(p[:n])
		if err != nil {
			return b.String()
		}
	}
}

// answers parses HTTP/1.1 answers one after the other. The methods are those of
// the requests; GET when there are fewer.
func answers(raw string, methods ...string) []*http.Response {
	var all []*http.Response
	r := bufio.NewReader(strings.NewReader(raw))
	for i := 0; ; i++ {
		method := http.MethodGet
		if i < len(methods) {
			method = methods[i]
		}
		res, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return all
		}
		body, _ := io.ReadAll(res.Body)
		res.Body = io.NopCloser(strings.NewReader(string(body)))
		all = append(all, res)
	}
}

// statusOf is the status code of the first answer; 0 if there was none.
func statusOf(raw string) int {
	if all := answers(raw); len(all) > 0 {
		return all[0].StatusCode
	}
	return 0
}
