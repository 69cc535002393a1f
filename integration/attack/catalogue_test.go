package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The catalogue is data: what is wrong in it should not show in the middle of a
// run, and no entry may be without anything that could break.
func TestCatalogue(t *testing.T) {
	all, err := load()
	if err != nil {
		t.Fatal(err)
	}
	groups := map[string]int{}
	for _, a := range all {
		groups[a.group]++
		if a.Play != "" && plays[a.Play] == nil {
			t.Errorf("%s: no play %q", a.Name, a.Play)
		}
		for _, st := range append(slices.Clone(a.Steps), a.step) {
			h := st.Holds
			for _, p := range slices.Concat(h.Sent, h.Unsent, h.Has, h.Lacks, h.Audit, h.Unaudited) {
				if _, err := regexp.Compile(p); err != nil {
					t.Errorf("%s: %v", a.Name, err)
				}
			}
			if st.Says != nil {
				spell(st.Says.Spelled, "x")
			}
			if m := regexp.MustCompile(`\{[A-Z]+\}`).FindString(st.Request + st.Connector + st.Target + st.Body + strings.Join(st.Headers, "")); m != "" {
				t.Errorf("%s: nothing stands for %s", a.Name, m)
			}
		}
	}
	if len(all) < 2000 || len(groups) != 9 {
		t.Errorf("%d attacks in %d groups: %v", len(all), len(groups), groups)
	}
}

// A secret is found however a service writes it, so that a run in which none is
// found says something.
func TestLeaksAreFound(t *testing.T) {
	for _, c := range secrets {
		for _, way := range []string{"plain", "hex", "HEX", "base64", "base64url", "base64-1", "base64-2", "percent", "json", "decimal", "entities", "PRINTABLE", "escapes"} {
			if got := leaks("before " + spell(way, "text "+c.value+" text") + " after"); !strings.Contains(got, c.name) {
				t.Errorf("%s spelled %s: found %q", c.name, way, got)
			}
		}
	}
	if got := leaks("canary-of-nobody"); got != "" {
		t.Errorf("found %q where nothing is", got)
	}
}

// What an arrival may not be, whatever was tried.
func TestWrongArrivals(t *testing.T) {
	l := newArrivals()
	for _, tt := range []struct {
		as, host, text string
		wrong          bool
	}{
		{"reader", "bearer.test", "GET /\nAuthorization: Bearer " + secret("bearer"), false},
		{"reader", "bearer.test", "POST /\nAuthorization: Bearer " + secret("bearer"), true},
		{"writer", "bearer.test", "POST /\nAuthorization: Bearer " + secret("bearer"), false},
		{"writer", "other.test", "GET /\nAuthorization: Bearer " + secret("bearer"), true},
		{"stranger", "bearer.test", "GET /\nAuthorization: Bearer " + secret("bearer"), true},
		{"stranger", "bearer.test", "GET /\n", false},
		{"writer", "basic.test", "GET /\nAuthorization: Basic " + spell("base64", "user:"+secret("basic")), false},
		{"writer", "bearer.test", "GET /\nAuthorization: Basic " + spell("base64", "user:"+secret("basic")), true},
		{"writer", "bearer.test", "GET /\nX-A: " + agentTokens["writer"], true},
	} {
		method, _, _ := strings.Cut(tt.text, " ")
		l.add(arrival{id: "a", service: "modern", host: tt.host, method: method, text: tt.text})
		if why := l.of("a")[0].wrong(tt.as); (why != "") != tt.wrong {
			t.Errorf("%s: %q at %s = %q, want wrong: %v", tt.as, tt.text, tt.host, why, tt.wrong)
		}
		l.forget("a")
	}
}
