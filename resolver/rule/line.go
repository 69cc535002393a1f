// Package rule decides by an agent's grant what it may do with an account: the first of
// the grant's rules that matches a request decides, and what none matches is refused.
//
//	allow read
//	allow issues/create issues/create-comment
//	allow repos/* on acme/*
//	ask   pulls/merge wait 5m
//	deny  effect:delete effect:admin
//	allow GET /v2/reports/**
//	allow tools/call create_issue when args.repo.startsWith("acme/")
//	learn
//
// A deny is the end wherever it stands: what it is for passes only by a rule before it that
// names the operation, or method and path, and nothing else.
//
// A rule with ask leaves it to a person. One with a condition is for what the condition
// holds for; where that is not known, it does not allow, and it asks and denies. What a rule cannot be compared with, because it is not known what the request does, no
// rule allows but one for everything, and every rule denies that could be meant.
package rule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/providers/spelling"
	"github.com/attache-proxy/attache/resolver/rule/condition"
)

const (
	// Most is how many rules a grant may have, and MostText how long one may be, in bytes.
	Most     = 100
	MostText = 1000
)

// Set is the compiled rules of a grant. It does not change. A nil Set permits nothing.
type Set struct {
	rules []rule
	// everything says that nothing needs to be known of a request.
	everything bool
	// lastDeny is the place of the last rule that denies; 0 where there is none behind the
	// first.
	lastDeny int
	// learns says that it is read nevertheless, for the audit.
	learns bool
}

// rule is one line.
type rule struct {
	text      string // as it is told
	allow     bool
	asks      *Asking // of a rule that leaves it to a person; nil for the others
	patterns  []pattern
	resources []string             // globs; none means any
	when      *condition.Condition // nil for none
	learns    bool
}

// kind is what a pattern compares.
type kind uint8

const (
	everything kind = iota
	byName
	byEffect
	changes // whatever is not reading
	byPath
	upgrade
)

type pattern struct {
	kind   kind
	name   string // glob; of byPath the path as it is written
	lower  string // the glob in lower case
	effect operations.Effect
	method string // * is any
	path   *providers.PathPattern
}

// New compiles rules, in their order. Where a table is given, a name that matches none
// of its operations is an error; nil means that none is known.
func New(lines []string, table operations.Table) (*Set, error) {
	if len(lines) > Most {
		return nil, fmt.Errorf("there are %d rules, at most %d", len(lines), Most)
	}
	s := new(Set)
	for i, line := range lines {
		r, err := parse(line, table)
		if err != nil {
			return nil, fmt.Errorf("rule %d, %.200q: %w", i+1, line, err)
		}
		s.rules = append(s.rules, r)
		s.learns = s.learns || r.learns
		if r.denies() {
			s.lastDeny = i
		}
	}
	if len(s.rules) == 0 {
		return nil, fmt.Errorf("there is no rule: without one nothing is permitted")
	}
	s.everything = s.lastDeny == 0 && s.rules[0].allow && s.rules[0].when == nil && len(s.rules[0].resources) == 0 && slices.ContainsFunc(s.rules[0].patterns, func(p pattern) bool { return p.kind == everything })
	return s, nil
}

// Nothing is a Set that permits nothing: what becomes of rules that cannot be read.
func Nothing() *Set { return new(Set) }

// Any is a Set that permits everything, for those who must know what is done.
func Any() *Set {
	return &Set{rules: []rule{{text: "allow *", allow: true, patterns: []pattern{{kind: everything}}}}}
}

// Line makes a rule of words of which some may hold spaces.
func Line(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		if out[i] = w; strings.ContainsAny(w, " \t") {
			out[i] = `"` + w + `"`
		}
	}
	return strings.Join(out, " ")
}

func parse(line string, table operations.Table) (rule, error) {
	var r rule
	if len(line) > MostText {
		return r, fmt.Errorf("it is longer than %d bytes", MostText)
	}
	words, when, err := split(line)
	if err != nil {
		return r, err
	}
	if r.when, err = compiled(line, when); err != nil {
		return r, err
	}
	if len(words) == 0 {
		return r, fmt.Errorf("it is empty; want allow, ask, deny or learn: allow read")
	}
	switch words[0] {
	case "learn":
		if len(words) > 1 || when != "" {
			return r, fmt.Errorf("learn stands alone: it permits everything, and records what it is")
		}
		return rule{text: line, allow: true, learns: true, patterns: []pattern{{kind: everything}}}, nil
	case "allow":
		r.allow = true
	case "deny":
	case "ask":
		if r.asks, words, err = asking(words); err != nil {
			return r, err
		}
	default:
		return r, fmt.Errorf("it begins with %q; want allow, ask, deny or learn", words[0])
	}
	words = words[1:]
	if on := slices.Index(words, "on"); on >= 0 {
		if r.resources = words[on+1:]; len(r.resources) == 0 {
			return r, fmt.Errorf("on wants resources: on acme/*")
		}
		words = words[:on]
	}
	if slices.Contains(words, "wait") || slices.Contains(words, "nowait") {
		return r, fmt.Errorf("wait and nowait stand at the end of a rule that begins with ask, before its when")
	}
	if len(words) == 0 {
		return r, fmt.Errorf("it does not say what; want operations, read, write, effect:delete, * or GET /path")
	}
	for i := 0; i < len(words); i++ {
		word := words[i]
		if IsTwo(word) && i+1 < len(words) {
			i++
			word += " " + words[i]
		}
		p, err := parsePattern(word, table)
		if err != nil {
			return r, err
		}
		r.patterns = append(r.patterns, p)
	}
	r.text = line
	return r, nil
}

// split takes a line apart at white space; what stands in double quotes is one word. What
// stands behind the word when is its condition.
func split(line string) (words []string, when string, err error) {
	if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return nil, "", fmt.Errorf("it has a line break or another control character")
	}
	for rest := strings.TrimLeft(line, " \t"); rest != ""; rest = strings.TrimLeft(rest, " \t") {
		if rest[0] != '"' {
			end := strings.IndexAny(rest, " \t")
			if end < 0 {
				end = len(rest)
			}
			if rest[:end] == "when" {
				if when = unquoted(rest[end:]); when == "" {
					return nil, "", fmt.Errorf("when wants a condition behind it: when args.repo.startsWith(\"acme/\")")
				}
				return words, when, nil
			}
			if strings.Contains(rest[:end], `"`) {
				return nil, "", fmt.Errorf("a quotation mark stands within a word")
			}
			words, rest = append(words, rest[:end]), rest[end:]
			continue
		}
		end := strings.IndexByte(rest[1:], '"')
		if end < 0 {
			return nil, "", fmt.Errorf("a quotation mark is not closed")
		}
		words, rest = append(words, rest[1:1+end]), rest[2+end:]
	}
	return words, "", nil
}

// firsts are words that begin a name of two.
var firsts = []string{"query", "mutation", "subscription", "tools/call", "prompts/get", "resources/read", "grpc"}

// methods are the usual ones, which a mistake may have meant.
var methods = []string{"get", "head", "post", "put", "patch", "delete", "options"}

// IsTwo reports a word that begins a name of two, such as mutation, or a method.
func IsTwo(word string) bool { return slices.Contains(firsts, word) || isMethod(word) }

func isMethod(word string) bool {
	return word != "" && word != "*" && word == strings.ToUpper(word) && word != strings.ToLower(word) && providers.IsToken(word)
}

func parsePattern(word string, table operations.Table) (pattern, error) {
	effect, isEffect := strings.CutPrefix(word, "effect:")
	method, path, isPair := strings.Cut(word, " ")
	switch {
	case word == "*":
		return pattern{kind: everything}, nil
	case word == "read":
		return pattern{kind: byEffect, effect: operations.Read}, nil
	case word == "write":
		return pattern{kind: changes}, nil
	case word == "upgrade":
		return pattern{kind: upgrade}, nil
	case isEffect:
		e, err := operations.ParseEffect(effect)
		return pattern{kind: byEffect, effect: e}, err
	case isMethod(method) || method == "*":
		if !isPair {
			return pattern{}, fmt.Errorf("%s wants a path behind it: %s /repos/**", word, word)
		}
		if !slices.Contains(methods, strings.ToLower(method)) {
			if near := spelling.Near(method, methods); near != "" {
				return pattern{}, fmt.Errorf("%s is no method of HTTP; did you mean %s?", method, strings.ToUpper(near))
			}
		}
		p, err := providers.ParsePath(path)
		return pattern{kind: byPath, name: path, method: method, path: p}, err
	case slices.Contains(firsts, word):
		return pattern{}, fmt.Errorf("%s wants a name behind it: %s NAME, or %s *", word, word, word)
	}
	return pattern{kind: byName, name: word, lower: strings.ToLower(word)}, named(word, table)
}

// words are patterns that are no names.
var words = []string{"read", "write", "upgrade", "effect:delete", "effect:admin", "effect:money", "effect:read", "effect:write"}

// named refuses a name that can match nothing.
func named(glob string, table operations.Table) error {
	first, _, two := strings.Cut(glob, " ")
	if two && slices.Contains(firsts, first) { // not of the table
		return nil
	}
	namer, ok := table.(operations.Namer)
	if !ok {
		if near := spelling.Near(glob, words); near != "" && !strings.ContainsAny(glob, "/.:*") {
			return fmt.Errorf("%q is no word of rules, and looks like one; did you mean %s?", glob, near)
		}
		return nil
	}
	names := namer.Names()
	if slices.ContainsFunc(names, func(n string) bool { return fits(glob, n) }) || slices.ContainsFunc(protocol, func(n string) bool { return fits(glob, n) }) {
		return nil
	}
	if near := spelling.Near(glob, append(slices.Clone(words), names...)); near != "" {
		return fmt.Errorf("%q matches no operation of the connector; did you mean %s?", glob, near)
	}
	return fmt.Errorf("%q matches no operation of the connector; attache connectors operations lists them", glob)
}

// protocol are names that requests have without a table.
var protocol = []string{"initialize", "ping", "tools/list", "resources/list", "resources/templates/list", "prompts/list", "notifications/x", "session/stream", "session/end", "response", "sampling/createMessage", "elicitation/create", "tools/call x", "query x", "mutation x", "subscription x"}

// Fits matches * against any run of characters.
func Fits(glob, s string) bool { return fits(glob, s) }

// fits is Fits.
func fits(glob, s string) bool {
	g, i, star, from := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case g < len(glob) && glob[g] == '*':
			star, from = g, i
			g++
		case g < len(glob) && glob[g] == s[i]:
			g++
			i++
		case star >= 0:
			from++
			g, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(glob[g:], "*") == ""
}
