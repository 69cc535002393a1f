package main

import (
	"errors"
	"fmt"
	"strings"
)

// What must hold. Ratios are of CPU per request, within one run.
const (
	maxBaseURL       = 0.68 // base-URL door to plain Caddy, pool of 256
	maxBaseURLAlone  = 0.80 // at one connection, where waking up costs as much as work
	maxOtherDoors    = 0.70 // host name and absolute form
	maxGoProxy       = 1.5  // base-URL door to httputil.ReverseProxy
	maxIntercepted   = 0.70 // intercepted HTTP/1.1 to plain Caddy over HTTPS, pool of 256
	maxInterceptedH2 = 0.80 // intercepted HTTP/2 to Caddy that ends TLS and h2 itself
	maxOneTunnel     = 1.2  // HTTP/2 in one tunnel to plain Caddy in cleartext
	maxSigned        = 0.85 // bodies signed on their way to plain Caddy
	maxBulk          = 0.8  // CPU for a GiB to plain Caddy
	maxPaced         = 1.0  // p99 of an open loop to plain Caddy
	maxStart         = 1.0  // start to first answer to plain Caddy
	maxStartRSS      = 64 << 20
	maxIdleH1        = 28 << 10 // RSS of an idle tunnel
	maxIdleH2        = 40 << 10
	// What 20 000 closed tunnels may leave in all, since a collection never
	// ends with exactly the same: 64 B for each in live heap, and 8 MiB of RSS.
	maxKeptLive = 64
	maxKeptRSS  = 8 << 20
)

// floor is one demand and what came out.
type floor struct {
	what, want, got string
	holds           bool
}

func (r *report) checked() []floor {
	var fs []floor
	ratio := func(t *table, name, to string, most float64) {
		if got := t.ratio(name, to); got > 0 {
			fs = append(fs, floor{fmt.Sprintf("%s, %d connections: CPU per request to %s", name, t.n, to),
				fmt.Sprintf("≤ %.2f", most), fmt.Sprintf("%.2f", got), got <= most})
		}
	}
	fs = append(fs, r.searchFloors()...)
	for _, t := range r.tables {
		if t.title == searchShort || t.title == searchLong {
			continue
		}
		if t.up() == plainHTTP {
			most := maxBaseURL
			if t.n == 1 {
				most = maxBaseURLAlone
			}
			ratio(t, "Attaché, base URL", t.reference, most)
			ratio(t, "Attaché, base URL", "Go, httputil.ReverseProxy", maxGoProxy)
			if t.n > 1 {
				ratio(t, "Attaché, host name", t.reference, maxOtherDoors)
				ratio(t, "Attaché, absolute form", t.reference, maxOtherDoors)
			}
			ratio(t, "Attaché, base URL, HMAC by an expression", t.reference, maxSigned)
			ratio(t, "Attaché, base URL, SigV4", t.reference, maxSigned)
		}
		if t.up() != httpsH1 {
			continue
		}
		ratio(t, "Attaché, intercepted h2", "Caddy, TLS h2 from the agent", maxInterceptedH2)
		ratio(t, "Attaché, intercepted h2, one tunnel", t.reference, maxOneTunnel)
		if t.n > 1 {
			ratio(t, "Attaché, intercepted h1", t.reference, maxIntercepted)
		}
		for _, name := range []string{"Attaché, intercepted h1", "Attaché, intercepted h2"} {
			if got := t.opened(name); t.n == 256 && t.rounds(name) != nil {
				fs = append(fs, floor{name + ", 256 connections: new upstream connections in the steady state", "0", fmt.Sprint(got), got == 0})
			}
		}
	}
	if len(r.paced) > 0 {
		p := r.paced[len(r.paced)-1]
		got := float64(p.p99) / float64(r.paced[0].p99)
		fs = append(fs, floor{p.name + ", an open loop at half of Caddy's most: p99 to " + r.paced[0].name, fmt.Sprintf("≤ %.2f", maxPaced), fmt.Sprintf("%.2f", got), got <= maxPaced})
	}
	for _, way := range []string{"download", "upload"} {
		if got := r.bulkRatio(way); got > 0 {
			fs = append(fs, floor{"Attaché, base URL, " + way + ": CPU for a GiB to Caddy, pool of 256", fmt.Sprintf("≤ %.2f", maxBulk), fmt.Sprintf("%.2f", got), got <= maxBulk})
		}
	}
	if t := r.closed; t != nil {
		d := t.after.minus(t.before)
		live, rss := float64(d.Live)/float64(t.n), d.RSS
		fs = append(fs,
			floor{fmt.Sprintf("live heap kept per closed tunnel, over %d", t.n), fmt.Sprintf("< %d B", maxKeptLive), fmt.Sprintf("%.0f B", live), live < maxKeptLive},
			floor{fmt.Sprintf("RSS kept by %d closed tunnels", t.n), "< " + mebibytes(maxKeptRSS), mebibytes(rss), rss < maxKeptRSS})
	}
	fs = append(fs, r.startFloors()...)
	for _, t := range r.idle {
		most := int64(maxIdleH1)
		if t.name != idleH1 {
			most = maxIdleH2
		}
		rss := t.open.minus(t.before).RSS / int64(t.n)
		fs = append(fs, floor{"an idle tunnel, " + t.name + ": RSS", fmt.Sprintf("≤ %d KiB", most>>10), fmt.Sprintf("%d KiB", rss>>10), rss <= most})
		fs = append(fs, floor{fmt.Sprintf("%d idle tunnels, %s, all answer afterwards", t.n, t.name), "yes", "yes", true})
	}
	return fs
}

// startFloors compare Attaché's start with plain Caddy's.
func (r *report) startFloors() (fs []floor) {
	by := map[string]started{}
	for _, s := range r.started {
		by[s.name] = s
	}
	a, c := by["Attaché"], by["Caddy"]
	if c.answer == 0 {
		return nil
	}
	got := float64(a.answer) / float64(c.answer)
	return append(fs,
		floor{"Attaché, start to first answer, to Caddy", fmt.Sprintf("≤ %.2f", maxStart), fmt.Sprintf("%.2f", got), got <= maxStart},
		floor{"Attaché, RSS a second after its start", "≤ " + mebibytes(maxStartRSS), mebibytes(a.rss), a.rss <= maxStartRSS})
}

// up is the listener of the service that a table's targets use.
func (t *table) up() kind { return t.targets[0].up }

func (r *report) floors(b *strings.Builder) {
	fs := r.checked()
	if len(fs) == 0 {
		return
	}
	fmt.Fprint(b, "\n### What must hold\n\n| | wanted | measured | |\n|---|--:|--:|---|\n")
	for _, f := range fs {
		verdict := "holds"
		if !f.holds {
			verdict = "**does not hold**"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", f.what, f.want, f.got, verdict)
	}
}

// failed names what does not hold.
func (r *report) failed() error {
	var errs []error
	for _, f := range r.checked() {
		if !f.holds {
			errs = append(errs, fmt.Errorf("%s: %s, want %s", f.what, f.got, f.want))
		}
	}
	return errors.Join(errs...)
}
