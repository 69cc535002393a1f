package upstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// TestStaleConnection: the service closes a kept connection when the second
// request is on its way.
func TestStaleConnection(t *testing.T) {
	tests := []struct {
		name     string
		method   string
		header   http.Header
		body     string
		requests int32 // that the service sees, the first one included
		fails    bool
	}{
		{"GET", "GET", nil, "", 3, false},
		{"a GET with a long head", "GET", http.Header{"X-Long": {strings.Repeat("a", maxWhole)}}, "", 3, false},
		{"HEAD", "HEAD", nil, "", 3, false},
		{"PUT", "PUT", nil, "x", 3, false},
		{"a long PUT", "PUT", nil, strings.Repeat("x", 2*maxWhole), 3, false},
		{"DELETE", "DELETE", nil, "", 3, false},
		{"POST", "POST", nil, "x", 2, true},
		{"PATCH", "PATCH", nil, "x", 2, true},
		{"POST with a key", "POST", http.Header{"Idempotency-Key": {"k"}}, "x", 3, false},
		{"unknown method", "BREW", nil, "", 2, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var requests atomic.Int32
			svc := newScript(t, func(n int, c net.Conn, r *bufio.Reader) {
				for i := 0; ; i++ {
					req, err := readHead(r)
					if err != nil {
						return
					}
					requests.Add(1)
					io.Copy(io.Discard, req.Body)
					if n == 0 && i == 1 {
						return
					}
					if req.Method == "HEAD" {
						io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
						continue
					}
					io.WriteString(c, ok)
				}
			})
			tr := newTransport(t)
			mustGet(t, tr, svc.request("GET", nil))
			var body io.Reader
			if test.body != "" {
				body = strings.NewReader(test.body)
			}
			req := svc.request(test.method, body)
			req.Header = test.header
			_, _, err := get(t, tr, req)
			if (err != nil) != test.fails {
				t.Errorf("error %v, want one: %v", err, test.fails)
			}
			if got := requests.Load(); got != test.requests {
				t.Errorf("the service saw %d requests, want %d", got, test.requests)
			}
		})
	}
}

// TestNeverTwice: where the second connection fails too, there is no third; and
// a fresh connection that fails is no reason to send again.
func TestNeverTwice(t *testing.T) {
	var requests atomic.Int32
	good := true
	svc := newScript(t, func(n int, c net.Conn, r *bufio.Reader) {
		for i := 0; ; i++ {
			if _, err := readHead(r); err != nil {
				return
			}
			requests.Add(1)
			if n > 0 || i > 0 {
				return
			}
			io.WriteString(c, ok)
		}
	})
	_ = good
	tr := newTransport(t)
	mustGet(t, tr, svc.request("GET", nil))
	for i, want := range []int32{3, 4} {
		if _, _, err := get(t, tr, svc.request("GET", nil)); err == nil {
			t.Error("no error")
		}
		if got := requests.Load(); got != want {
			t.Errorf("round %d: the service saw %d requests, want %d", i, got, want)
		}
	}
}

// TestClosedWhileIdle: a connection that the service closed is never used, so
// that even a POST goes out.
func TestClosedWhileIdle(t *testing.T) {
	closed := make(chan struct{})
	svc := newScript(t, func(n int, c net.Conn, r *bufio.Reader) {
		req, err := readHead(r)
		if err != nil {
			return
		}
		io.Copy(io.Discard, req.Body)
		io.WriteString(c, ok)
		if n == 0 {
			c.Close()
			close(closed)
		}
	})
	tr := newTransport(t)
	mustGet(t, tr, svc.request("GET", nil))
	<-closed
	time.Sleep(10 * time.Millisecond)
	mustGet(t, tr, svc.request("POST", strings.NewReader("x")))
}

// TestUnaskedAnswer: what a service sends beyond its answer is nobody's answer,
// whether it comes with it or later, with TLS or without.
func TestUnaskedAnswer(t *testing.T) {
	const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	sent := make(chan struct{})
	svc := func(conn net.Conn, later bool) {
		r := bufio.NewReader(conn)
		for {
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			io.WriteString(conn, ok)
			if later {
				time.Sleep(20 * time.Millisecond)
			}
			io.WriteString(conn, evil) // with TLS: a record of its own
			sent <- struct{}{}
		}
	}
	cert := httptest.NewUnstartedServer(nil)
	cert.StartTLS()
	defer cert.Close()
	for _, later := range []bool{false, true} {
		for _, secure := range []bool{false, true} {
			for _, together := range []bool{false, true} {
				s := newScript(t, func(n int, c net.Conn, r *bufio.Reader) {
					if secure {
						if together {
							c = &gather{Conn: c}
						}
						c = tls.Server(c, cert.TLS)
					}
					svc(c, later)
				})
				tr := newTransport(t, func(tr *http.Transport) {
					tr.TLSClientConfig = cert.Client().Transport.(*http.Transport).TLSClientConfig
				})
				scheme := "http://"
				if secure {
					scheme = "https://"
					tr.seen.set(s.addr, http1)
				}
				for range 5 {
					req, _ := http.NewRequest("GET", scheme+s.addr+"/", nil)
					if _, body := mustGet(t, tr, req); body != "ok" {
						t.Errorf("later %v, tls %v: answer %q, want ok", later, secure, body)
					}
					<-sent
					time.Sleep(5 * time.Millisecond)
				}
				if n := s.conns.Load(); n != 5 {
					t.Errorf("later %v, tls %v: %d connections for 5 requests, want 5", later, secure, n)
				}
			}
		}
	}
}

// gather holds TLS records back for a moment, so that two come in one segment.
type gather struct {
	net.Conn
	held []byte
}

func (g *gather) Write(p []byte) (int, error) {
	g.held = append(g.held, p...)
	if len(g.held) > len(p) || len(p) > 200 {
		_, err := g.Conn.Write(g.held)
		g.held = nil
		return len(p), err
	}
	return len(p), nil
}

// TestEarlyAnswer: a service answers before it has read the body, which it never
// reads. The answer is there at once, and the connection is not used again.
func TestEarlyAnswer(t *testing.T) {
	svc := newScript(t, func(n int, c net.Conn, r *bufio.Reader) {
		if _, err := readHead(r); err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
		time.Sleep(300 * time.Millisecond)
	})
	tr := newTransport(t)
	for _, length := range []int64{64 << 20, -1} {
		req := svc.request("POST", io.LimitReader(zeros{}, 64<<20))
		req.ContentLength = length
		res, body := mustGet(t, tr, req)
		if res.StatusCode != 413 || body != "big" {
			t.Errorf("got %d %q", res.StatusCode, body)
		}
		if n := tr.idle(); n != 0 {
			t.Errorf("%d idle connections, want none", n)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestBodyNeverRead: 10 000 requests to a service that reads no body leave
// nothing behind.
func TestBodyNeverRead(t *testing.T) {
	n := 10_000
	if testing.Short() {
		n = 500
	}
	svc := newScript(t, func(_ int, c net.Conn, r *bufio.Reader) {
		if _, err := readHead(r); err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 403 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
	})
	tr := newTransport(t)
	before := runtime.NumGoroutine()
	failed := 0
	for i := range n {
		req := svc.request("POST", io.LimitReader(zeros{}, 40<<10))
		if req.ContentLength = 40 << 10; i%2 == 0 {
			req.ContentLength = -1
		}
		res, _, err := get(t, tr, req)
		if err != nil {
			failed++ // the service's reset overtook its answer
		} else if res.StatusCode != 403 {
			t.Fatalf("status %d", res.StatusCode)
		}
	}
	if failed > n/20 {
		t.Errorf("%d of %d requests found no answer", failed, n)
	}
	if k := tr.idle(); k != 0 {
		t.Errorf("%d idle connections, want none", k)
	}
	for range 100 {
		if runtime.NumGoroutine() <= before+5 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("%d goroutines, before it were %d", runtime.NumGoroutine(), before)
}

// TestAnswersAreBounded: services that never come to an end.
func TestAnswersAreBounded(t *testing.T) {
	tests := []struct{ name, line, want string }{
		{"informational for ever", "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n", "too many"},
		{"continue for ever", "HTTP/1.1 100 Continue\r\n\r\n", "too many"},
		{"a header for ever", "X: " + strings.Repeat("x", 1000) + "\r\n", "too long"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			svc := newScript(t, func(_ int, c net.Conn, r *bufio.Reader) {
				readHead(r)
				if strings.HasPrefix(test.line, "X") {
					io.WriteString(c, "HTTP/1.1 200 OK\r\n")
				}
				for {
					if _, err := io.WriteString(c, test.line); err != nil {
						return
					}
				}
			})
			tr := newTransport(t, func(tr *http.Transport) { tr.MaxResponseHeaderBytes = 256 << 10 })
			_, _, err := get(t, tr, svc.request("GET", nil))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
		})
	}
}

func TestBrokenAnswers(t *testing.T) {
	for _, answer := range []string{
		"", "HTTP/1.1", "HTTP/1.1 200 OK\r\nContent-Len", "garbage\r\n\r\n", "HTTP/1.1 099 Low\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
		"HTTP/1.1 200 OK\r\n X: folded\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\ncontent-length\t: 3\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	} {
		svc := newScript(t, func(_ int, c net.Conn, r *bufio.Reader) {
			readHead(r)
			io.WriteString(c, answer)
		})
		tr := newTransport(t)
		if _, body, err := get(t, tr, svc.request("GET", nil)); err == nil {
			t.Errorf("answer %q was taken as whole, body %q", answer, body)
		}
		if n := tr.idle(); n != 0 {
			t.Errorf("answer %q: the connection was kept", answer)
		}
	}
}

// TestHangUp: the caller goes, while it waits for the head, for the body, while
// its own body is awaited, and while it is being dialled.
func TestHangUp(t *testing.T) {
	gone := make(chan struct{}, 8)
	svc := newScript(t, func(_ int, c net.Conn, r *bufio.Reader) {
		req, err := readHead(r)
		if err != nil {
			return
		}
		if req.URL.Path == "/body" {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
		}
		io.Copy(io.Discard, r)
		gone <- struct{}{}
	})
	tr := newTransport(t)
	cause := errors.New("the agent hung up")
	blocked, release := io.Pipe()
	defer release.Close()
	for _, test := range []struct {
		path string
		body io.Reader
	}{{"/head", nil}, {"/body", nil}, {"/upload", blocked}} {
		ctx, cancel := context.WithCancelCause(context.Background())
		req, _ := http.NewRequestWithContext(ctx, "POST", "http://"+svc.addr+test.path, test.body)
		time.AfterFunc(50*time.Millisecond, func() { cancel(cause) })
		res, err := tr.Send(req, Owner{}, nil)
		if err == nil {
			_, err = io.ReadAll(res.Body)
		}
		if !errors.Is(err, cause) {
			t.Errorf("%s: error %v, want the cause", test.path, err)
		}
		select {
		case <-gone:
		case <-time.After(5 * time.Second):
			t.Errorf("%s: the service was not told", test.path)
		}
	}
	if n := tr.idle(); n != 0 {
		t.Errorf("%d idle connections, want none", n)
	}
}

func TestBodyFails(t *testing.T) {
	svc := newScript(t, func(_ int, c net.Conn, r *bufio.Reader) { io.Copy(io.Discard, r) })
	tr := newTransport(t)
	broken := errors.New("the agent's connection broke")
	for _, test := range []struct {
		length int64
		body   io.Reader
		want   string
	}{
		{10, io.MultiReader(strings.NewReader("abc")), "ended after 3 of 10"},
		{2, io.MultiReader(strings.NewReader("abc")), "longer than its 2"},
		{10, failing{broken}, broken.Error()},
		{-1, failing{broken}, broken.Error()},
		{100_000, failing{broken}, broken.Error()},
		{100_000, io.MultiReader(strings.NewReader("abc")), "ended after 3 of 100000"},
		{100_000, io.LimitReader(zeros{}, 100_001), "longer than its 100000"},
	} {
		req := svc.request("POST", test.body)
		req.ContentLength = test.length
		_, _, err := get(t, tr, req)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("length %d: error %v, want %q", test.length, err, test.want)
		}
	}
}

type failing struct{ err error }

func (f failing) Read(p []byte) (int, error) { return 0, f.err }

// TestExpect: the body waits for the service's word, is not sent where it was
// refused, and is sent after a while to a service that says nothing.
func TestExpect(t *testing.T) {
	for _, test := range []struct {
		name, first, second string
		body                bool
	}{
		{"yes", "HTTP/1.1 100 Continue\r\n\r\n", ok, true},
		{"no", "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "", false},
		{"silence", "", ok, true},
		{"hints first", "HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n", ok, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := make(chan bool, 1)
			svc := newScript(t, func(_ int, c net.Conn, r *bufio.Reader) {
				req, err := readHead(r)
				if err != nil {
					return
				}
				early := r.Buffered() > 0
				io.WriteString(c, test.first)
				_, err = io.ReadAll(req.Body)
				got <- err == nil && !early
				io.WriteString(c, test.second)
			})
			tr := newTransport(t)
			req := svc.request("PUT", strings.NewReader("body"))
			req.Header.Set("Expect", "100-continue")
			mustGet(t, tr, req)
			if b := <-got; b != test.body {
				t.Errorf("body sent: %v, want %v", b, test.body)
			}
		})
	}
}

func TestPool(t *testing.T) {
	svc := newScript(t, func(n int, c net.Conn, r *bufio.Reader) {
		for {
			if _, err := readHead(r); err != nil {
				return
			}
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n%02d", n)
		}
	})
	on := func(tr *Transport, account string) string {
		res, err := tr.Send(svc.request("GET", nil), Owner{Account: account}, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		return string(b)
	}
	tr := newTransport(t, func(tr *http.Transport) {
		tr.MaxIdleConnsPerHost, tr.MaxIdleConns, tr.IdleConnTimeout = 2, 4, 200*time.Millisecond
	})
	a, b := on(tr, "a"), on(tr, "b")
	if a == b || on(tr, "a") != a || on(tr, "b") != b {
		t.Error("two accounts share a connection, or one does not keep its own")
	}
	if res, err := tr.Send(svc.request("GET", nil), Owner{Account: "a", Agent: "other"}, nil); err != nil {
		t.Error(err)
	} else if got, _ := io.ReadAll(res.Body); string(got) == a || string(got) == b {
		t.Error("two agents share a connection")
	}
	var held []*http.Response
	for range 5 {
		res, err := tr.Send(svc.request("GET", nil), Owner{Account: "a"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, res)
	}
	for _, res := range held {
		io.ReadAll(res.Body)
	}
	if n := tr.idle(); n != 4 {
		t.Errorf("%d idle connections, want two of a, one of b, and one of a's other agent", n)
	}
	for i := range 6 {
		on(tr, fmt.Sprint("c", i))
	}
	if n := tr.idle(); n != 4 {
		t.Errorf("%d idle connections, want no more than 4", n)
	}
	for range 100 {
		if tr.idle() == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if n := tr.idle(); n != 0 || len(tr.pool.places) != 0 {
		t.Errorf("%d idle connections after the time-out, %d places; want none", n, len(tr.pool.places))
	}
	tr.Close()
	on(tr, "a")
	if n := tr.idle(); n != 0 {
		t.Errorf("%d idle connections after Close, want none", n)
	}
}

// TestEarlyClose: an answer whose body is not read gives no connection back.
func TestEarlyClose(t *testing.T) {
	svc := httptest.NewServer(http.HandlerFunc(echo))
	defer svc.Close()
	tr := newTransport(t)
	for _, path := range []string{"/length/1000000", "/chunks/100"} {
		req, _ := http.NewRequest("GET", svc.URL+path, nil)
		res, err := tr.Send(req, Owner{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Read(make([]byte, 10))
		res.Body.Close()
		if _, err := res.Body.Read(make([]byte, 10)); err == nil {
			t.Errorf("%s: reading after Close gave no error", path)
		}
		if n := tr.idle(); n != 0 {
			t.Errorf("%s: the connection was kept", path)
		}
	}
}

// TestEarlyAnswerEndsConnection: what a service did not read of a body may be its next
// request, so that nobody's next request goes behind it.
func TestEarlyAnswerEndsConnection(t *testing.T) {
	svc := newScript(t, func(n int, c net.Conn, r *bufio.Reader) {
		for {
			if _, err := readHead(r); err != nil {
				return
			}
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n%02d", n)
		}
	})
	tr := newTransport(t, func(*http.Transport) {})
	for _, length := range []int64{40 << 10, -1} {
		body, rest := io.Pipe()
		req := svc.request("PUT", body)
		req.ContentLength = length
		go rest.Write(make([]byte, 20<<10))
		res, err := tr.Send(req, Owner{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		go func() { rest.Write(make([]byte, 20<<10)); rest.Close() }()
		first, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		res, err = tr.Send(svc.request("GET", nil), Owner{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if second, _ := io.ReadAll(res.Body); string(second) == string(first) {
			t.Errorf("%d bytes: the next request went over connection %s as well", length, second)
		}
	}
}

// hold is a Holder for one request.
type hold struct {
	mu    sync.Mutex
	on    io.Closer
	ended bool
}

func (h *hold) Holds(c io.Closer) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.on = c; h.ended && c != nil {
		_ = c.Close()
	}
	return !h.ended
}

func (h *hold) Under(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	h.Holds(closing(cancel))
	return ctx
}

func (h *hold) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended = true; h.on != nil {
		_ = h.on.Close()
	}
}

type closing context.CancelFunc

func (c closing) Close() error { c(); return nil }

// TestHeld: who permitted a request ends it while it waits for the head, in the middle
// of the answer, and before it begins; it is not sent again, and its connection not
// kept. Once the answer is whole, there is nothing left to be ended.
func TestHeld(t *testing.T) {
	var requests atomic.Int32
	waits, gone := make(chan struct{}, 8), make(chan struct{}, 8)
	svc := newScript(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			req, err := readHead(r)
			if err != nil {
				return
			}
			switch requests.Add(1); req.URL.Path {
			case "/body":
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
			case "/whole":
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody")
				continue
			}
			waits <- struct{}{}
			io.Copy(io.Discard, r)
			gone <- struct{}{}
			return
		}
	})
	tr := newTransport(t)
	send := func(path string, h *hold) error {
		req := svc.request("GET", nil)
		req.URL.Path = path
		res, err := tr.Send(req, Owner{}, h)
		if err == nil {
			_, err = io.ReadAll(res.Body)
			res.Body.Close()
		}
		return err
	}
	for _, path := range []string{"/head", "/body"} {
		for _, kept := range []bool{true, false} {
			whole := new(hold)
			if kept {
				if err := send("/whole", whole); err != nil || whole.on != nil || tr.idle() != 1 {
					t.Fatalf("a whole answer: %v, %d connections kept, holding %v", err, tr.idle(), whole.on)
				}
			}
			whole.end() // its connection is the next one's
			h := new(hold)
			before := requests.Load()
			go func() { <-waits; h.end() }()
			if err := send(path, h); err == nil {
				t.Errorf("%s: no error", path)
			}
			select {
			case <-gone:
			case <-time.After(10 * time.Second):
				t.Errorf("%s: the service was not told", path)
			}
			if n := requests.Load() - before; n != 1 || tr.idle() != 0 {
				t.Errorf("%s on a kept connection %v: sent %d times, %d connections kept", path, kept, n, tr.idle())
			}
		}
	}
	before := requests.Load()
	if err := send("/whole", &hold{ended: true}); err == nil || requests.Load() != before {
		t.Errorf("ended before it began: error %v, sent %d times", err, requests.Load()-before)
	}
}
