// Command summary reads the events of `go test -json` on standard input and
// prints what a person wants to see of them: a line for each package, the
// output of what failed, what was skipped and why, and the closing line
//
//	N passed, N failed
//
// which counts top-level tests. A package that fails without a failing test
// (it does not compile, it panics, it times out) counts as one failure.
//
// Before it stand the tests that took longest: where to begin when all of it
// takes too long.
//
// The flags -passed and -failed add what was counted elsewhere, so that the
// checks that are not Go tests stand in the same line. With -strict a skipped
// test is a failure: where everything is installed nothing may be skipped.
//
// With -again FILE it writes into FILE the names of the outside tests that failed, a
// line each, if they are all that failed and a second try may tell more: at most three,
// no data race, no panic.
//
// It exits with 1 if anything failed.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func main() {
	passed := flag.Int("passed", 0, "checks that passed elsewhere")
	failed := flag.Int("failed", 0, "checks that failed elsewhere")
	again := flag.String("again", "", "file for the names of the tests to try once more")
	strict := flag.Bool("strict", false, "count a skipped test as a failure")
	flag.Parse()

	s := &summary{out: os.Stdout, passed: *passed, failed: *failed, strict: *strict,
		output: map[test][]string{}, failedIn: map[string]int{}}
	if err := s.read(os.Stdin); err != nil {
		fmt.Fprintf(os.Stderr, "summary: reading test events: %v\n", err)
		os.Exit(1)
	}
	s.slowest(10)
	if *again != "" {
		if err := os.WriteFile(*again, []byte(strings.Join(s.mayTryAgain(), "")), 0o600); err != nil {
			fmt.Fprintf(os.Stderr, "summary: %v\n", err)
			os.Exit(1)
		}
	}
	fmt.Fprintf(s.out, "%d passed, %d failed\n", s.passed, s.failed)
	if s.failed > 0 {
		os.Exit(1)
	}
}

// test names a test of a package; the name is empty for the package itself.
type test struct{ pkg, name string }

func (t test) topLevel() bool { return t.name != "" && !strings.Contains(t.name, "/") }

// event is one line of `go test -json` (see `go doc test2json`).
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output lines
	Test        string
	Output      string
	Elapsed     float64 // seconds
	FailedBuild string
}

type summary struct {
	out            io.Writer
	passed, failed int
	strict         bool

	output   map[test][]string // kept until the test ends
	failedIn map[string]int    // failing top-level tests by package
	certain  bool              // a failure that a second try would not excuse
	unclear  []string          // outside tests that failed, each a line
	took     []duration        // of top-level tests
}

type duration struct {
	test
	seconds float64
}

func (s *summary) read(r io.Reader) error {
	in := bufio.NewReaderSize(r, 1<<20)
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			s.line(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *summary) line(line string) {
	var e event
	if json.Unmarshal([]byte(line), &e) != nil {
		fmt.Fprint(s.out, line) // not an event: the go command's own words
		return
	}
	t := test{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "output":
		s.output[t] = append(s.output[t], e.Output)
	case "pass", "fail", "skip":
		s.end(t, e)
	}
}

func (s *summary) end(t test, e event) {
	output := strings.Join(s.output[t], "")
	delete(s.output, t)
	if t.name == "" {
		s.endPackage(e, output)
		return
	}
	skipped := e.Action == "skip"
	if skipped {
		fmt.Fprintf(s.out, "skipped: %s: %s\n", t.name, reason(output))
		if s.strict {
			e.Action = "fail"
		}
	}
	if e.Action == "fail" {
		fmt.Fprint(s.out, output)
		if strings.Contains(output, "DATA RACE") || strings.Contains(output, "panic:") || strings.Contains(output, "goroutine ") {
			s.certain = true
		}
	}
	if !t.topLevel() {
		return
	}
	s.took = append(s.took, duration{t, e.Elapsed})
	switch e.Action {
	case "pass":
		s.passed++
	case "fail":
		s.failed++
		s.failedIn[t.pkg]++
		if strings.HasSuffix(t.pkg, "/integration") && !skipped {
			s.unclear = append(s.unclear, t.name+"\n")
		}
	}
}

// mayTryAgain is the outside tests that failed, or nothing where anything else did.
func (s *summary) mayTryAgain() []string {
	if s.certain || len(s.unclear) != s.failed || len(s.unclear) > 3 {
		return nil
	}
	return s.unclear
}

func (s *summary) endPackage(e event, output string) {
	switch e.Action {
	case "pass":
		fmt.Fprintf(s.out, "ok   %s %.1fs\n", e.Package, e.Elapsed)
	case "fail":
		if s.failedIn[e.Package] == 0 {
			s.failed++
			s.flush(e.Package)
			fmt.Fprint(s.out, output)
		}
		fmt.Fprintf(s.out, "FAIL %s %.1fs\n", e.Package, e.Elapsed)
	}
}

func (s *summary) slowest(n int) {
	slices.SortFunc(s.took, func(a, b duration) int { return cmp.Compare(b.seconds, a.seconds) })
	for _, d := range s.took[:min(n, len(s.took))] {
		fmt.Fprintf(s.out, "%6.1fs %s %s\n", d.seconds, d.name, d.pkg)
	}
}

// flush prints what the unfinished tests of a package that died have said.
func (s *summary) flush(pkg string) {
	for t, output := range s.output {
		if t.pkg == pkg {
			fmt.Fprint(s.out, strings.Join(output, ""))
			delete(s.output, t)
		}
	}
}

// reason is what a skipped test said, without the lines that only frame it.
func reason(output string) string {
	var said []string
	for l := range strings.Lines(output) {
		l = strings.TrimSpace(l)
		if l != "" && !strings.HasPrefix(l, "===") && !strings.HasPrefix(l, "---") {
			said = append(said, l)
		}
	}
	return strings.Join(said, " ")
}
