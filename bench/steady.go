package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
)

// target is one way to the service.
type target struct {
	name string
	open opener
	proc *process // nil without a proxy
	up   kind     // the listener of the service that answers
}

// group is what is measured side by side: the rounds of its targets interleave.
type group struct {
	title   string
	targets []target
	// reference is the target that ratios are taken to.
	reference string
	conns     []int
}

func steadyHTTP(ctx context.Context, w *world, r *report) error {
	u, a := w.upstream.addrs[plainHTTP], w.attache
	g := group{title: "Reverse proxy, plain HTTP to the service", reference: "Caddy, pool of 256", conns: []int{1, 16, 64}}
	g.add("direct", plainOpener(u, get("/v1/items", u, bearer(w.token))), nil, plainHTTP)
	if w.nginx != nil {
		g.add("nginx", plainOpener(w.nginx.addr, get("/v1/items", w.nginx.addr)), w.nginx.process, plainHTTP)
	}
	for _, c := range []struct{ name, addr string }{{"Caddy, pool of 256", w.caddy.pool}, {"Caddy, its default pool", w.caddy.standard}, {"Caddy, pool of 256, access log", w.caddy.logged}} {
		g.add(c.name, plainOpener(c.addr, get("/v1/items", c.addr)), w.caddy.process, plainHTTP)
	}
	g.add("Go, httputil.ReverseProxy", plainOpener(w.goProxy.addr, get("/v1/items", w.goProxy.addr)), w.goProxy.process, plainHTTP)
	g.add("Attaché, base URL", a.basePath("bench"), a.process, plainHTTP)
	g.add("Attaché, base URL, net/http to the service", w.std.basePath("bench"), w.std.process, plainHTTP)
	g.add("Attaché, base URL, through reverse_proxy", a.composedPath("bench"), a.process, plainHTTP)
	g.add("Attaché, base URL, audit off", w.quiet.basePath("bench"), w.quiet.process, plainHTTP)
	if b := w.before; b != nil {
		g.add("Attaché before, base URL", b.basePath("bench"), b.process, plainHTTP)
	}
	g.add("Attaché, host name", a.hostName("bench"), a.process, plainHTTP)
	g.add("Attaché, absolute form", a.absolute(plainHost), a.process, plainHTTP)
	return g.run(ctx, w, r)
}

func steadyHTTPS(ctx context.Context, w *world, r *report) error {
	u, a := w.upstream.addrs[httpsH1], w.attache
	title := "HTTPS to the service over HTTP/1.1"
	g := group{title: title, reference: "Caddy, pool of 256", conns: []int{1, 16, 64}}
	g.add("direct", tlsOpener(u, h1Host, w.service, get("/v1/items", h1Host, bearer(w.token))), nil, httpsH1)
	g.add("Caddy, pool of 256", plainOpener(w.caddy.overH1, get("/v1/items", w.caddy.overH1)), w.caddy.process, httpsH1)
	g.add("Caddy, TLS h1 from the agent", tlsOpener(w.caddy.ended, h1Host, w.service, get("/v1/items", h1Host)), w.caddy.process, httpsH1)
	g.add("Caddy, TLS h2 from the agent", h2Opener(h1Host, 1, func(ctx context.Context) (*tls.Conn, error) {
		return dialTLS(ctx, w.caddy.ended, h1Host, w.service, "h2")
	}), w.caddy.process, httpsH1)
	g.add("Attaché, base URL", a.basePath("bench-h1"), a.process, httpsH1)
	g.add("Attaché, intercepted h1", a.tunnelH1(h1Host, w.tunnel), a.process, httpsH1)
	if b := w.before; b != nil {
		tunnel, err := b.trust()
		if err != nil {
			return err
		}
		g.add("Attaché before, intercepted h1", b.tunnelH1(h1Host, tunnel), b.process, httpsH1)
	}
	g.add("Attaché, intercepted h2", a.tunnelH2(h1Host, w.tunnel, 1), a.process, httpsH1)
	g.add("Attaché, intercepted h2, one tunnel", a.tunnelH2(h1Host, w.tunnel, 0), a.process, httpsH1)
	g.add("Attaché, opaque tunnel", a.opaque(u, h1Host, w.service, w.token), a.process, httpsH1)
	if err := g.run(ctx, w, r); err != nil {
		return err
	}
	many := group{title: title, reference: g.reference, conns: []int{256}}
	for _, t := range g.targets {
		switch t.name {
		case g.reference, "Caddy, TLS h2 from the agent", "Attaché, base URL", "Attaché, intercepted h1", "Attaché, intercepted h2":
			many.targets = append(many.targets, t)
		}
	}
	return many.run(ctx, w, r)
}

func steadyH2(ctx context.Context, w *world, r *report) error {
	a := w.attache
	g := group{title: "HTTPS to the service over HTTP/2", reference: "Caddy", conns: []int{16, 64}}
	g.add("Caddy", plainOpener(w.caddy.overH2, get("/v1/items", w.caddy.overH2)), w.caddy.process, httpsH2)
	g.add("Attaché, base URL", a.basePath("bench-h2"), a.process, httpsH2)
	g.add("Attaché, intercepted h1", a.tunnelH1(h2Host, w.tunnel), a.process, httpsH2)
	g.add("Attaché, intercepted h2, one tunnel", a.tunnelH2(h2Host, w.tunnel, 0), a.process, httpsH2)
	return g.run(ctx, w, r)
}

func (g *group) add(name string, open opener, p *process, k kind) {
	g.targets = append(g.targets, target{name, open, p, k})
}

// run measures every target in every round, each round in another order, so
// that what else happens on the machine meets all of them.
func (g *group) run(ctx context.Context, w *world, r *report) error {
	g.targets = slices.DeleteFunc(g.targets, func(t target) bool { return t.name != g.reference && !w.rows.MatchString(t.name) })
	for _, n := range g.conns {
		t := newTable(g, n)
		if err := g.rounds(ctx, w, n, t); err != nil {
			return err
		}
		r.tables = append(r.tables, t)
	}
	return nil
}

func (g *group) rounds(ctx context.Context, w *world, n int, t *table) error {
	progress("  %s, %d connections", g.title, n)
	open := make([][]client, len(g.targets))
	defer func() {
		for _, cs := range open {
			closeAll(cs)
		}
	}()
	for round := range w.plan.rounds {
		for i := range g.targets {
			i := (i + round) % len(g.targets)
			tg := g.targets[i]
			if open[i] == nil {
				cs, err := tg.open(ctx, n)
				if err == nil {
					open[i], err = cs, warmUp(ctx, cs)
				}
				if err != nil {
					return fmt.Errorf("%s, %d connections: %w", tg.name, n, err)
				}
			}
			s, err := loop(ctx, open[i], w.plan.warm, w.plan.window, tg.proc, w.opened(tg.up))
			if err != nil {
				return fmt.Errorf("%s, %d connections: %w", tg.name, n, err)
			}
			t.samples[i] = append(t.samples[i], s)
		}
	}
	return nil
}

// opened returns how many connections a listener of the service has accepted.
func (w *world) opened(k kind) func() (int64, error) {
	return func() (int64, error) {
		c, err := w.upstream.counts(k)
		return c.Accepted, err
	}
}
