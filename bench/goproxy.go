package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"sync"
	"time"
)

// goProxy is what a Go programmer would write in an afternoon: httputil's reverse
// proxy with a pool of buffers and of 256 connections. It is this program with
// another role.
type goProxy struct {
	*process
	addr string
	hold *os.File
}

// backendVariable says where it sends to: host:port.
const backendVariable = "ATTACHE_BENCH_BACKEND"

func serveGoProxy() error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	backend, credential := os.Getenv(backendVariable), "Bearer "+os.Getenv(tokenVariable)
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.Proxy, tr.DisableCompression, tr.MaxIdleConns, tr.MaxIdleConnsPerHost = nil, true, 1024, 256
	p := &httputil.ReverseProxy{Transport: tr, BufferPool: new(copyBuffers), FlushInterval: 0,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", backend
			r.Out.Header.Set("Authorization", credential)
		}}
	srv := &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = srv.Serve(ln) }()
	if err := json.NewEncoder(os.Stdout).Encode(ln.Addr().String()); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// copyBuffers implements httputil.BufferPool.
type copyBuffers struct{ sync.Pool }

func (b *copyBuffers) Get() []byte {
	if p, ok := b.Pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

func (b *copyBuffers) Put(p []byte) { b.Pool.Put(&p) }

func startGoProxy(ctx context.Context, w *world) (*goProxy, error) {
	p := &goProxy{}
	var err error
	p.process, p.hold, err = w.startRole(ctx, "goproxy", &p.addr, backendVariable+"="+w.upstream.addrs[plainHTTP])
	return p, err
}

// startRole starts this program with another role, and reads the one line of JSON
// by which it says that it listens. It ends when hold is closed, at the latest
// with us.
func (w *world) startRole(ctx context.Context, role string, into any, env ...string) (p *process, hold *os.File, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	stdin, hold, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	out, say, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	p, err = start(role, w.dir, append(append(w.env(), roleVariable+"="+role), env...), say, stdin, self)
	_, _ = say.Close(), stdin.Close()
	if err != nil {
		return nil, nil, err
	}
	lines := make(chan error, 1)
	go func() { lines <- json.NewDecoder(out).Decode(into) }()
	select {
	case err = <-lines:
	case <-p.done:
		err = errors.New(p.said())
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(10 * time.Second):
		err = fmt.Errorf("%s said nothing in ten seconds", role)
	}
	return p, hold, err
}
