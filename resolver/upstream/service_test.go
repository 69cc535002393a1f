package upstream

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// script is a service that answers by hand: it is given each connection, and
// its number from 0.
type script struct {
	addr  string
	conns atomic.Int32
}

func newScript(t testing.TB, serve func(n int, c net.Conn, r *bufio.Reader)) *script {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &script{addr: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n := int(s.conns.Add(1)) - 1
			go func() {
				defer c.Close()
				serve(n, c, bufio.NewReader(c))
			}()
		}
	}()
	return s
}

func (s *script) request(method string, body io.Reader) *http.Request {
	req, err := http.NewRequest(method, "http://"+s.addr+"/", body)
	if err != nil {
		panic(err)
	}
	return req
}

// readHead reads a request up to its body.
func readHead(r *bufio.Reader) (*http.Request, error) { return http.ReadRequest(r) }

func newTransport(t testing.TB, change ...func(*http.Transport)) *Transport {
	t.Helper()
	std := &http.Transport{
		DialContext: (&net.Dialer{}).DialContext, MaxIdleConns: 64, MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute,
		ForceAttemptHTTP2: true, DisableCompression: true, ExpectContinueTimeout: 300 * time.Millisecond,
	}
	for _, f := range change {
		f(std)
	}
	tr := New(std, true)
	t.Cleanup(tr.Close)
	return tr
}

// idle is how many connections are kept.
func (t *Transport) idle() int {
	t.pool.mu.Lock()
	defer t.pool.mu.Unlock()
	return t.pool.n
}

// get sends and reads the answer to its end.
func get(t testing.TB, tr *Transport, req *http.Request) (*http.Response, string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(req.Context(), 20*time.Second)
	defer cancel()
	res, err := tr.Send(req.WithContext(ctx), Owner{}, nil)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res, string(b), err
}

func mustGet(t testing.TB, tr *Transport, req *http.Request) (*http.Response, string) {
	t.Helper()
	res, body, err := get(t, tr, req)
	if err != nil {
		t.Fatal(err)
	}
	return res, body
}
