package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"
)

// bulk is what one long body costs, down and up.
type bulk struct {
	name, way string
	size      int64
	cpu, took time.Duration
	rss       int64
}

// perGiB is the proxy's CPU for a gibibyte.
func (b bulk) perGiB() time.Duration {
	return time.Duration(float64(b.cpu) * float64(1<<30) / float64(b.size))
}

// measureBulk sends one long body at a time through each proxy.
func measureBulk(ctx context.Context, w *world, r *report) error {
	a, size := w.attache, w.plan.bulk
	type way struct {
		name, addr, prefix string
		proc               *process
		headers            []string
	}
	ways := []way{
		{"Caddy, pool of 256", w.caddy.pool, "", w.caddy.process, nil},
		{"Go, httputil.ReverseProxy", w.goProxy.addr, "", w.goProxy.process, nil},
		{"Attaché, base URL", a.addr, "/bench", a.process, []string{bearer(a.agentToken)}},
	}
	for range w.plan.rounds {
		for _, k := range ways {
			down := func(kind string) []byte {
				return get(fmt.Sprintf("%s/bytes?n=%d&type=%s", k.prefix, size, kind), k.addr, k.headers...)
			}
			up := strings.Replace(string(get(k.prefix+"/sink", k.addr, append(k.headers, fmt.Sprintf("Content-Length: %d", size))...)), "GET", "PUT", 1)
			for name, request := range map[string][]byte{"download": down("application/zip"), "download of no known type": down("application/octet-stream"), "upload": []byte(up)} {
				b, err := moveBulk(ctx, k.addr, request, size, name == "upload", k.proc)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", k.name, name, err)
				}
				b.name, b.way, b.size = k.name, name, size
				r.bulk(b)
			}
		}
	}
	return nil
}

// bulk keeps the best round of each row: noise only adds.
func (r *report) bulk(b bulk) {
	for i, old := range r.bulks {
		if old.name == b.name && old.way == b.way {
			if b.cpu < old.cpu {
				r.bulks[i] = b
			}
			return
		}
	}
	r.bulks = append(r.bulks, b)
}

func moveBulk(ctx context.Context, addr string, request []byte, size int64, up bool, p *process) (b bulk, err error) {
	conn, err := dialTCP(ctx, addr)
	if err != nil {
		return b, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		return b, err
	}
	before, err := p.usage()
	if err != nil {
		return b, err
	}
	began := time.Now()
	if _, err := conn.Write(request); err != nil {
		return b, err
	}
	c := newH1Client(conn, request)
	if up {
		if _, err := io.Copy(conn, io.LimitReader(noise{}, size)); err != nil {
			return b, err
		}
	}
	h, err := readHead(c.r)
	if err != nil || h.status != 200 {
		return b, fmt.Errorf("status %d: %w", h.status, err)
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(c.r, int64(h.length)), make([]byte, 256<<10))
	if err != nil {
		return b, err
	}
	if !up && n != size {
		return b, errors.New("the answer has another length")
	}
	b.took = time.Since(began)
	after, err := p.usage()
	b.cpu, b.rss = after.CPU-before.CPU, after.RSS
	return b, err
}

// noise is bytes as compressed files have them: a block of them, again and again.
type noise struct{}

var noisy = func() []byte {
	b := make([]byte, 256<<10)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	return b
}()

func (noise) Read(p []byte) (int, error) { return copy(p, noisy), nil }

// bulkRatio is what a GiB costs Attaché to what it costs Caddy; zero where it was
// not measured.
func (r *report) bulkRatio(way string) float64 {
	var caddy, ours time.Duration
	for _, b := range r.bulks {
		switch {
		case b.way != way:
		case b.name == "Caddy, pool of 256":
			caddy = b.perGiB()
		case b.name == "Attaché, base URL":
			ours = b.perGiB()
		}
	}
	if caddy == 0 {
		return 0
	}
	return float64(ours) / float64(caddy)
}

func (r *report) bulkTable(b *strings.Builder) {
	if len(r.bulks) == 0 {
		return
	}
	fmt.Fprintf(b, "\n### One body of %d MiB over plain HTTP, the best of the rounds\n\n| | MiB/s | proxy CPU per GiB | to Caddy | RSS |\n|---|--:|--:|--:|--:|\n", r.bulks[0].size>>20)
	for _, way := range []string{"download", "download of no known type", "upload"} {
		var reference time.Duration
		for _, k := range r.bulks {
			if k.way != way {
				continue
			}
			if reference == 0 {
				reference = k.perGiB()
			}
			fmt.Fprintf(b, "| %s, %s | %.0f | %d ms | %.2f | %s |\n", way, k.name, float64(k.size)/(1<<20)/k.took.Seconds(), k.perGiB().Milliseconds(), float64(k.perGiB())/float64(reference), mebibytes(k.rss))
		}
	}
}
