package main

import (
	"errors"
	"fmt"
	"strings"
)

// What must hold. Ratios are of CPU per request, within one run.
const (
	maxBaseURL     = 1.15 // base-URL door to plain Caddy, pool of 256
	maxIntercepted = 1.4  // intercepted keep-alive to plain Caddy over HTTPS, pool of 256
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
			ratio(t, "Attaché, base URL", t.reference, maxBaseURL)
		}
		if t.up() != httpsH1 {
			continue
		}
		ratio(t, "Attaché, intercepted h2", "Caddy, TLS h2 from the agent", maxIntercepted)
		for _, name := range []string{"Attaché, intercepted h1", "Attaché, intercepted h2"} {
			ratio(t, name, t.reference, maxIntercepted)
			if got := t.opened(name); t.n == 256 && t.rounds(name) != nil {
				fs = append(fs, floor{name + ", 256 connections: new upstream connections in the steady state", "0", fmt.Sprint(got), got == 0})
			}
		}
	}
	if t := r.closed; t != nil {
		d := t.after.minus(t.before)
		live, rss := float64(d.Live)/float64(t.n), d.RSS
		fs = append(fs,
			floor{fmt.Sprintf("live heap kept per closed tunnel, over %d", t.n), fmt.Sprintf("< %d B", maxKeptLive), fmt.Sprintf("%.0f B", live), live < maxKeptLive},
			floor{fmt.Sprintf("RSS kept by %d closed tunnels", t.n), "< " + mebibytes(maxKeptRSS), mebibytes(rss), rss < maxKeptRSS})
	}
	for _, t := range r.idle {
		fs = append(fs, floor{fmt.Sprintf("%d idle tunnels, %s, all answer afterwards", t.n, t.name), "yes", "yes", true})
	}
	return fs
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
