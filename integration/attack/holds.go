package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// holds is what must be true of an attack, beside what always is.
type holds struct {
	// Refused is Attache-Error, or several with | between; "any" is a refusal in
	// whatever words, or a closed connection.
	Refused string `yaml:"refused"`
	// Status is 403, 4xx, closed, or several with | between.
	Status string `yaml:"status"`
	// Arrives says what reaches the service: none, bare (without a credential),
	// signed, once (signed, and no more than one request).
	Arrives string   `yaml:"arrives"`
	Sent    []string `yaml:"sent"`   // regular expressions: in what arrived
	Unsent  []string `yaml:"unsent"` // not in it
	Has     []string `yaml:"has"`    // in the answer
	Lacks   []string `yaml:"lacks"`
	Audit   []string `yaml:"audit"` // in one line of the audit that names this attempt in its path
	// Unaudited are in none of these lines.
	Unaudited []string `yaml:"unaudited"`
	Within    string   `yaml:"within"`
	Answers   int      `yaml:"answers"` // at most so many
	Exit      string   `yaml:"exit"`    // of a command: 0, or "failure"
}

func (h holds) judge(s *stage, id string, a answer, took time.Duration) string {
	if h.Refused == "any" && a.refusal == "" && (a.status > 0 && a.status < 400) {
		return fmt.Sprintf("it was answered with %d, want a refusal", a.status)
	} else if h.Refused != "" && h.Refused != "any" && !slices.Contains(strings.Split(h.Refused, "|"), a.refusal) {
		return fmt.Sprintf("it was answered with %d %s, want the refusal %s", a.status, a.refusal, h.Refused)
	}
	if h.Status != "" && !hasStatus(h.Status, a.status) {
		return fmt.Sprintf("it was answered with %d %s, want %s", a.status, a.refusal, h.Status)
	}
	if why := h.arrived(s.got.of(id)); why != "" {
		return why
	}
	for _, pattern := range h.Has {
		if !regexp.MustCompile(pattern).MatchString(a.text()) {
			return fmt.Sprintf("the answer has nothing like %q", pattern)
		}
	}
	for _, pattern := range h.Lacks {
		if found := regexp.MustCompile(pattern).FindString(a.text()); found != "" {
			return fmt.Sprintf("the answer has %q", found)
		}
	}
	if h.Answers > 0 && a.count > h.Answers {
		return fmt.Sprintf("%d answers, want at most %d", a.count, h.Answers)
	}
	if within, err := time.ParseDuration(h.Within); err == nil && took > within {
		return fmt.Sprintf("it took %v, want at most %v", took.Round(time.Millisecond), within)
	}
	if len(h.Audit) > 0 {
		return s.audited(id, h)
	}
	return ""
}

// hasStatus reports whether a status is among "403|4xx|closed".
func hasStatus(want string, status int) bool {
	for one := range strings.SplitSeq(want, "|") {
		class, isClass := strings.CutSuffix(one, "xx")
		switch {
		case one == "closed" && status == 0, one == strconv.Itoa(status), isClass && class == strconv.Itoa(status/100):
			return true
		}
	}
	return false
}

// arrived judges what reached services.
func (h holds) arrived(all []arrival) string {
	signed := slices.ContainsFunc(all, arrival.signed)
	switch {
	case h.Arrives == "none" && len(all) > 0:
		return fmt.Sprintf("%s %s reached a service", all[0].method, all[0].host)
	case h.Arrives == "bare" && (signed || len(all) == 0):
		return fmt.Sprintf("%d requests reached a service, with a credential: %t; want one without", len(all), signed)
	case h.Arrives == "unsigned" && signed:
		return "it was given a credential"
	case h.Arrives == "signed" && !signed:
		return fmt.Sprintf("%d requests reached a service, none with a credential", len(all))
	case h.Arrives == "once" && len(all) > 1:
		return fmt.Sprintf("%d requests reached the service, want one", len(all))
	}
	for _, pattern := range h.Sent {
		re := regexp.MustCompile(pattern)
		if !slices.ContainsFunc(all, func(a arrival) bool { return re.MatchString(a.text) }) {
			return fmt.Sprintf("nothing like %q reached a service", pattern)
		}
	}
	for _, pattern := range h.Unsent {
		re := regexp.MustCompile(pattern)
		for _, a := range all {
			if found := re.FindString(a.text); found != "" {
				return fmt.Sprintf("%q reached the service", found)
			}
		}
	}
	return ""
}

// audited looks for a line of the audit, which may come a moment later.
func (s *stage) audited(id string, h holds) string {
	var lines []string
	for range 60 {
		lines = s.log.lines(`"attache.audit"`, "/"+id+`"`)
		if slices.ContainsFunc(lines, func(line string) bool { return matchesAll(line, h.Audit) }) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if !slices.ContainsFunc(lines, func(line string) bool { return matchesAll(line, h.Audit) }) {
		return fmt.Sprintf("no line of the audit has all of %q; those of this attempt: %s", h.Audit, clip(strings.Join(lines, ""), 1500))
	}
	for _, p := range h.Unaudited {
		if found := regexp.MustCompile(p).FindString(strings.Join(lines, "")); found != "" {
			return fmt.Sprintf("the audit has %q", found)
		}
	}
	return ""
}

func matchesAll(line string, patterns []string) bool {
	return !slices.ContainsFunc(patterns, func(p string) bool { return !regexp.MustCompile(p).MatchString(line) })
}
