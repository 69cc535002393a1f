package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// delays are how long events took from the service to the agent.
type delays struct {
	name     string
	p50, p99 time.Duration
}

// streamsEach are open at the same time.
const streamsEach = 4

// measureStreams reads streams of events and compares the time in each event
// with the time at which it came; the clock is one.
func measureStreams(ctx context.Context, w *world, r *report) error {
	a, path := w.attache, fmt.Sprintf("/events?n=%d", w.plan.events)
	u := w.upstream.addrs[plainHTTP]
	type way struct {
		name string
		dial func() (*h1Client, error)
	}
	over := func(addr string, request []byte) func() (*h1Client, error) {
		return func() (*h1Client, error) {
			conn, err := dialTCP(ctx, addr)
			return newH1Client(conn, request), err
		}
	}
	ways := []way{{"direct", over(u, get(path, u, bearer(w.token)))}}
	if w.nginx != nil {
		ways = append(ways, way{"nginx", over(w.nginx.addr, get(path, w.nginx.addr))})
	}
	ways = append(ways,
		way{"Caddy", over(w.caddy.pool, get(path, w.caddy.pool))},
		way{"Attaché, base URL", over(a.addr, get("/bench"+path, a.addr, bearer(a.agentToken)))},
		way{"Attaché, intercepted h1", func() (*h1Client, error) {
			conn, err := a.dialInside(ctx, h1Host, w.tunnel, "http/1.1")
			return newH1Client(conn, get(path, h1Host)), err
		}})
	for _, k := range ways {
		d, err := readStreams(ctx, w.plan.events, k.dial)
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		r.delays = append(r.delays, delays{k.name, d.at(500), d.at(990)})
	}
	return nil
}

func readStreams(ctx context.Context, events int, dial func() (*h1Client, error)) (latencies, error) {
	all, errs := make([]latencies, streamsEach), make([]error, streamsEach)
	var wg sync.WaitGroup
	for i := range streamsEach {
		wg.Go(func() {
			c, err := dial()
			if err != nil {
				errs[i] = err
				return
			}
			defer c.close()
			defer context.AfterFunc(ctx, c.close)()
			all[i], errs[i] = c.events(events)
		})
	}
	wg.Wait()
	var d latencies
	for _, l := range all {
		d = append(d, l...)
	}
	return d, errors.Join(errs...)
}

// events sends the request and reads so many events.
func (c *h1Client) events(n int) (latencies, error) {
	if err := c.conn.SetDeadline(time.Now().Add(time.Duration(n)*eventEvery*4 + requestTimeout)); err != nil {
		return nil, err
	}
	if _, err := c.conn.Write(c.request); err != nil {
		return nil, err
	}
	h, err := readHead(c.r)
	if err != nil || h.status != http.StatusOK {
		return nil, fmt.Errorf("status %d: %w", h.status, err)
	}
	var d latencies
	for len(d) < n {
		line, err := c.r.ReadSlice('\n') // chunk sizes and empty lines are passed over
		if err != nil {
			return d, err
		}
		value, ok := bytes.CutPrefix(line, []byte("data: "))
		if !ok {
			continue
		}
		sent, err := strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
		if err != nil {
			return d, err
		}
		d = append(d, time.Now().UnixNano()-sent)
	}
	return d, nil
}
