package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// paced is an open loop: requests come when they are due, whether or not the
// last has been answered, and each is timed from when it was due.
type paced struct {
	name     string
	rate     float64
	p50, p99 time.Duration
	late     int // requests that were due and not sent within the window
}

// pacedConns are the connections that share the load.
const pacedConns = 64

// measurePaced loads each proxy with half of what plain Caddy can answer.
func measurePaced(ctx context.Context, w *world, r *report) error {
	a := w.attache
	type way struct {
		name string
		open opener
		proc *process
	}
	ways := []way{
		{"Caddy, pool of 256", plainOpener(w.caddy.pool, get("/v1/items", w.caddy.pool)), w.caddy.process},
		{"Go, httputil.ReverseProxy", plainOpener(w.goProxy.addr, get("/v1/items", w.goProxy.addr)), w.goProxy.process},
		{"Attaché, base URL", a.basePath("bench"), a.process},
	}
	open := make([][]client, len(ways))
	defer func() {
		for _, cs := range open {
			closeAll(cs)
		}
	}()
	for i, k := range ways {
		var err error
		if open[i], err = k.open(ctx, pacedConns); err == nil {
			err = warmUp(ctx, open[i])
		}
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	most, err := loop(ctx, open[0], w.plan.warm, w.plan.window, ways[0].proc, w.opened(plainHTTP))
	if err != nil {
		return err
	}
	rate := most.perSecond() / 2
	rounds := make([][]paced, len(ways))
	for range w.plan.rounds {
		for i, k := range ways {
			p, err := pace(ctx, open[i], rate, 2*w.plan.window)
			if err != nil {
				return fmt.Errorf("%s: %w", k.name, err)
			}
			p.name = k.name
			rounds[i] = append(rounds[i], p)
		}
	}
	for i, ps := range rounds {
		p := paced{name: ways[i].name, rate: rate}
		var p50, p99 []time.Duration
		for _, x := range ps {
			p50, p99, p.late = append(p50, x.p50), append(p99, x.p99), p.late+x.late
		}
		p.p50, p.p99 = median(p50), median(p99)
		r.paced = append(r.paced, p)
	}
	return nil
}

// pace sends rate requests a second over the connections in turn.
func pace(ctx context.Context, cs []client, rate float64, length time.Duration) (p paced, err error) {
	every := time.Duration(float64(len(cs)) / rate * float64(time.Second))
	began := time.Now().Add(10 * time.Millisecond)
	took, errs, late := make([]latencies, len(cs)), make([]error, len(cs)), make([]int, len(cs))
	var wg sync.WaitGroup
	for i, c := range cs {
		wg.Go(func() {
			first := began.Add(every * time.Duration(i) / time.Duration(len(cs)))
			for due := first; due.Before(began.Add(length)); due = due.Add(every) {
				if ctx.Err() != nil || time.Since(began) > 4*length {
					late[i]++
					continue
				}
				time.Sleep(time.Until(due))
				if errs[i] = c.do(); errs[i] != nil {
					return
				}
				took[i] = append(took[i], int64(time.Since(due)))
			}
		})
	}
	wg.Wait()
	var all latencies
	for i := range cs {
		all, p.late = append(all, took[i]...), p.late+late[i]
	}
	p.p50, p.p99 = all.at(500), all.at(990)
	return p, cmp.Or(cmp.Or(errs...), ctx.Err())
}

func (r *report) pacedTable(b *strings.Builder) {
	if len(r.paced) == 0 {
		return
	}
	fmt.Fprintf(b, "\n### An open loop of %.0f requests/s, half of what plain Caddy answers, over %d connections\n\n| | p50 | p99 | p99 to Caddy | never sent |\n|---|--:|--:|--:|--:|\n", r.paced[0].rate, pacedConns)
	for _, p := range r.paced {
		fmt.Fprintf(b, "| %s | %s | %s | %.2f | %d |\n", p.name, short(p.p50), short(p.p99), float64(p.p99)/float64(r.paced[0].p99), p.late)
	}
}
