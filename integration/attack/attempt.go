package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// outcome is what became of an attack.
type outcome struct {
	*attack
	broken string // why it does not hold; empty if it does
	record string // the requests and what came
}

var attempts atomic.Int64

// try runs an attack and judges it.
func (s *stage) try(a *attack) outcome {
	o := outcome{attack: a}
	if a.Play != "" {
		play, ok := plays[a.Play]
		if !ok {
			o.broken = "no play " + a.Play
			return o
		}
		o.broken, o.record = play(s, a)
		return o
	}
	o.broken, o.record = s.steps(a.Steps)
	return o
}

// steps does one after the other, until one does not hold.
func (s *stage) steps(all []step) (broken, record string) {
	var b strings.Builder
	vars := map[string]string{}
	for i := range all {
		id := "a" + strconv.FormatInt(attempts.Add(1), 10)
		vars["id"] = id
		st := s.filled(all[i], vars)
		why := s.step(&st, id, vars, &b)
		if why != "" && len(all) > 1 {
			why = fmt.Sprintf("step %d: %s", i+1, why)
		}
		if why != "" {
			return why, b.String()
		}
	}
	return "", b.String()
}

// step does one request or command. What it wants kept is in vars after it.
func (s *stage) step(st *step, id string, vars map[string]string, record *strings.Builder) (broken string) {
	defer s.got.forget(id)
	if wait, err := time.ParseDuration(st.Wait); err == nil {
		time.Sleep(wait)
	}
	if st.Command != nil {
		return s.commandStep(st, vars, record)
	}
	s.got.answer(id, st.Says)
	m := s.compose(st, id)
	began := time.Now()
	a := s.send(st, m)
	took := time.Since(began)
	fmt.Fprintf(record, "> %s as %s\n%s\n< %s\n", st.Door, st.as(), clip(m.bytes(), 1500), clip(a.raw, 1500))
	if broken = s.always(st, id, m.bytes(), a); broken == "" {
		broken = st.Holds.judge(s, id, a, took)
	}
	for _, got := range s.got.of(id) {
		fmt.Fprintf(record, "arrived at %s: %s\n", got.service, clip(got.text, 800))
	}
	for name, pattern := range st.Keep {
		found := regexp.MustCompile(pattern).FindStringSubmatch(a.text())
		if found == nil && broken == "" {
			return fmt.Sprintf("the answer has nothing like %q for the next step", pattern)
		} else if found != nil {
			vars[name] = found[1]
		}
	}
	return broken
}

// always is what holds whatever was tried: of the request that was sent, and of
// what came.
func (s *stage) always(st *step, id, sent string, a answer) string {
	if found := leaks(a.text()); found != "" {
		return "the agent received the secret of " + found
	}
	for _, got := range s.got.of(id) {
		got.marks = slices.DeleteFunc(slices.Clone(got.marks), func(c canary) bool { return strings.Contains(sent, c.value) && c.value != "" }) // the agent's own words
		if why := got.wrong(st.as()); why != "" {
			return why
		}
	}
	if !s.alive() {
		return "the proxy ended"
	}
	return ""
}

var word = regexp.MustCompile(`\{[a-z][a-z0-9.-]*\}`)

// filled is a step with {names} replaced by what they stand for here.
func (s *stage) filled(st step, vars map[string]string) step {
	fill := func(text string) string {
		return word.ReplaceAllStringFunc(text, func(w string) string {
			name := w[1 : len(w)-1]
			if v, ok := vars[name]; ok {
				return v
			}
			if v, ok := s.vars[name]; ok {
				return v
			}
			return w
		})
	}
	all := func(list []string) (out []string) {
		for _, text := range list {
			out = append(out, fill(text))
		}
		return out
	}
	for _, text := range []*string{&st.Request, &st.Target, &st.Host, &st.Head, &st.Body, &st.After, &st.Connector} {
		*text = fill(*text)
	}
	st.Headers, st.Command = all(st.Headers), all(st.Command)
	if st.Says != nil {
		says := *st.Says
		says.Body, says.Raw = fill(says.Body), fill(says.Raw)
		says.Headers, says.Trailers, says.Hints = all(says.Headers), all(says.Trailers), all(says.Hints)
		st.Says = &says
	}
	h := &st.Holds
	h.Sent, h.Unsent, h.Has, h.Lacks, h.Audit = all(h.Sent), all(h.Unsent), all(h.Has), all(h.Lacks), all(h.Audit)
	return st
}

// clip is the beginning of a text, with what is not printable escaped.
func clip(text string, n int) string {
	more := ""
	if len(text) > n {
		text, more = text[:n], fmt.Sprintf(" … %d bytes more", len(text)-n)
	}
	text = strings.ReplaceAll(strconv.Quote(text), `\r\n`, "\n  ")
	return strings.ReplaceAll(strings.Trim(text, `"`), `\"`, `"`) + more
}
