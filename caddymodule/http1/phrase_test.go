package http1

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestAnswer: the phrase is in the status line where it can be, with the same headers and
// body, and a challenge or a request with a body is answered as ever.
func TestAnswer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Before", "1")
		Answer(w, r, "attache: code", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Said", "a\r\nX-Made: up")
			status := http.StatusForbidden
			switch r.URL.Path {
			case "/unknown":
				status = http.StatusProxyAuthRequired
			case "/git":
				status = http.StatusOK
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "why")
		})
	}))
	defer server.Close()
	for _, c := range []struct {
		name, request, line, body string
		ends                      bool
	}{
		{"GET", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 403 attache: code", "why", true},
		{"HEAD", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 403 attache: code", "", true},
		{"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 403 attache: code", "why", true},
		{"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 403 attache: code", "why", true},
		{"a challenge", "GET /unknown HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 407 Proxy Authentication Required", "why", false},
		{"a body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 403 Forbidden", "why", false},
		{"a status that is no error", "GET /git HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK", "why", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, c.request)
			from := bufio.NewReader(conn)
			line, _ := from.Peek(len(c.line) + 2)
			method, _, _ := strings.Cut(c.request, " ")
			if method == "CONNECT" {
				method = "GET" // ReadResponse gives a failed CONNECT no body
			}
			res, err := http.ReadResponse(from, &http.Request{Method: method})
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			if string(line) != c.line+"\r\n" || string(body) != c.body || res.Close != c.ends {
				t.Errorf("%q %q, ends %v; want %q %q, ends %v", line, body, res.Close, c.line, c.body, c.ends)
			}
			if res.Header.Get("X-Before") != "1" || res.Header.Get("X-Made") != "" || res.Header.Get("X-Said") == "" || res.Header.Get("Date") == "" {
				t.Errorf("headers %v", res.Header)
			}
		})
	}
}
