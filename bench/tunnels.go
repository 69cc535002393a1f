package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
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

// idleTunnels is what tunnels cost that wait.
type idleTunnels struct {
	name                 string
	n                    int
	before, open, closed memory
	opening              time.Duration
	// busy is the latency of other requests while the tunnels wait.
	busy sample
}

// measureIdleTunnels opens many tunnels, makes a request in each, lets them
// wait, and makes a further request in each.
func measureIdleTunnels(ctx context.Context, w *world, r *report) error {
	n, err := affordable(w.plan.idleTunnels)
	if err != nil {
		return err
	}
	a := w.attache
	for _, k := range []struct {
		name string
		open opener
	}{
		{"HTTP/1.1 inside", a.tunnelH1(h1Host, w.tunnel)},
		{"HTTP/2 inside", a.tunnelH2(h1Host, w.tunnel, 1)},
	} {
		progress("  %d tunnels, %s", n, k.name)
		t := idleTunnels{name: k.name, n: n}
		if err := t.run(ctx, w, k.open); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		r.idle = append(r.idle, t)
		n /= 5 // HTTP/2 has no floor; a smaller number tells as much
	}
	return nil
}

func (t *idleTunnels) run(ctx context.Context, w *world, open opener) (err error) {
	a := w.attache
	if err := a.restart(ctx, w); err != nil {
		return err
	}
	if t.before, err = a.memory(ctx, w.plan.settle); err != nil {
		return err
	}
	began := time.Now()
	cs, err := openMany(ctx, t.n, open)
	defer func() { closeAll(cs) }()
	if err != nil {
		return err
	}
	t.opening = time.Since(began)
	if t.open, err = a.memory(ctx, w.plan.settle); err != nil {
		return err
	}
	others, err := a.basePath("bench")(ctx, 16)
	if err != nil {
		return err
	}
	defer closeAll(others)
	if t.busy, err = loop(ctx, others, w.plan.warm, w.plan.window, a.process, w.opened(plainHTTP)); err != nil {
		return err
	}
	if err := inParallel(len(cs), func(i int) error { return cs[i].do() }); err != nil {
		return fmt.Errorf("a tunnel that had waited: %w", err)
	}
	closeAll(cs)
	cs = nil
	t.closed, err = a.memory(ctx, w.plan.settle)
	return err
}

// openMany opens n connections, a request in each.
func openMany(ctx context.Context, n int, open opener) ([]client, error) {
	all := make([]client, n)
	err := inParallel(n, func(i int) error {
		cs, err := open(ctx, 1)
		if err != nil {
			return err
		}
		all[i] = cs[0]
		return all[i].do()
	})
	return slices.DeleteFunc(all, func(c client) bool { return c == nil }), err
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

// affordable is how many connections the limit of open files admits, at most n.
func affordable(n int) (int, error) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, err
	}
	if room := int(min(l.Max, 1<<20)) - 1000; room < n {
		progress("  the limit of open files (ulimit -Hn) leaves room for %d tunnels instead of %d", room, n)
		return max(room, 0), nil
	}
	return n, nil
}

// closedTunnels is what tunnels leave behind.
type closedTunnels struct {
	first, n      int
	before, after memory
}

// firstTunnels make pools and caches as large as they get.
const firstTunnels = 2000

// measureClosedTunnels opens and closes many tunnels, a request in each, and
// compares the memory with what it was after the first of them.
func measureClosedTunnels(ctx context.Context, w *world, r *report) (err error) {
	a := w.attache
	if err := a.restart(ctx, w); err != nil {
		return err
	}
	t := &closedTunnels{first: firstTunnels, n: w.plan.closedTunnels}
	visit := func(n int) error {
		return inParallel(n, func(int) error { return a.visit(ctx, h1Host, w.tunnel, true) })
	}
	if err := visit(t.first); err != nil {
		return err
	}
	if t.before, err = a.memory(ctx, w.plan.settle); err != nil {
		return err
	}
	if err := visit(t.n); err != nil {
		return err
	}
	if t.after, err = a.memory(ctx, w.plan.settle); err != nil {
		return err
	}
	r.closed = t
	return nil
}
