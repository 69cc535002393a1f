package http1

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func TestWithoutH2C(t *testing.T) {
	for _, c := range []struct {
		upgrade []string
		gone    bool
	}{{[]string{"h2c"}, true}, {[]string{"H2C"}, true}, {[]string{"websocket, h2c"}, true}, {[]string{"h2c,websocket"}, true}, {[]string{"websocket", " h2c "}, true}, {[]string{"h2c/1, x"}, true}, {[]string{"websocket"}, false}, {[]string{"TLS/1.0"}, false}, {nil, false}} {
		h := http.Header{"Connection": {"Upgrade, HTTP2-Settings"}, "Http2-Settings": {"x"}}
		if c.upgrade != nil {
			h["Upgrade"] = c.upgrade
		}
		r := &http.Request{Header: h.Clone()}
		if got := WithoutH2C(r).Header; (len(got) == 0) != c.gone {
			t.Errorf("Upgrade %q: %v remains", c.upgrade, got)
		}
		if !reflect.DeepEqual(r.Header, h) {
			t.Errorf("Upgrade %q: the request was changed, to %v", c.upgrade, r.Header)
		}
	}
}

// The head of an answer: no type of ours, and the end of a connection whose
// request may have been framed in two ways.
func TestAnswerHeads(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := Writer(w, r, false, nil)
		if r.URL.Path == "/typed" {
			out.Header().Set("Content-Type", "text/x-own")
		}
		out.WriteHeader(200)
		_, _ = out.Write([]byte("<html>"))
	}))
	defer s.Close()
	for path, want := range map[string]string{"/typed": "text/x-own", "/": ""} {
		res, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("Content-Type"); got != want || len(res.Header["Content-Type"]) > 1 || res.Close {
			t.Errorf("%s: Content-Type %q, closes %v; want %q and an open connection", path, got, res.Close, want)
		}
	}
}

// Only a request in chunks with a length beside is framed twice; where what was
// read is not there any more, it is in doubt.
func TestFramedTwice(t *testing.T) {
	var got bool
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/wrapped") {
			r.Body = &caddyhttp.IdleTimeoutReader{ReadCloser: r.Body}
		}
		got = FramedTwice(r)
	}))
	defer s.Close()
	for _, c := range []struct {
		head string
		want bool
	}{
		{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", false}, {"POST / HTTP/1.1\r\nContent-Length: 5\r\n", false}, {"GET / HTTP/1.1\r\n", false},
		{"POST /wrapped?a=%20 HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n", false}, {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n", false},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", true}, {"POST /wrapped HTTP/1.1\r\nCONTENT-length:5\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n", true},
		{"POST / HTTP/1.1\nTransfer-Encoding: chunked\n", true}, {"POST / HTTP/1.1\r\nX: " + strings.Repeat("a", 9000) + "\r\nTransfer-Encoding: chunked\r\n", true},
	} {
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, c.head+"Host: x\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
		_, _ = conn.Read(make([]byte, 1)) // it was served
		conn.Close()
		if got != c.want {
			t.Errorf("%.80q = %v, want %v", c.head, got, c.want)
		}
	}
}
