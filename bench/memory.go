package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// memory is what a Go process holds after a collection.
type memory struct {
	RSS        int64 // bytes
	Live       int64 // bytes of the heap that are in use by objects
	Stack      int64 // bytes
	Goroutines int64
}

func (m memory) minus(o memory) memory {
	return memory{m.RSS - o.RSS, m.Live - o.Live, m.Stack - o.Stack, m.Goroutines - o.Goroutines}
}

// memory collects garbage, through the profile that Caddy's admin API offers,
// waits, and reads.
func (a *attache) memory(ctx context.Context, settle time.Duration) (memory, error) {
	var m memory
	for range 2 { // what finalizers and pools hold goes with the second
		page, err := fetch(ctx, a.admin, "http://caddy/debug/pprof/heap?gc=1&debug=1")
		if err != nil {
			return m, err
		}
		if m.Live, err = statistic(page, "HeapAlloc"); err != nil {
			return m, err
		}
		stack, err := statistic(page, "Stack")
		if err != nil {
			return m, err
		}
		m.Stack = stack
	}
	page, err := fetch(ctx, a.admin, "http://caddy/debug/pprof/goroutine?debug=1")
	if err != nil {
		return m, err
	}
	if m.Goroutines, err = goroutines(page); err != nil {
		return m, err
	}
	m.RSS, err = a.settled(ctx, settle)
	return m, err
}

// maxSettle bounds the wait for memory that goes back to the system: Go gives
// it a hundredth of one processor.
const maxSettle = 40 * time.Second

// settled waits until the process has given back less than a hundredth of its
// memory for so long, and returns its RSS.
func (a *attache) settled(ctx context.Context, settle time.Duration) (int64, error) {
	began, last := time.Now(), int64(1<<62)
	for {
		u, err := a.usage()
		if err != nil {
			return 0, err
		}
		if u.RSS > last-last/100 || time.Since(began) > maxSettle {
			return u.RSS, nil
		}
		last = u.RSS
		if err := sleep(ctx, settle); err != nil {
			return 0, err
		}
	}
}

// peak is what a proxy held at most, and holds when the load is gone.
type peak struct {
	name     string
	rss, hwm int64
}

// measurePeak reads what the proxies hold after everything before it.
func measurePeak(_ context.Context, w *world, r *report) error {
	var all []*process
	if w.nginx != nil {
		all = append(all, w.nginx.process)
	}
	for _, p := range append(all, w.caddy.process, w.attache.process) {
		u, err := p.usage()
		if err != nil {
			return err
		}
		r.peaks = append(r.peaks, peak{p.name, u.RSS, u.HWM})
	}
	return nil
}

// statistic finds one of runtime.MemStats in a heap profile's text: the lines
// are "# HeapAlloc = 123", and "# Stack = in use / from the system".
func statistic(page []byte, name string) (int64, error) {
	for line := range bytes.Lines(page) {
		rest, ok := strings.CutPrefix(string(line), "# "+name+" = ")
		if !ok {
			continue
		}
		number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		return strconv.ParseInt(number, 10, 64)
	}
	return 0, fmt.Errorf("the heap profile does not say %s", name)
}

// goroutines reads "goroutine profile: total 12".
func goroutines(page []byte) (int64, error) {
	line, _ := bufio.NewReader(bytes.NewReader(page)).ReadString('\n')
	number, ok := strings.CutPrefix(strings.TrimSpace(line), "goroutine profile: total ")
	if !ok {
		return 0, fmt.Errorf("the goroutine profile begins with %q", line)
	}
	return strconv.ParseInt(number, 10, 64)
}
