package rule

import (
	"net/http"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/operations"
)

// Names reports a set that is one rule for one operation, by this name.
func (s *Set) Names(name string) bool {
	return len(s.rules) == 1 && s.rules[0].when == nil && len(s.rules[0].patterns) == 1 && s.rules[0].patterns[0].kind == byName && s.rules[0].patterns[0].name == name
}

// Probes are requests that tell rules apart: for every pattern of the sets one that it is
// about, on every resource that one of their rules names and on another, and for every
// pair of globs one that both are about. An operation of a table is on every resource.
func Probes(sets []*Set, known []operations.Operation) []Request {
	p := probes{seen: map[string]bool{}}
	for _, s := range sets {
		for i := range s.rules {
			p.globs(&s.rules[i])
		}
	}
	p.names = crossed(p.names)
	p.resources = append(crossed(p.resources), "another/thing", "")
	fixed := map[string]bool{}
	for _, op := range known {
		fixed[op.Name] = true
		p.named(op, false)
	}
	for _, name := range p.names {
		if fixed[name] {
			continue
		}
		for e := operations.Unknown; e <= operations.Money; e++ {
			p.named(operations.Operation{Name: name, Effect: e}, false)
		}
	}
	for e := operations.Unknown; e <= operations.Money; e++ {
		p.named(operations.Operation{Effect: e}, true)
	}
	for _, path := range append(crossed(p.paths), "/another/path") {
		for _, method := range append([]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}, p.methods...) {
			does := Does{Unsure: true, Operation: operations.Operation{Effect: effectOf(method)}}
			p.add(Request{Methods: []string{method}, Path: path, Does: []Does{does}})
		}
		p.add(Request{Methods: []string{http.MethodPost}, Path: path, Why: "its body cannot be read"})
	}
	p.add(Request{Methods: []string{http.MethodGet}, Path: "/", Upgrade: true, Does: []Does{{Operation: operations.Operation{Name: "upgrade"}}}})
	return p.out
}

func effectOf(method string) operations.Effect {
	switch method {
	case http.MethodGet:
		return operations.Read
	case http.MethodDelete:
		return operations.Delete
	}
	return operations.Write
}

type probes struct {
	names, resources, paths, methods []string
	seen                             map[string]bool
	out                              []Request
}

// globs collects what a rule is about.
func (p *probes) globs(r *rule) {
	p.resources = append(p.resources, r.resources...)
	for i := range r.patterns {
		switch pattern := &r.patterns[i]; pattern.kind {
		case byName:
			p.names = append(p.names, pattern.name)
		case byPath:
			p.paths = append(p.paths, pattern.name)
			if pattern.method != "*" {
				p.methods = append(p.methods, pattern.method)
			}
		}
	}
}

// named adds an operation on every resource.
func (p *probes) named(op operations.Operation, unsure bool) {
	for _, op.Resource = range p.resources {
		p.add(Request{Methods: []string{"POST"}, Path: "/", Does: []Does{{Operation: op, Unsure: unsure}}})
	}
}

func (p *probes) add(r Request) {
	key := strings.Join(r.Methods, " ") + " " + r.Path + " " + r.Why
	for _, d := range r.Does {
		key += "\x00" + d.Name + "\x00" + d.Effect.String() + "\x00" + d.Resource
	}
	if !p.seen[key] {
		p.seen[key] = true
		p.out = append(p.out, r)
	}
}

// maxCrossed bounds pairs of globs.
const maxCrossed = 40

// crossed are texts that globs are about: each with its stars as something short, and
// for two, each with the other's in the place of its stars.
func crossed(globs []string) (texts []string) {
	globs = slices.Compact(slices.Sorted(slices.Values(globs)))
	for _, g := range globs {
		texts = append(texts, plain(g, "x"))
	}
	if len(globs) <= maxCrossed {
		for _, a := range globs {
			for _, b := range globs {
				if a != b && strings.Contains(a, "*") {
					texts = append(texts, plain(a, strings.Trim(plain(b, "x"), "/")))
				}
			}
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(texts)))
}

func plain(glob, star string) string {
	return strings.ReplaceAll(strings.ReplaceAll(glob, "**", "*"), "*", star)
}
