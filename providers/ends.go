package providers

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/attache-proxy/attache/providers/strictyaml"
)

// Date is a day, as 2026-11-29; the zero Date is none.
type Date struct{ time.Time }

// UnmarshalYAML reads a day.
func (d *Date) UnmarshalYAML(n *yaml.Node) (err error) {
	if d.Time, err = time.Parse(time.DateOnly, n.Value); err != nil || n.Kind != yaml.ScalarNode {
		return strictyaml.Errorf(n, "%q is no date; want year-month-day such as 2026-11-29", n.Value)
	}
	return nil
}

// String is the day as it is written; empty for none.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return d.Format(time.DateOnly)
}

// MarshalJSON writes the day as text.
func (d Date) MarshalJSON() ([]byte, error) { return []byte(`"` + d.String() + `"`), nil }

// EndDef says that a service takes something away: an option, a URL, the value of
// a default header, a version; or, where none of these is named, all of it.
type EndDef struct {
	// Date is the first day on which it does not work.
	Date Date `yaml:"date"`
	// Option, Header, URL and Version name what ends: an option of auth, a header of
	// headers or of a test, a host or a URL of this file, a version that stands in
	// one of its URLs or headers. At most one of them.
	Option  string `yaml:"option"`
	Header  string `yaml:"header"`
	URL     string `yaml:"url"`
	Version string `yaml:"version"`
	// Instead says what to do.
	Instead string `yaml:"instead"`
	// Source is where the vendor says so.
	Source string `yaml:"source"`
}

// UnmarshalYAML refuses unknown keys and an end without a date.
func (e *EndDef) UnmarshalYAML(n *yaml.Node) error {
	type plain EndDef
	if err := strictyaml.Decode(n, (*plain)(e)); err != nil {
		return err
	}
	named := 0
	for _, s := range []string{e.Option, e.Header, e.URL, e.Version} {
		named += min(1, len(s))
	}
	switch {
	case e.Date.IsZero():
		return strictyaml.Errorf(n, "ends: date is missing; want year-month-day such as 2026-11-29")
	case e.Source == "":
		return strictyaml.Errorf(n, "ends: source is missing: where does the vendor say so?")
	case named > 1:
		return strictyaml.Errorf(n, "ends: want one of option, header, url and version; several ends are several entries")
	}
	return nil
}

// What names what ends, for people.
func (e *EndDef) What() string {
	switch {
	case e.Option != "":
		return "option " + e.Option
	case e.Header != "":
		return "the value of header " + e.Header
	case e.URL != "":
		return e.URL
	case e.Version != "":
		return "version " + e.Version
	}
	return "the service's API"
}

// String is a sentence.
func (e *EndDef) String() string {
	s := e.What() + " ends on " + e.Date.String()
	if e.Instead != "" {
		s += "; " + e.Instead
	}
	return s + " (" + e.Source + ")"
}

// Past reports whether it is over on a day.
func (e *EndDef) Past(now time.Time) bool { return !now.Before(e.Date.Time) }

// Ending are the ends up to a time, soonest first. An option other than those in
// use is left out; no options means all.
func (d *Definition) Ending(until time.Time, options ...string) []EndDef {
	var out []EndDef
	for _, e := range d.Ends {
		if e.Past(until) && (e.Option == "" || len(options) == 0 || slices.Contains(options, e.Option)) {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b EndDef) int { return a.Date.Compare(b.Date.Time) })
	return out
}

// checkEnds finds ends of what is not there: such an entry was forgotten when the
// thing itself was replaced.
func (d *Definition) checkEnds() error {
	for i := range d.Ends {
		e := &d.Ends[i]
		if err := webPage("ends: source", e.Source); err != nil {
			return err
		}
		there := true
		switch {
		case e.Option != "":
			there = slices.ContainsFunc(d.Auth, func(o OptionDef) bool { return o.Name == e.Option })
		case e.Header != "":
			there = slices.ContainsFunc(d.headerNames(), func(name string) bool { return strings.EqualFold(name, e.Header) })
		case e.URL != "":
			there = slices.ContainsFunc(d.texts(), func(s string) bool { return strings.Contains(s, strings.TrimPrefix(e.URL, "https://")) })
		case e.Version != "":
			there = slices.ContainsFunc(d.texts(), func(s string) bool { return strings.Contains(s, e.Version) })
		}
		if !there {
			return fmt.Errorf("ends: %s does not stand in this connector; take the entry out when what ended is gone", cmp.Or(e.Option, e.Header, e.URL, e.Version))
		}
	}
	return nil
}

func (d *Definition) tests() []*TestDef {
	all := []*TestDef{d.Test}
	for i := range d.Auth {
		all = append(all, d.Auth[i].Test)
	}
	for i := range d.Environments {
		all = append(all, d.Environments[i].Test)
	}
	return slices.DeleteFunc(all, func(t *TestDef) bool { return t == nil })
}

func (d *Definition) headerNames() []string {
	names := slices.Collect(maps.Keys(d.Headers))
	for _, t := range d.tests() {
		names = slices.AppendSeq(names, maps.Keys(t.Headers))
	}
	return names
}

// texts are the hosts, URLs and header values of the definition.
func (d *Definition) texts() []string {
	all := append(slices.Collect(maps.Values(d.Headers)), d.BaseURL)
	for _, t := range d.tests() {
		all = slices.AppendSeq(append(all, t.Get, t.Post, t.Body), maps.Values(t.Headers))
	}
	for _, h := range d.Hosts {
		all = append(all, h.Host)
	}
	for _, o := range d.Auth {
		all = append(all, o.OAuth.AuthorizeURL, o.OAuth.TokenURL, o.OAuth.RefreshURL, o.OAuth.RevokeURL, o.OAuth.DeviceURL, o.OAuth.RequestTokenURL)
		for _, s := range o.OAuth.Obtain {
			all = append(all, s.URL, s.Get)
		}
	}
	for _, e := range d.Environments {
		all = append(all, e.BaseURL, e.AuthorizeURL, e.TokenURL)
		for _, h := range e.Hosts {
			all = append(all, h.Host)
		}
	}
	return all
}
