package sign

import (
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
	c := &compiler{env: env, scope: new(expr.Scope)}
	c.ahead(s)
	var all signer
	if err := c.flatten(s, &all); err != nil {
		return nil, err
	}
	if len(all.steps) == 0 && !s.None {
		return nil, errors.New("sign: want what to place, for example bearer")
	}
	all.finish()
	return &all, nil
}

// compiler turns templates into placers and checks what they refer to.
type compiler struct {
	env   Env
	scope *expr.Scope
}

// ahead tells the scope of every let name, for its messages.
func (c *compiler) ahead(s Spec) {
	for _, l := range s.Let {
		c.scope.Ahead(l.Name)
	}
	for _, next := range s.Then {
		c.ahead(next)
	}
}

// flatten appends the steps of s to all, those of Then after its own.
func (c *compiler) flatten(s Spec, all *signer) error {
	if s.When != "" {
		// What may be left out declares nothing for what comes after.
		c = &compiler{c.env, c.scope.Fork()}
	}
	own, err := c.step(s)
	if err != nil {
		return err
	}
	if s.When != "" && len(s.Then) > 0 {
		return at(Item{Line: s.Line}, errors.New("sign: want `when` on each step, not on a list of steps"))
	}
	if len(own.placers)+len(own.lets) > 0 || !s.Remove.isZero() {
		all.steps = append(all.steps, own)
	}
	var errs []error
	for _, next := range s.Then {
		errs = append(errs, c.flatten(next, all))
	}
	return errors.Join(errs...)
}

// step compiles s without Then. The order of its placers is that of use: what
// is part of a later signature comes first, headers last.
func (c *compiler) step(s Spec) (*step, error) {
	st := &step{removed: canonical(s.Remove)}
	if err := c.prelude(s, st); err != nil {
		return nil, err
	}
	if len(s.Path) > 0 {
		p, err := c.path(s)
		if err != nil {
			return nil, err
		}
		st.add(p)
	}
	var body []Item
	if s.Body != nil {
		body = []Item{*s.Body}
	}
	lists := []struct {
		word  string
		items []Item
		make  func(name string, t *expr.Template) (placer, error)
	}{
		{"query", s.Query, newQuery},
		{"form", s.Form, newForm},
		{"json", s.JSON, newJSON},
		{"body", body, newBody},
		{"cookie", s.Cookie, newCookie},
		{"header", s.Header, newHeader},
	}
	var errs []error
	for _, l := range lists {
		for _, it := range l.items {
			if it.Line == 0 {
				it.Line = s.Line
			}
			p, err := c.item(l.word, it, l.make)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			st.add(p)
		}
	}
	errs = append(errs, c.authorization(s, st))
	for _, k := range s.Kinds {
		place, ok := kinds[k.Name]
		if !ok { // of a Spec that was not read from YAML
			return nil, at(Item{Line: k.Line}, fmt.Errorf("sign: there is no kind %q; there are %s", k.Name, strings.Join(slices.Sorted(maps.Keys(kinds)), ", ")))
		}
		p, err := place(c, k.Params)
		if err != nil {
			errs = append(errs, strictyaml.Each(err, func(err error) error { return at(Item{Line: k.Line}, fmt.Errorf("sign.%s: %w", k.Name, err)) }))
			continue
		}
		st.add(p)
		st.complex = true
	}
	return st, errors.Join(errs...)
}

// prelude compiles when and let.
func (c *compiler) prelude(s Spec, st *step) error {
	if s.When != "" {
		it := Item{"when", s.When, s.Line, 0}
		cond, err := c.scope.Condition(s.When)
		if err == nil {
			err = c.checkFields(cond.Refs())
		}
		if err != nil {
			return at(it, fmt.Errorf("sign.when: %w", err))
		}
		st.when = cond
	}
	for _, it := range s.Let {
		l, err := c.scope.Let(it.Name, it.Value)
		if err == nil {
			err = c.checkFields(l.Refs())
		}
		if err != nil {
			return at(it, fmt.Errorf("sign.let.%s: %w", it.Name, err))
		}
		st.lets = append(st.lets, l)
	}
	return nil
}

// item compiles one entry of query, form, json, cookie or header.
func (c *compiler) item(word string, it Item, build func(string, *expr.Template) (placer, error)) (placer, error) {
	t, optional, err := c.template("sign."+word+"."+it.Name, it)
	if err != nil {
		return nil, err
	}
	name, ifAbsent := strings.CutSuffix(it.Name, "?")
	p, err := build(name, t)
	if err != nil {
		return nil, at(it, fmt.Errorf("sign.%s: %w", word, err))
	}
	if ifAbsent {
		p = fallback{p.(finder)}
	}
	if optional {
		p = ifPresent{p}
	}
	return p, nil
}

// authorization compiles bearer or basic.
func (c *compiler) authorization(s Spec, st *step) error {
	it := Item{Line: s.Line}
	switch {
	case s.Bearer != "" && s.Basic != nil:
		return at(it, errors.New("sign: bearer and basic both write Authorization; want one of them"))
	case s.Bearer != "":
		it.Value = "Bearer " + s.Bearer
		t, _, err := c.template("sign.bearer", it)
		if err != nil {
			return err
		}
		st.add(&header{"Authorization", t})
	case s.Basic != nil:
		it.Value = s.Basic.Username
		user, _, err := c.template("sign.basic.username", it)
		if err != nil {
			return err
		}
		it.Value = s.Basic.Password
		pass, _, err := c.template("sign.basic.password", it)
		if err != nil {
			return err
		}
		st.add(&basic{user, pass, expr.Join(user.Origin(), pass.Origin())})
	}
	return nil
}

// template compiles it.Value and checks the fields that it names. It also
// reports whether an account may lack one of them.
func (c *compiler) template(where string, it Item) (t *expr.Template, optional bool, err error) {
	t, err = c.scope.Compile(it.Value)
	if err == nil {
		err = c.checkFields(t.Refs())
	}
	if err != nil {
		return nil, false, at(it, fmt.Errorf("%s: %w", where, err))
	}
	optional = slices.ContainsFunc(t.Refs(), func(ref string) bool {
		name, isField := strings.CutPrefix(ref, "fields.")
		return isField && slices.Contains(c.env.Optional, name)
	})
	return t, optional, nil
}

// checkFields refuses references to fields that the connector does not declare.
func (c *compiler) checkFields(refs []string) error {
	for _, ref := range refs {
		name, isField := strings.CutPrefix(ref, "fields.")
		if isField && c.env.Fields != nil && !slices.Contains(c.env.Fields, name) {
			return fmt.Errorf("{%s}: no such field; declared are: %s", ref, strings.Join(c.env.Fields, ", "))
		}
	}
	return nil
}

// at gives err the line of it, and the column when err is in a template.
func at(it Item, err error) error {
	if it.Line == 0 {
		return err
	}
	if _, has := errors.AsType[*strictyaml.Error](err); has {
		return err
	}
	line, column := it.Line, it.Column
	if e, ok := errors.AsType[*expr.Error](err); ok {
		line += e.Line - 1
		if column > 0 && e.Line == 1 {
			column += e.Column - 1
		}
	}
	return &strictyaml.Error{Line: line, Column: column, Msg: err.Error()}
}

// canonical is p with its header names in canonical case.
func canonical(p Places) Places {
	p.Headers = slices.Clone(p.Headers)
	for i, name := range p.Headers {
		p.Headers[i] = http.CanonicalHeaderKey(name)
	}
	return p
}

// sortedKeys lists m's keys for a message.
func sortedKeys[V any](m map[string]V) string {
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}
