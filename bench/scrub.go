package main

import (
	"context"
	"fmt"
	"strings"
)

// What the search for echoes may cost, against the same process with scrub off.
const (
	maxSearch   = 1.06 // CPU per request, 1 KiB of JSON
	minSearched = 1.0  // GB of long text in a second of CPU
)

const (
	searchShort = "The search for echoes, 1 KiB of JSON"
	searchLong  = "The search for echoes, 4 MiB of JSON"
	searched    = "Attaché"
	unsearched  = "Attaché, scrub off"
	longPath    = "/v1/long"
)

// longAnswer is JSON as a list of items gives it: quotes in it are escaped.
var longAnswer = []byte("[" + strings.Repeat(`{"id":"item_1","object":"item","created":1700000000,"title":"An item, said \"Nobody\"","note":"`+strings.Repeat("and so it goes on for a while, as notes do ", 8)+`"},`, 9000) + "{}]")

// measureScrub runs the same requests with and without the search.
func measureScrub(ctx context.Context, w *world, r *report) error {
	a := w.attache
	short := group{title: searchShort, reference: unsearched, conns: []int{16}}
	short.add(unsearched, a.basePath("bench-unsearched"), a.process, plainHTTP)
	short.add(searched, a.basePath("bench"), a.process, plainHTTP)
	if err := short.run(ctx, w, r); err != nil {
		return err
	}
	long := group{title: searchLong, reference: unsearched, conns: []int{4}}
	for _, each := range []struct{ name, connector string }{{unsearched, "bench-unsearched"}, {searched, "bench"}} {
		request := get("/"+each.connector+longPath, a.addr, bearer(a.agentToken))
		long.add(each.name, func(ctx context.Context, n int) ([]client, error) {
			return fromEach(ctx, n, a.addr, request)
		}, a.process, plainHTTP)
	}
	return long.run(ctx, w, r)
}

func fromEach(ctx context.Context, n int, addr string, request []byte) ([]client, error) {
	return each(func(ctx context.Context) (client, error) {
		conn, err := dialTCP(ctx, addr)
		if err != nil {
			return nil, err
		}
		return newH1ClientOf(conn, request, longAnswer), nil
	})(ctx, n)
}

// searchedPerSecond is how many GB the search goes through in a second of CPU:
// what it adds to a request, by the answer's length. Zero is not measured.
func (t *table) searchedPerSecond() float64 {
	on, off := t.rounds(searched), t.rounds(unsearched)
	var more []float64
	for i := range min(len(on), len(off)) {
		more = append(more, on[i].cpuPerRequest()-off[i].cpuPerRequest())
	}
	if len(more) == 0 {
		return 0
	}
	// A difference that is lost in the noise counts as a microsecond.
	return float64(len(longAnswer)) / 1e3 / max(1, median(more))
}

func (r *report) searchFloors() (fs []floor) {
	for _, t := range r.tables {
		switch t.title {
		case searchShort:
			got := t.ratio(searched, unsearched)
			fs = append(fs, floor{"the search for echoes, 1 KiB of JSON: CPU per request to scrub off", fmt.Sprintf("≤ %.2f", maxSearch), fmt.Sprintf("%.2f", got), got > 0 && got <= maxSearch})
		case searchLong:
			got := t.searchedPerSecond()
			fs = append(fs, floor{"the search for echoes, long text: of it in a second of CPU", fmt.Sprintf("≥ %.1f GB", minSearched), fmt.Sprintf("%.1f GB", got), got >= minSearched})
		}
	}
	return fs
}

func (r *report) search(b *strings.Builder) {
	for _, t := range r.tables {
		if t.title == searchLong {
			fmt.Fprintf(b, "\nThe search goes through %.1f GB of long text in a second of CPU.\n", t.searchedPerSecond())
		}
	}
}
