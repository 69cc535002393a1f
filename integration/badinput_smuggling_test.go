package integration_test

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// wire is a service that keeps the very bytes that reach it, and answers each
// request with the bytes it was told.
type wire struct {
	URL string

	mu     sync.Mutex
	conns  []*wireConn
	answer string
}

type wireConn struct {
	got  string
	read int // how much of got has been answered
}

func newWire(t testing.TB) *wire {
	t.Helper()
	l := listen(t)
	w := &wire{URL: "http://" + l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			go w.serve(conn)
		}
	}()
	return w
}

// serve answers as soon as a request is complete. Without an answer set it says
// "ok" and ends the connection.
func (w *wire) serve(conn net.Conn) {
	c := &wireConn{}
	w.mu.Lock()
	w.conns = append(w.conns, c)
	w.mu.Unlock()
	p := make([]byte, 256<<10)
	for {
		n, err := conn.Read(p)
		w.mu.Lock()
		c.got += string(p[:n])
		complete := wholeRequest(c.got[c.read:])
		if complete {
			c.read = len(c.got)
		}
		answer := w.answer
		w.mu.Unlock()
		if complete && answer == "" {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
			time.AfterFunc(300*time.Millisecond, func() { conn.Close() }) // more may still come
		} else if complete {
			io.WriteString(conn, answer)
		}
		if err != nil {
			return
		}
	}
}

// wholeRequest reports whether a head and its body are there. Framing in doubt
// counts as whole: the test looks at it.
func wholeRequest(got string) bool {
	head, body, ok := strings.Cut(got, "\r\n\r\n")
	if !ok {
		return false
	}
	if strings.Contains(head, "Transfer-Encoding:") {
		return strings.HasPrefix(body, "0\r\n") || strings.Contains(body, "\r\n0\r\n")
	}
	if _, rest, ok := strings.Cut(head, "Content-Length: "); ok {
		length, _, _ := strings.Cut(rest, "\r\n")
		if n, err := strconv.Atoi(length); err == nil {
			return len(body) >= n
		}
	}
	return true
}

// bytes is all that arrived on the connections where the path was seen.
func (w *wire) bytes(path string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, c := range w.conns {
		if strings.Contains(c.got, path+" ") {
			b.WriteString(c.got)
		}
	}
	return b.String()
}

// reset forgets what arrived and sets the answers to come.
func (w *wire) reset(answer string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		c.got, c.read = "", 0
	}
	w.answer = answer
}

func newWireProxy(t testing.TB) (*wire, *attache) {
	t.Helper()
	integration(t)
	w := newWire(t)
	a := newAttache(t, setup{
		Attache: connector("wire", "wire.test", &service{URL: w.URL}, "bearer {fields.key}", "DEMO_TOKEN") + agentLocal("wire"),
		Env:     []string{"DEMO_TOKEN=" + demoToken},
	})
	return w, a
}

// shape is a request that two readers might take apart differently.
type shape struct {
	name string
	head string // after the request line and Host
	body string
	ok   bool // may be understood and passed on in one clear form; otherwise it must be refused
}

// From RFC 9112 §6.3 and §11, and what has hurt proxies since.
var smuggling = []shape{
	{"two Content-Lengths that differ", "Content-Length: 5\r\nContent-Length: 40\r\n", "hello", false},
	{"two Content-Lengths in one field", "Content-Length: 5, 40\r\n", "hello", false},
	{"Content-Length and Transfer-Encoding", "Content-Length: 40\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", true},
	{"Transfer-Encoding twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", false},
	{"chunked is not last", "Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n", false},
	{"unknown Transfer-Encoding", "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n", false},
	{"Transfer-Encoding with a tab", "Transfer-Encoding:\tchunked\r\n", "0\r\n\r\n", true},
	{"Transfer-Encoding and a vertical tab", "Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n", false},
	{"space before the colon", "Transfer-Encoding : chunked\r\n", "0\r\n\r\n", false},
	{"folded Transfer-Encoding", "Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n", true},
	{"folded header", "X-Folded: a\r\n b\r\n", "", true},
	{"first header is folded", " X-Folded: a\r\n", "", false},
	{"negative Content-Length", "Content-Length: -1\r\n", "", false},
	{"signed Content-Length", "Content-Length: +5\r\n", "hello", false},
	{"hexadecimal Content-Length", "Content-Length: 0x5\r\n", "hello", false},
	{"huge Content-Length", "Content-Length: 99999999999999999999\r\n", "hello", false},
	{"Content-Length with a space inside", "Content-Length: 5 5\r\n", "hello", false},
	{"bare LF after a header", "X-A: 1\nContent-Length: 5\r\n", "hello", true},
	{"bare CR in a header", "X-A: 1\rContent-Length: 40\r\n", "", false},
	{"NUL in a header", "X-A: 1\x002\r\n", "", false},
	{"no colon", "Not a header\r\n", "", false},
	{"empty name", ": value\r\n", "", false},
	{"name with a control character", "X\x01A: 1\r\n", "", false},
	{"a second Host", "Host: other.test\r\n", "", false},
	{"chunk size with a sign", "Transfer-Encoding: chunked\r\n", "+5\r\nhello\r\n0\r\n\r\n", false},
	{"chunk size of twenty digits", "Transfer-Encoding: chunked\r\n", "00000000000000000000005\r\nhello\r\n0\r\n\r\n", false},
	{"chunk ended by LF alone", "Transfer-Encoding: chunked\r\n", "5\nhello\n0\n\n", false},
	{"chunk longer than its size", "Transfer-Encoding: chunked\r\n", "5\r\nhello!\r\n0\r\n\r\n", false},
	{"chunk extension with a bare LF", "Transfer-Encoding: chunked\r\n", "5;a\nb\r\nhello\r\n0\r\n\r\n", false},
	{"framing in a trailer", "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n", "5\r\nhello\r\n0\r\nContent-Length: 40\r\n\r\n", false},
}

// Whatever the agent sends, the service sees one clear request or none.
func TestSmuggledRequests(t *testing.T) {
	w, a := newWireProxy(t)
	doors := map[string]struct {
		line string
		dial func() net.Conn
	}{
		"base URL":      {"POST /wire%s HTTP/1.1\r\nHost: " + a.Addr + "\r\n", func() net.Conn { return a.dial(t) }},
		"absolute form": {"POST http://wire.test%s HTTP/1.1\r\nHost: wire.test\r\n", func() net.Conn { return a.dial(t) }},
		"CONNECT":       {"POST %s HTTP/1.1\r\nHost: wire.test\r\n", func() net.Conn { return a.connectTLS(t, "wire.test:443", "http/1.1") }},
	}
	for name, door := range doors {
		for i, s := range smuggling {
			t.Run(name+"/"+s.name, func(t *testing.T) {
				path := fmt.Sprintf("/path-%d-%d", i, time.Now().UnixNano())
				raw := exchange(door.dial(), fmt.Sprintf(door.line, path)+s.head+"\r\n"+s.body, 400*time.Millisecond)
				checkOneRequest(t, w.bytes(path), s)
				if status := statusOf(raw); !s.ok && status != 0 && status < 400 {
					t.Errorf("answer = %d, want a refusal or the end of the connection:\n%s", status, raw)
				}
				if strings.Contains(raw, demoToken) {
					t.Errorf("the credential is in the answer: %s", raw)
				}
			})
		}
	}
	checkCurl(t, a.curl(t, a.URL+"/wire/"), "ok\n200 1.1")
}

// checkOneRequest looks at what arrived at the service: nothing, a request
// that was broken off, or one request whose framing leaves no doubt.
func checkOneRequest(t *testing.T, got string, s shape) {
	t.Helper()
	if got == "" {
		return
	}
	head, body, _ := strings.Cut(got, "\r\n\r\n")
	lower := strings.ToLower(head)
	lengths := strings.Count(lower, "\r\ncontent-length:")
	chunked := strings.Count(lower, "\r\ntransfer-encoding:")
	doubt := ""
	switch {
	case lengths+chunked > 1:
		doubt = fmt.Sprintf("%d Content-Length and %d Transfer-Encoding", lengths, chunked)
	case strings.Contains(strings.ReplaceAll(head, "\r\n", ""), "\n") || strings.Contains(strings.ReplaceAll(head, "\r\n", ""), "\r"):
		doubt = "a bare CR or LF"
	case strings.Contains(head, "\r\n ") || strings.Contains(head, "\r\n\t"):
		doubt = "a folded header"
	case strings.ContainsRune(head, 0):
		doubt = "a NUL"
	case strings.Contains(body, " HTTP/1.1\r\n"):
		doubt = "a second request"
	case strings.Count(lower, "\r\nhost:") != 1:
		doubt = "not one Host"
	}
	if doubt != "" {
		t.Errorf("%s reached the service:\n%q", doubt, got)
	}
	if !s.ok && s.body == "" {
		t.Errorf("a malformed request reached the service:\n%q", got)
	}
}

// A request behind another in one write is a request of its own: it is judged,
// signed and answered as any other.
func TestPipelined(t *testing.T) {
	d := newDemo(t)
	conn := d.connectTLS(t, "demo.test:443", "http/1.1")
	one := "GET /whoami HTTP/1.1\r\nHost: demo.test\r\n\r\n"
	all := answers(exchange(conn, one+one+strings.Replace(one, "demo.test", "other.test", 1), time.Second))
	var got []int
	for _, res := range all {
		got = append(got, res.StatusCode)
	}
	if fmt.Sprint(got) != "[200 200 421]" {
		t.Errorf("three requests in one write, the last for another host = %v, want [200 200 421]", got)
	}
}
