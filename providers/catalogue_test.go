package providers_test

import (
	"bufio"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers"
)

// places are parts of host names that mean one of several places where a service
// is run.
var somewhere = regexp.MustCompile(`(^|[.-])(eu|us|au|ap|uk|de|jp|in|sg|ca|gov|cn|fe|na|apac|emea|br|kr|intl|sandbox|test|staging|stage|demo|testnet|uat|qa|mtf|hipaa|(eu|us|ap|au|na)[0-9]|(us|eu|ap)-(east|west|central|northeast|southeast)-[0-9])([.-]|$)`)

// reasons reads a data file: a name, a tab, and why; # begins a comment.
func reasons(t *testing.T, name string) map[string]string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		what, why, ok := strings.Cut(lines.Text(), "\t")
		if ok && !strings.HasPrefix(what, "#") {
			out[what] = why
		}
	}
	return out
}

// A connector that reaches several places has no base URL of only one.
func TestNoPlaceIsFixed(t *testing.T) {
	known := reasons(t, "testdata/oneplace.txt")
	for _, c := range catalogue(t) {
		if len(c.Environments) > 0 || c.BaseURL == nil || len(c.BaseURL.Refs()) > 0 {
			continue
		}
		base, _ := url.Parse(c.BaseURL.String())
		var others []string
		for _, h := range c.Hosts {
			if h.Pattern != base.Hostname() && !strings.Contains(h.Pattern, "{") && somewhere.MatchString(h.Pattern[:strings.LastIndex(h.Pattern, ".")]) {
				others = append(others, h.Pattern)
			}
		}
		switch why := known[c.Key]; {
		case len(others) > 0 && why == "":
			t.Errorf("%s has the base URL %s and other places (%s): write environments, or say in testdata/oneplace.txt why not", c.Key, base, strings.Join(others, ", "))
		case len(others) == 0 && why != "":
			t.Errorf("%s has no other places any more: take it out of testdata/oneplace.txt", c.Key)
		}
	}
}

// Nothing of the catalogue was past its end when it was last checked. A test that
// looked at the calendar would fail by itself; connectors validate does that.
func TestNothingIsPastItsEnd(t *testing.T) {
	var latest time.Time
	all := catalogue(t)
	for _, c := range all {
		if c.Checked.After(latest) {
			latest = c.Checked.Time
		}
	}
	ends := 0
	for _, c := range all {
		ends += len(c.Ends)
		for _, e := range c.Ending(latest) {
			t.Errorf("%s: %s", c.Key, e.String())
		}
	}
	if latest.IsZero() || ends < 5 {
		t.Errorf("the last check was on %v, with %d ends; is this test blind?", latest, ends)
	}
}

// What people look at is there, and no test is left open: every option has one,
// or says why there is none.
func TestEveryConnectorIsDescribed(t *testing.T) {
	names := map[string]string{}
	for _, c := range catalogue(t) {
		if c.Title == "" || c.Docs == "" || !strings.HasSuffix(c.Description, ".") || len(c.Description) > 120 {
			t.Errorf("%s: title %q, docs %q, description %q: want a sentence of at most 120 characters", c.Key, c.Title, c.Docs, c.Description)
		}
		if slices.Contains(c.Aliases, c.Title) {
			t.Errorf("%s: its title is among its aliases", c.Key)
		}
		if other := names[c.Title]; other != "" {
			t.Errorf("%s and %s have one title: %s", c.Key, other, c.Title)
		}
		names[c.Title] = c.Key
	}
}

// The shelves all hold something, and finding by another name works.
func TestMentions(t *testing.T) {
	byKey := map[string]*providers.Connector{}
	for _, c := range catalogue(t) {
		byKey[c.Key] = c
	}
	for word, key := range map[string]string{"kommo": "amocrm", "Twitter": "x", "bedrock": "aws-bedrock", "api.github.com": "github", "gmail": "google-mail"} {
		if !byKey[key].Mentions(word) {
			t.Errorf("%s is not found by %q", key, word)
		}
	}
	for _, shelf := range providers.Categories {
		if !slices.ContainsFunc(catalogue(t), func(c *providers.Connector) bool { return c.Category == shelf.Key }) {
			t.Errorf("category %s is empty", shelf.Key)
		}
	}
}

// A list of scopes to choose from holds those that are asked for by default.
func TestScopesToChooseFrom(t *testing.T) {
	lists := 0
	for _, c := range catalogue(t) {
		for _, o := range c.Options {
			if len(o.ScopeList) == 0 {
				continue
			}
			lists++
			for _, scope := range o.OptionDef.OAuth.Scopes {
				if !slices.ContainsFunc(o.ScopeList, func(s providers.ScopeDef) bool { return s.Name == scope }) {
					t.Errorf("%s, option %s: %s is asked for and not in scope_list", c.Key, o.Name, scope)
				}
			}
			for _, s := range o.ScopeList {
				if s.Allows == "" {
					t.Errorf("%s, option %s: scope_list does not say what %s allows", c.Key, o.Name, s.Name)
				}
			}
		}
	}
	if lists < 25 {
		t.Errorf("%d options have scopes to choose from; is this test blind?", lists)
	}
}
