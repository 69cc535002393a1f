package record

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/resolver/rule"
)

// Several is from how many different operations on a rule is made that is for more than
// them: reading, or every operation whose name begins the same.
const Several = 3

// Suggestion is rules that cover what was done.
type Suggestion struct {
	Rules []string
	// Notes are sentences for people: what no rule was made of, and why.
	Notes []string
}

// Suggest makes the smallest rules that cover the calls that worked. What a person was
// asked for is asked again; what was refused stays refused, by rules of its own where
// those that permit would let it through.
func Suggest(calls []Call) Suggestion {
	m := maker{asked: map[string]bool{}, unread: map[string]int64{}}
	for i := range calls {
		m.see(&calls[i])
	}
	writes := m.writes()
	s := Suggestion{Notes: append(m.notes(), m.said...)}
	s.Rules = slices.Concat(m.denies(), m.asks(), m.reads(), writes, m.paths())
	return m.check(s)
}

// maker collects what was seen.
type maker struct {
	worked, refused []*Call
	asked           map[string]bool
	unread          map[string]int64 // by path, calls of which it is not known what they did
	widened         bool             // a rule is for more names than were seen
	said            []string         // where rules are for more resources
}

func (m *maker) see(c *Call) {
	switch {
	case c.asked():
		for _, name := range c.known() {
			if literal(name) {
				m.asked[name] = true
			}
		}
		if p, ok := c.byPath(); ok {
			m.asked[p] = true
		}
	case c.ruled():
		m.refused = append(m.refused, c)
	case c.Code == "" && c.Worked:
		m.worked = append(m.worked, c)
		if c.unread() {
			m.unread[c.Method+" "+shape(c.Path)] += c.Count
		}
	}
}

// denies are grave effects that nothing that worked has: those that were refused, and
// all where a rule is for more names than were seen. They stand first, since the first
// rule that matches decides.
func (m *maker) denies() []string {
	var effects []string
	for _, grave := range []operations.Effect{operations.Delete, operations.Admin, operations.Money} {
		is := func(c *Call) bool { e, known := c.effect(); return known && e == grave }
		if (m.widened || slices.ContainsFunc(m.refused, is)) && !slices.ContainsFunc(m.worked, is) {
			effects = append(effects, "effect:"+grave.String())
		}
	}
	return line("deny", effects, nil)
}

func (m *maker) asks() []string { return line("ask", slices.Sorted(maps.Keys(m.asked)), nil) }

// reads is one rule for reading where several operations read, or one that has no name.
func (m *maker) reads() []string {
	names, unnamed := map[string]bool{}, false
	for _, c := range m.worked {
		if c.isRead() {
			for _, name := range c.known() {
				names[name] = literal(name)
				unnamed = unnamed || name == ""
			}
		}
	}
	if unnamed || len(names) >= Several {
		return []string{"allow read"}
	}
	maps.DeleteFunc(names, func(_ string, ok bool) bool { return !ok })
	return line("allow", slices.Sorted(maps.Keys(names)), nil)
}

// writes are the named operations that do more than read, those on the same resources
// in one rule.
func (m *maker) writes() []string {
	on := map[string]map[string]bool{} // by name
	for _, c := range m.worked {
		if _, known := c.effect(); c.isRead() || !known || odd(c.Resource) {
			continue
		}
		for _, name := range c.known() {
			if !literal(name) || m.asked[name] {
				continue
			}
			if on[name] == nil {
				on[name] = map[string]bool{}
			}
			on[name][c.Resource] = true
		}
	}
	groups := map[string][]string{} // names, by what stands behind "on"
	for _, name := range slices.Sorted(maps.Keys(on)) {
		resources := strings.Join(generalised(on[name]), " ")
		if resources == "" && !on[name][""] {
			m.said = append(m.said, fmt.Sprintf("%s was done to %d resources of several owners, so its rule is for every one", name, len(on[name])))
		}
		groups[resources] = append(groups[resources], name)
	}
	var rules []string
	for _, resources := range slices.Sorted(maps.Keys(groups)) {
		rules = append(rules, line("allow", m.families(groups[resources], resources != ""), strings.Fields(resources))...)
	}
	return rules
}

// generalised is what a rule says of resources: the one, all of one owner, or nothing
// where they are of several or where the operation names none.
func generalised(resources map[string]bool) []string {
	if resources[""] {
		return nil
	}
	all := slices.Sorted(maps.Keys(resources))
	if len(all) < Several {
		return all
	}
	owner, _, ok := strings.Cut(all[0], "/")
	if !ok || slices.ContainsFunc(all, func(r string) bool { return !strings.HasPrefix(r, owner+"/") }) {
		return nil
	}
	return []string{owner + "/*"}
}

// plain reports text that stands for itself alone in a rule, in a Caddyfile and on a
// terminal. Names and paths are chosen by an agent or a service: one with a brace, a
// quotation mark or a # may end up as something else where an operator pastes it.
func plain(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune("*{}\"'`#$\\<>", r) })
}

// literal reports a name of which a rule is for this name alone: no word or form that a
// rule takes for something else.
func literal(name string) bool {
	if !plain(name) {
		return false
	}
	set, err := rule.New(line("allow", []string{name}, nil), nil)
	return err == nil && set.Names(name)
}

// odd reports a resource that no rule can name.
func odd(resource string) bool {
	return resource != "" && (!plain(resource) || strings.Contains(resource, " "))
}

// families puts operations whose names begin the same, up to a /, into one pattern where
// there are several and the rule says what they are done to.
func (m *maker) families(names []string, onResources bool) []string {
	if !onResources {
		return names
	}
	of := map[string][]string{}
	for _, name := range names {
		end := strings.LastIndexByte(name, '/')
		if strings.Contains(name, " ") {
			end = -1 // tools/call NAME
		}
		of[name[:end+1]] = append(of[name[:end+1]], name)
	}
	var out []string
	for _, begin := range slices.Sorted(maps.Keys(of)) {
		if begin != "" && len(of[begin]) >= Several {
			out, m.widened = append(out, begin+"*"), true
		} else {
			out = append(out, of[begin]...)
		}
	}
	return out
}

// paths are for what has no name and does more than read, by method and path.
func (m *maker) paths() []string {
	patterns := map[string]bool{}
	for _, c := range m.worked {
		if c.unread() {
			continue // a rule for its path would be for whatever can be done there
		}
		if c.Operation == "" && !c.isRead() {
			if c.Upgraded {
				patterns["upgrade"] = true
				continue
			}
			if p, ok := c.byPath(); ok && !m.asked[p] {
				patterns[p] = true
			}
		}
	}
	var rules []string
	for _, p := range slices.Sorted(maps.Keys(patterns)) {
		rules = append(rules, line("allow", []string{p}, nil)...)
	}
	return rules
}

// byPath is the pattern for a call that has no name; not where its path would be more than
// itself.
func (c *Call) byPath() (pattern string, ok bool) {
	return c.Method + " " + shape(c.Path), c.Operation == "" && !strings.Contains(c.Path, "*") && !strings.Contains(strings.ToLower(c.Path), "%2a")
}

// shape is a pattern for a path: what looks like an id is *.
func shape(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		digits := strings.IndexFunc(s, func(r rune) bool { return r >= '0' && r <= '9' }) >= 0
		if digits && (len(s) >= 16 || strings.Trim(s, "0123456789") == "") {
			segments[i] = "*"
		}
	}
	return strings.Join(segments, "/")
}

// line makes a rule of patterns, or several where it would be too long.
func line(verb string, patterns, resources []string) (rules []string) {
	var words []string
	whole := func(words []string) string {
		out := make([]string, len(words))
		for i, w := range words {
			out[i] = spelled(w)
		}
		text := verb + " " + strings.Join(out, " ")
		if len(resources) > 0 {
			text += " on " + strings.Join(resources, " ")
		}
		return text
	}
	for _, p := range patterns {
		if !plain(strings.ReplaceAll(p, "*", "x")) {
			continue // check tells of it
		}
		if len(words) > 0 && len(whole(append(words, p))) > rule.MostText {
			rules, words = append(rules, whole(words)), nil
		}
		words = append(words, p)
	}
	if len(words) > 0 {
		rules = append(rules, whole(words))
	}
	return rules
}

// spelled is a pattern as a rule is written: names of two words as they are, others
// with a space in quotes.
func spelled(p string) string {
	if first, second, ok := strings.Cut(p, " "); ok && !strings.ContainsAny(second, " \t") && rule.IsTwo(first) {
		return p
	}
	return rule.Line([]string{p})
}

func (m *maker) notes() (notes []string) {
	for _, where := range slices.Sorted(maps.Keys(m.unread)) {
		notes = append(notes, fmt.Sprintf("%s: of %d calls it is not known what they did, so no rule is for them; let the agent work under the rule learn", where, m.unread[where]))
	}
	return notes
}

// check leaves out rules that cannot be written, and tells what none of the others
// permits.
func (m *maker) check(s Suggestion) Suggestion {
	s.Rules = slices.DeleteFunc(s.Rules, func(line string) bool {
		_, err := rule.New([]string{line}, nil)
		return err != nil
	})
	if len(s.Rules) > rule.Most {
		s.Notes = append(s.Notes, fmt.Sprintf("there would be %d rules, more than the %d that a grant may have; these are the first", len(s.Rules), rule.Most))
		s.Rules = s.Rules[:rule.Most]
	}
	rules, err := rule.New(s.Rules, nil)
	if err != nil {
		rules = rule.Nothing()
	}
	missed := map[string]int64{}
	for _, c := range m.worked {
		if d := rules.Decide(c.request()); !d.Allowed && d.Ask == nil {
			missed[c.label()] += c.Count
		}
	}
	for _, label := range slices.SortedFunc(maps.Keys(missed), func(a, b string) int { return cmp.Or(-cmp.Compare(missed[a], missed[b]), cmp.Compare(a, b)) }) {
		s.Notes = append(s.Notes, fmt.Sprintf("%s: %d calls that no rule here permits", label, missed[label]))
	}
	return s
}
