package main

import "context"

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
