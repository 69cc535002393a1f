package rule

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/printable"
)

// How long a request waits for a person: unless its rule says otherwise, and at most.
const (
	DefaultWait = 90 * time.Second
	MaxWait     = 10 * time.Minute
)

// Asking is how a rule asks.
type Asking struct {
	// Wait is how long the request is held; zero means that it is refused at once, and
	// sent again once somebody has said yes.
	Wait time.Duration
}

// asking reads what may stand at the end of a rule with ask, and returns the words
// before: wait 90s, or nowait.
func asking(words []string) (*Asking, []string, error) {
	a := &Asking{Wait: DefaultWait}
	at := slices.IndexFunc(words, func(w string) bool { return w == "wait" || w == "nowait" })
	if at < 0 {
		return a, words, nil
	}
	end := words[at:]
	if end[0] == "nowait" {
		a.Wait = 0
		if len(end) > 1 {
			return nil, nil, fmt.Errorf("nowait stands at the end, not before %q", end[1])
		}
		return a, words[:at], nil
	}
	if len(end) != 2 {
		return nil, nil, fmt.Errorf("wait wants one duration, at the end: wait 90s")
	}
	var err error
	if a.Wait, err = time.ParseDuration(end[1]); err != nil || a.Wait < time.Second || a.Wait > MaxWait {
		return nil, nil, fmt.Errorf("wait %q: want from 1s to %s, such as 90s; where nobody is to be waited for, nowait", end[1], "10m")
	}
	return a, words[:at], nil
}

// Asks reports whether a person may have to decide by one of the rules.
func (s *Set) Asks() bool {
	return s != nil && slices.ContainsFunc(s.rules, func(r rule) bool { return r.asks != nil })
}

// Exactly is the rule that allows what does names and nothing else, and whether there is
// one: not where the name could be another, and not where a name or the resource holds
// what a rule would take for more.
func Exactly(does Does) (line string, ok bool) {
	if does.Name == "" || does.Unsure || special(does.Name) || special(does.Resource) {
		return "", false
	}
	words := []string{"allow", does.Name}
	if does.Resource != "" {
		words = append(words, "on", does.Resource)
	}
	line = Line(words)
	s, err := New([]string{line}, nil)
	if err != nil || s.everything {
		return "", false
	}
	other := does
	other.Name += "x"
	is := func(d Does) bool {
		return s.Decide(&Request{Methods: []string{"POST"}, Path: "/", Does: []Does{d}}).Allowed
	}
	if !is(does) || is(other) { // it is a word of rules
		return "", false
	}
	return line, true
}

// Under is a rule that allows, under a condition, and whether there is one.
func Under(line, when string) (string, bool) {
	line += " when " + when
	_, err := New([]string{line}, nil)
	if err != nil {
		return "", false
	}
	return line, true
}

// special reports text that stands for more than itself in a rule, or ends it.
func special(s string) bool {
	return strings.ContainsAny(s, "*\"") || printable.Visible(s) != s || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) || slices.Contains([]string{"on", "when", "wait", "nowait"}, s)
}
