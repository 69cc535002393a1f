package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"

	"strconv"
	"sync"
	"sync/atomic"
)

// tunnelWorkers open tunnels at the same time.
const tunnelWorkers = 16

// newTunnels is what opening tunnels costs.
type newTunnels struct {
	name   string
	tunnel sample // a tunnel is one request here
}

// measureNewTunnels opens a tunnel for each request, closes it and opens the
// next: to the same host, whose leaf is cached, and to hosts never seen.
func measureNewTunnels(ctx context.Context, w *world, r *report) error {
	a := w.attache
	var names atomic.Int64
	never := func() string { return "n" + strconv.FormatInt(names.Add(1), 36) + "." + manyHosts }
	same := func() string { return h1Host }
	through := func(host func() string, request bool) func(context.Context) error {
		return func(ctx context.Context) error { return a.visit(ctx, host(), w.tunnel, request) }
	}
	kinds := []struct {
		name string
		proc *process
		one  func(context.Context) error
	}{
		{"Caddy, a new TLS connection and one request", w.caddy.process, w.visitPlainCaddy},
		{"Attaché, cached leaf, handshake alone", a.process, through(same, false)},
		{"Attaché, cached leaf, one request", a.process, through(same, true)},
		{"Attaché, minted leaf, handshake alone", a.process, through(never, false)},
		{"Attaché, minted leaf, one request (and a new connection to the service)", a.process, through(never, true)},
	}
	for range 2 {
		for i, k := range kinds {
			cs := make([]client, tunnelWorkers)
			for j := range cs {
				cs[j] = visitor{ctx, k.one}
			}
			s, err := loop(ctx, cs, w.plan.warm, w.plan.newTunnels, k.proc, w.opened(httpsH1))
			if err != nil {
				return fmt.Errorf("%s: %w", k.name, err)
			}
			if len(r.newTunnels) <= i {
				r.newTunnels = append(r.newTunnels, newTunnels{k.name, s})
			} else if s.cpuPerRequest() < r.newTunnels[i].tunnel.cpuPerRequest() {
				r.newTunnels[i].tunnel = s // the quieter of the two rounds
			}
		}
	}
	return nil
}

// visitor is a client that connects anew for each request.
type visitor struct {
	ctx context.Context
	one func(context.Context) error
}

func (v visitor) do() error { return v.one(v.ctx) }
func (visitor) close()      {}

// visit opens a tunnel, makes one request or none, and closes the tunnel.
func (a *attache) visit(ctx context.Context, host string, conf *tls.Config, request bool) error {
	conn, err := a.dialInside(ctx, host, conf, "http/1.1")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if !request {
		return nil
	}
	return newH1Client(conn, get("/v1/items", host)).do()
}

func (w *world) visitPlainCaddy(ctx context.Context) error {
	conn, err := dialTLS(ctx, w.caddy.ended, h1Host, w.service, "http/1.1")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return newH1Client(conn, get("/v1/items", h1Host)).do()
}

// inParallel calls do with 0 to n-1, a few at a time.
func inParallel(n int, do func(i int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, tunnelWorkers)
	for k := range errs {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && errs[k] == nil; i = int(next.Add(1)) - 1 {
				errs[k] = do(i)
			}
		})
	}
	wg.Wait()
	return cmp.Or(errs...)
}
