package main

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// idleH1 are the tunnels with HTTP/1.1 inside.
const idleH1 = "HTTP/1.1 inside"

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
		{idleH1, a.tunnelH1(h1Host, w.tunnel)},
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
