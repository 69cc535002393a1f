package intercept_test

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attache-proxy/attache/caddymodule/intercept"
)

// TestDetachedTunnel: the handler of a CONNECT returns while requests are served
// inside, and the caller hears once that the tunnel is over.
func TestDetachedTunnel(t *testing.T) {
	var open, closed atomic.Int64
	i := intercept.New(intercept.Config{
		CA:       newFakeCA(t, -time.Hour, week),
		OnTunnel: func(d int) { open.Add(int64(d)) },
		Handler:  http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, intercept.FromContext(r.Context()).Host) }),
	})
	returned := make(chan error, 1)
	s := &http.Server{ConnContext: intercept.ConnContext, ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		returned <- i.Intercept(w, r, &intercept.Tunnel{Host: "api.example.com", Port: "443", Detach: true, Closed: func() { closed.Add(1) }})
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); i.Close() })

	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(c)
	say := func(method, text, want string) {
		t.Helper()
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(answers, &http.Request{Method: method})
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("%q = %v, %v", text, res, err)
		}
		if method == "CONNECT" {
			return
		}
		if b, err := io.ReadAll(res.Body); string(b) != want || err != nil {
			t.Errorf("%q = %q, %v", text, b, err)
		}
	}
	say("CONNECT", "CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n\r\n", "")
	const get = "GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n"
	say("GET", get, "api.example.com")
	if err := <-returned; err != nil {
		t.Errorf("Intercept = %v", err)
	}
	say("GET", get, "api.example.com") // without the handler
	if open.Load() != 1 || closed.Load() != 0 {
		t.Errorf("%d open, %d times closed; want 1, 0", open.Load(), closed.Load())
	}
	_ = c.Close()
	waitFor(t, "the tunnel to be over", func() bool { return closed.Load() > 0 })
	if open.Load() != 0 || closed.Load() != 1 {
		t.Errorf("%d open, %d times closed; want 0, 1", open.Load(), closed.Load())
	}

	// One that was never opened is over as well.
	broken := &intercept.Tunnel{Host: "api.example.com", Port: "443", Detach: true, Closed: func() { closed.Add(1) }}
	if err := i.Intercept(noHijack{}, &http.Request{Method: "CONNECT", ProtoMajor: 1}, broken); err == nil || closed.Load() != 2 {
		t.Errorf("without hijacking = %v, %d times closed; want an error and 2", err, closed.Load())
	}
}

type noHijack struct{ http.ResponseWriter }
