package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// profiled is how long each door is looked at.
func (o options) profiled() time.Duration {
	if o.full {
		return 20 * time.Second
	}
	return 5 * time.Second
}

// profile writes profiles (CPU, allocations) of plain Caddy and of each door
// under load from 64 connections, for go tool pprof, and prints what a request
// costs. Objects and bytes per request hardly depend on what else runs.
func (w *world) profile(ctx context.Context, o options) error {
	dir := o.profile
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	a, c := w.attache, w.caddy
	caddyGet := func(addr string) opener { return plainOpener(addr, get("/v1/items", addr)) }
	fmt.Print("| 64 connections | CPU per request | objects | bytes |\n|---|--:|--:|--:|\n")
	for _, k := range []struct {
		name  string
		open  opener
		admin *http.Client
		proc  *process
	}{
		{"caddy-http", caddyGet(c.pool), c.admin, c.process},
		{"base-url", a.basePath("bench"), a.admin, a.process},
		{"base-url-quiet", w.quiet.basePath("bench"), w.quiet.admin, w.quiet.process},
		{"absolute", a.absolute(plainHost), a.admin, a.process},
		{"base-url-hmac", a.signedPost("bench-hmac"), a.admin, a.process},
		{"base-url-sigv4", a.signedPost("bench-aws"), a.admin, a.process},
		{"caddy-https", caddyGet(c.overH1), c.admin, c.process},
		{"base-url-https", a.basePath("bench-h1"), a.admin, a.process},
		{"tunnel-h1", a.tunnelH1(h1Host, w.tunnel), a.admin, a.process},
		{"tunnel-h2", a.tunnelH2(h1Host, w.tunnel, 1), a.admin, a.process},
		{"caddy-h2", caddyGet(c.overH2), c.admin, c.process},
		{"tunnel-h1-to-h2", a.tunnelH1(h2Host, w.tunnel), a.admin, a.process},
	} {
		if !w.rows.MatchString(k.name) {
			continue
		}
		c, err := k.open.profile(ctx, k.admin, k.proc, filepath.Join(dir, k.name), o.profiled())
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		fmt.Printf("| %s | %.1f µs | %.0f | %.0f |\n", k.name, c.cpu, c.objects, c.bytes)
	}
	return nil
}

// cost is what one request costs the proxy.
type cost struct{ cpu, objects, bytes float64 }

func (open opener) profile(ctx context.Context, admin *http.Client, p *process, path string, length time.Duration) (cost, error) {
	cs, err := open(ctx, 64)
	if err != nil {
		return cost{}, err
	}
	defer closeAll(cs)
	nothing := func() (int64, error) { return 0, nil }
	if _, err := loop(ctx, cs, 0, time.Second, p, nothing); err != nil {
		return cost{}, err
	}
	before, err := allocated(ctx, admin)
	if err != nil {
		return cost{}, err
	}
	done := make(chan error, 1)
	go func() {
		b, err := fetch(ctx, admin, fmt.Sprintf("http://caddy/debug/pprof/profile?seconds=%d", int(length.Seconds())))
		if err == nil {
			err = os.WriteFile(path+".cpu", b, 0o644)
		}
		done <- err
	}()
	s, err := loop(ctx, cs, 0, length, p, nothing)
	if err := errors.Join(err, <-done); err != nil {
		return cost{}, err
	}
	after, err := allocated(ctx, admin)
	if err != nil {
		return cost{}, err
	}
	b, err := fetch(ctx, admin, "http://caddy/debug/pprof/allocs")
	if err == nil {
		err = os.WriteFile(path+".allocs", b, 0o644)
	}
	n := float64(s.requests)
	return cost{s.cpuPerRequest(), float64(after[0]-before[0]) / n, float64(after[1]-before[1]) / n}, err
}

// allocated is how many objects and bytes a process has allocated.
func allocated(ctx context.Context, admin *http.Client) (n [2]int64, err error) {
	page, err := fetch(ctx, admin, "http://caddy/debug/pprof/heap?debug=1")
	for i, name := range []string{"Mallocs", "TotalAlloc"} {
		if err == nil {
			n[i], err = statistic(page, name)
		}
	}
	return n, err
}
