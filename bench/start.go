package main

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

// started is how a proxy starts and what it holds before it has work.
type started struct {
	name   string
	answer time.Duration // from start to the first answer, median
	cpu    time.Duration // used until then, median
	rss    int64         // a second later, median
}

// measureStart starts each proxy several times. The first time Attaché also
// makes its authority.
func measureStart(ctx context.Context, w *world, r *report) error {
	type candidate struct {
		name  string
		start func(context.Context) (*process, error)
		fresh bool // without anything that an earlier start left
	}
	var all []candidate
	if w.nginx != nil {
		n := *w.nginx
		all = append(all, candidate{"nginx", func(ctx context.Context) (*process, error) { err := n.start(ctx, w); return n.process, err }, false})
		w.nginx.stop()
	}
	c, a := *w.caddy, *w.attache
	w.caddy.stop()
	w.attache.stop()
	startA := func(ctx context.Context) (*process, error) { err := a.start(ctx, w); return a.process, err }
	all = append(all,
		candidate{"Caddy", func(ctx context.Context) (*process, error) { err := c.start(ctx, w); return c.process, err }, false},
		candidate{"Attaché", startA, false},
		candidate{"Attaché, the very first start (makes its authority)", startA, true})
	for _, k := range all {
		s, err := w.startSeveral(ctx, k.start, k.fresh)
		if err != nil {
			return err
		}
		s.name = k.name
		r.started = append(r.started, s)
	}
	return w.restart(ctx)
}

func (w *world) startSeveral(ctx context.Context, start func(context.Context) (*process, error), fresh bool) (started, error) {
	var answers, used []time.Duration
	var sizes []int64
	for range w.plan.starts {
		if fresh {
			if err := os.RemoveAll(filepath.Join(w.dir, "attache-storage")); err != nil {
				return started{}, err
			}
		}
		began := time.Now()
		p, err := start(ctx)
		answers = append(answers, time.Since(began))
		var u usage
		if err == nil {
			u, err = p.usage()
		}
		used = append(used, u.CPU)
		if err == nil {
			err = sleep(ctx, time.Second)
		}
		if err == nil {
			u, err = p.usage()
		}
		p.stop()
		if err != nil {
			return started{}, err
		}
		sizes = append(sizes, u.RSS)
	}
	return started{answer: median(answers), cpu: median(used), rss: median(sizes)}, nil
}

// restart starts what measureStart has stopped. The authority may be another.
func (w *world) restart(ctx context.Context) error {
	if w.nginx != nil {
		if err := w.nginx.start(ctx, w); err != nil {
			return err
		}
	}
	if err := w.caddy.start(ctx, w); err != nil {
		return err
	}
	if err := w.attache.start(ctx, w); err != nil {
		return err
	}
	var err error
	w.tunnel, err = w.attache.trust()
	return err
}
