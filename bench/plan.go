package main

import (
	"context"
	"slices"
	"strings"
	"time"
)

// part is one kind of measurement.
type part struct {
	name string
	run  func(context.Context, *world, *report) error
}

// parts are in the order in which they run: what reads memory that was never
// used comes first.
var parts = []part{
	{"start", measureStart},
	{"http", steadyHTTP},
	{"scrub", measureScrub},
	{"https", steadyHTTPS},
	{"h2", steadyH2},
	{"signed", steadySigned},
	{"paced", measurePaced},
	{"bulk", measureBulk},
	{"sse", measureStreams},
	{"tunnels", measureNewTunnels},
	{"peak", measurePeak},
	{"idle", measureIdleTunnels},
	{"closed", measureClosedTunnels},
}

func partNames() string {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	return strings.Join(names, ",")
}

func (p part) wanted(only string) bool {
	return only == "" || slices.Contains(strings.Split(only, ","), p.name)
}

// plan is how long and how often is measured. Everything is bounded by it.
type plan struct {
	rounds        int
	warm, window  time.Duration // of each row in each round
	starts        int
	newTunnels    time.Duration
	idleTunnels   int
	closedTunnels int
	events        int   // of each stream
	bulk          int64 // bytes of a long body
	// settle is how long a process is left alone before its memory is read,
	// so that what was freed goes back to the system.
	settle time.Duration
}

var (
	fullPlan  = plan{rounds: 5, warm: 120 * time.Millisecond, window: 750 * time.Millisecond, starts: 5, newTunnels: 1500 * time.Millisecond, idleTunnels: 10_000, closedTunnels: 20_000, events: 200, bulk: 1 << 30, settle: 3 * time.Second}
	quickPlan = plan{rounds: 2, warm: 60 * time.Millisecond, window: 200 * time.Millisecond, starts: 2, newTunnels: 500 * time.Millisecond, idleTunnels: 1000, closedTunnels: 3000, events: 60, bulk: 64 << 20, settle: time.Second}
)

func (o options) plan() plan {
	if o.full {
		return fullPlan
	}
	return quickPlan
}
