package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// report counts what became of attacks.
type report struct {
	mu      sync.Mutex
	verbose bool
	began   time.Time
	groups  map[string]*tally
	broken  []outcome
}

type tally struct{ tried, held, broken, pending int }

func newReport(verbose bool) *report {
	return &report{verbose: verbose, began: time.Now(), groups: map[string]*tally{}}
}

func (r *report) add(o outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.groups[o.group]
	if t == nil {
		t = &tally{}
		r.groups[o.group] = t
	}
	t.tried++
	verdict := "held"
	switch {
	case o.broken == "":
		t.held++
	case o.Pending != "":
		t.pending++
		verdict = "pending (" + o.Pending + "): " + o.broken
	default:
		t.broken++
		r.broken = append(r.broken, o)
		verdict = "BROKEN: " + o.broken
	}
	if r.verbose {
		fmt.Printf("%6.1f s  %s: %s: %s\n", time.Since(r.began).Seconds(), o.group, o.title(), verdict)
	}
}

// title is an attack's name and door.
func (a *attack) title() string {
	if a.door == "" {
		return a.Name
	}
	return a.Name + " at " + a.door
}

// print shows what broke and the counts. It returns an error if something did.
func (r *report) print() error {
	for i, o := range r.broken {
		if i == 20 {
			fmt.Printf("\n… and %d more:\n", len(r.broken)-i)
			for _, o := range r.broken[i:] {
				fmt.Printf("  %s: %s: %s\n", o.group, o.title(), o.broken)
			}
			break
		}
		fmt.Printf("\nBROKEN %s: %s\n  %s\n", o.group, o.title(), o.broken)
		for line := range strings.Lines(o.record) {
			fmt.Print("    " + line)
		}
	}
	fmt.Printf("\n%-62s %6s %6s %6s %8s\n", "attacks", "tried", "held", "broken", "pending")
	var sum tally
	for _, name := range slices.Sorted(maps.Keys(r.groups)) {
		t := r.groups[name]
		fmt.Printf("%-62s %6d %6d %6d %8d\n", name, t.tried, t.held, t.broken, t.pending)
		sum.tried, sum.held, sum.broken, sum.pending = sum.tried+t.tried, sum.held+t.held, sum.broken+t.broken, sum.pending+t.pending
	}
	fmt.Printf("%-62s %6d %6d %6d %8d   in %.0f s\n", "all", sum.tried, sum.held, sum.broken, sum.pending, time.Since(r.began).Seconds())
	if sum.broken > 0 {
		return fmt.Errorf("%d of %d attacks broke", sum.broken, sum.tried)
	}
	if sum.tried == 0 {
		return fmt.Errorf("nothing was tried")
	}
	return nil
}
