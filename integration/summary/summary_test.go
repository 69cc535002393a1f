package main

import (
	"io"
	"slices"
	"strings"
	"testing"
)

// TestMayTryAgain: a second try is for outside tests alone.
func TestMayTryAgain(t *testing.T) {
	const outside, inside = `"Package":"x/integration"`, `"Package":"x/resolver"`
	fail := func(pkg, name string) string { return `{"Action":"fail",` + pkg + `,"Test":"` + name + `"}` }
	say := func(pkg, name, text string) string {
		return `{"Action":"output",` + pkg + `,"Test":"` + name + `","Output":"` + text + `"}`
	}
	for name, c := range map[string]struct {
		events []string
		strict bool
		want   []string
	}{
		"one":            {events: []string{fail(outside, "TestA/x"), fail(outside, "TestA"), `{"Action":"fail",` + outside + `}`}, want: []string{"TestA\n"}},
		"none":           {events: []string{`{"Action":"pass",` + outside + `,"Test":"TestA"}`}},
		"one inside":     {events: []string{fail(outside, "TestA"), fail(inside, "TestB")}},
		"four":           {events: []string{fail(outside, "TestA"), fail(outside, "TestB"), fail(outside, "TestC"), fail(outside, "TestD")}},
		"a race":         {events: []string{say(outside, "TestA", "WARNING: DATA RACE"), fail(outside, "TestA")}},
		"a race below":   {events: []string{say(outside, "TestA/x", "WARNING: DATA RACE"), fail(outside, "TestA/x"), fail(outside, "TestA")}},
		"a panic":        {events: []string{say(outside, "TestA", "panic: no"), fail(outside, "TestA")}},
		"a package died": {events: []string{fail(outside, "TestA"), `{"Action":"fail",` + inside + `}`}},
		"skipped":        {events: []string{`{"Action":"skip",` + outside + `,"Test":"TestA"}`}, strict: true},
	} {
		s := &summary{out: io.Discard, strict: c.strict, output: map[test][]string{}, failedIn: map[string]int{}}
		if err := s.read(strings.NewReader(strings.Join(c.events, "\n"))); err != nil {
			t.Fatal(err)
		}
		if got := s.mayTryAgain(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
