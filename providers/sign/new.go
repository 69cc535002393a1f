package sign

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/strictyaml"
)

// New compiles s. Its error names the place that is wrong and what was
// expected there; it is a *strictyaml.Error where s knows its line.
func New(s Spec, env Env) (Signer, error) {
	c := compiler{env: env}
	var all steps
	if err := c.flatten(s, &all); err != nil {
		return nil, err
	}
	switch {
	case len(all) == 0 && !s.None:
		return nil, errors.New("sign: want what to place, for example bearer")
	case len(all) == 1:
		return all[0], nil
	}
	return all, nil
}

// compiler turns templates into placers and checks what they refer to.
type compiler struct{ env Env }

// flatten appends the steps of s to all, those of Then after its own.
func (c compiler) flatten(s Spec, all *steps) error {
	own, err := c.step(s)
	if err != nil {
		return err
	}
	if len(own.placers) > 0 {
		*all = append(*all, own)
	}
	for _, next := range s.Then {
		if err := c.flatten(next, all); err != nil {
			return err
		}
	}
	return nil
}

// step compiles the places of s, without Then. Their order is that of use:
// what is part of a later signature comes first, headers last.
func (c compiler) step(s Spec) (*step, error) {
	var st step
	if len(s.Path) > 0 {
		p, err := c.path(s)
		if err != nil {
			return nil, err
		}
		st.add(p)
	}
	lists := []struct {
		word  string
		items []Item
		make  func(name string, t *expr.Template) (placer, error)
	}{
		{"query", s.Query, newQuery},
		{"form", s.Form, newForm},
		{"json", s.JSON, newJSON},
		{"cookie", s.Cookie, newCookie},
		{"header", s.Header, newHeader},
	}
	for _, l := range lists {
		for _, it := range l.items {
			if it.Line == 0 {
				it.Line = s.Line
			}
			t, optional, err := c.template("sign."+l.word+"."+it.Name, it)
			if err != nil {
				return nil, err
			}
			p, err := l.make(it.Name, t)
			if err != nil {
				return nil, at(it, fmt.Errorf("sign.%s: %w", l.word, err))
			}
			if optional {
				p = ifPresent{p}
			}
			st.add(p)
		}
	}
	auth, err := c.authorization(s)
	if err != nil {
		return nil, err
	}
	if auth != nil {
		st.add(auth)
	}
	return &st, nil
}

// authorization compiles bearer or basic.
func (c compiler) authorization(s Spec) (placer, error) {
	switch {
	case s.Bearer != "" && s.Basic != nil:
		return nil, at(Item{Line: s.Line}, errors.New("sign: bearer and basic both write Authorization; want one of them"))
	case s.Bearer != "":
		value := s.Bearer
		t, _, err := c.template("sign.bearer", Item{Value: "Bearer " + value, Line: s.Line})
		if err != nil {
			return nil, err
		}
		return newHeader("Authorization", t)
	case s.Basic != nil:
		user, _, err := c.template("sign.basic.username", Item{Value: s.Basic.Username, Line: s.Line})
		if err != nil {
			return nil, err
		}
		pass, _, err := c.template("sign.basic.password", Item{Value: s.Basic.Password, Line: s.Line})
		if err != nil {
			return nil, err
		}
		return &basic{user, pass}, nil
	}
	return nil, nil
}

// template compiles it.Value and checks the fields that it names. It also
// reports whether an account may lack one of them.
func (c compiler) template(where string, it Item) (t *expr.Template, optional bool, err error) {
	t, err = expr.Compile(it.Value)
	if err != nil {
		return nil, false, at(it, fmt.Errorf("%s: %w", where, err))
	}
	for _, ref := range t.Refs() {
		name, isField := strings.CutPrefix(ref, "fields.")
		if !isField {
			continue
		}
		if c.env.Fields != nil && !slices.Contains(c.env.Fields, name) {
			return nil, false, at(it, fmt.Errorf("%s: {%s}: no such field; declared are: %s", where, ref, strings.Join(c.env.Fields, ", ")))
		}
		optional = optional || slices.Contains(c.env.Optional, name)
	}
	return t, optional, nil
}

// at gives err the line of it, and the column when err is in a template.
func at(it Item, err error) error {
	if it.Line == 0 {
		return err
	}
	line, column := it.Line, it.Column
	if e, ok := errors.AsType[*expr.Error](err); ok && it.Column > 0 {
		line += e.Line - 1
		column += e.Column - 1
	}
	return &strictyaml.Error{Line: line, Column: column, Msg: err.Error()}
}

// sortedKeys lists m's keys for a message.
func sortedKeys[V any](m map[string]V) string {
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}

// placer writes one value to one place.
type placer interface {
	place(r *http.Request, in *Input) error
	places(*Places)
	needsBody() bool
}

// step is the Signer of one map: its placers in order.
type step struct {
	placers []placer
	written Places
	body    bool
}

func (s *step) add(p placer) {
	s.placers = append(s.placers, p)
	p.places(&s.written)
	s.body = s.body || p.needsBody()
}

func (s *step) Sign(r *http.Request, in *Input) error {
	in.Request = r
	for _, p := range s.placers {
		if err := p.place(r, in); err != nil {
			return err
		}
	}
	return nil
}

func (s *step) Places() Places  { return s.written }
func (s *step) NeedsBody() bool { return s.body }

// steps is the Signer of a list; the empty one places nothing.
type steps []*step

func (ss steps) Sign(r *http.Request, in *Input) error {
	for _, s := range ss {
		if err := s.Sign(r, in); err != nil {
			return err
		}
	}
	return nil
}

func (ss steps) Places() Places {
	var all Places
	for _, s := range ss {
		for _, p := range s.placers {
			p.places(&all)
		}
	}
	return all
}

func (ss steps) NeedsBody() bool {
	return slices.ContainsFunc(ss, func(s *step) bool { return s.body })
}

// ifPresent leaves its place out when an optional field is missing.
type ifPresent struct{ placer }

func (p ifPresent) place(r *http.Request, in *Input) error {
	err := p.placer.place(r, in)
	if _, missing := errors.AsType[*expr.MissingError](err); missing {
		return nil
	}
	return err
}

// basic is HTTP Basic (RFC 7617 §2).
type basic struct{ username, password *expr.Template }

func (b *basic) place(r *http.Request, in *Input) error {
	var room [256]byte
	plain, err := b.username.Append(room[:0], &in.Vars, nil)
	if err != nil {
		return fmt.Errorf("basic username: %w", err)
	}
	for _, c := range plain {
		if c == ':' {
			return cannot("basic username: it holds a colon, which HTTP Basic cannot carry")
		}
	}
	plain = append(plain, ':')
	plain, err = b.password.Append(plain, &in.Vars, nil)
	if err != nil {
		return fmt.Errorf("basic password: %w", err)
	}
	if hasControl(plain) {
		return cannot("basic: the user name or password holds a control character")
	}
	var coded [6 + 344]byte
	out := append(coded[:0], "Basic "...)
	out = base64.StdEncoding.AppendEncode(out, plain)
	r.Header["Authorization"] = []string{string(out)}
	return nil
}

func (b *basic) places(p *Places) { p.Headers = append(p.Headers, "Authorization") }
func (b *basic) needsBody() bool  { return b.username.NeedsBody() || b.password.NeedsBody() }

// hasControl reports whether s holds a byte that RFC 9110 §5.5 keeps out of
// field values (controls other than tab).
func hasControl[S string | []byte](s S) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return true
		}
	}
	return false
}
