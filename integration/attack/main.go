// Command attack plays the hostile agent: it starts the built binary with
// services, agents and organisations around it, tries what stands in catalogue/,
// and says for each group how many attacks were tried, held and broke.
//
//	ATTACHE_BIN=./attache go run ./integration/attack            all of the catalogue, about a minute
//	go run ./integration/attack -run 'TRACE|presign' -v           what matches, and each by name
//	go run ./integration/attack --long --minutes 60 --seed 7      random mutations of it
//
// Whatever an attack tries, the agent must not receive a secret, a credential must
// reach its own hosts alone and with a grant alone, an address that nobody allowed
// must not be reached, and the proxy must live. What else must hold stands
// beside each attack. A broken one is printed with the request and what came.
// It exits with 1 if one broke.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"sync"
	"time"
)

func main() {
	long := flag.Bool("long", false, "go on with random mutations of the catalogue")
	minutes := flag.Float64("minutes", 60, "how long, with --long")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the mutations; the same seed makes the same ones")
	only := flag.String("run", "", "regular expression: attacks by `GROUP: NAME`")
	verbose := flag.Bool("v", false, "name every attack")
	workers := flag.Int("workers", 12, "attacks at a time")
	flag.Parse()
	if err := run(*long, *minutes, *seed, *only, *verbose, *workers); err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
		os.Exit(1)
	}
}

func run(long bool, minutes float64, seed uint64, only string, verbose bool, workers int) error {
	bin := os.Getenv("ATTACHE_BIN")
	if bin == "" {
		return fmt.Errorf("ATTACHE_BIN names no binary: go build -o attache ./cmd/attache")
	}
	filter, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	all, err := load()
	if err != nil {
		return err
	}
	s, err := build(bin)
	if err != nil {
		return err
	}
	defer s.close()
	r := newReport(verbose)
	var together, alone []*attack
	for _, a := range all {
		switch {
		case !filter.MatchString(a.group + ": " + a.Name + " at " + a.door):
		case a.Alone:
			alone = append(alone, a)
		default:
			together = append(together, a)
		}
	}
	s.inParallel(together, workers, r)
	for _, a := range alone {
		r.add(s.try(a))
	}
	if long {
		fmt.Printf("mutations for %g minutes, --seed %d\n", minutes, seed)
		s.mutate(all, seed, time.Duration(minutes*float64(time.Minute)), workers, r)
	}
	for _, o := range s.aftermath() {
		r.add(o)
	}
	return r.print()
}

// inParallel tries attacks, some at a time.
func (s *stage) inParallel(all []*attack, workers int, r *report) {
	next := make(chan *attack)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for a := range next {
				r.add(s.try(a))
			}
		})
	}
	for _, a := range all {
		next <- a
	}
	close(next)
	wg.Wait()
}
