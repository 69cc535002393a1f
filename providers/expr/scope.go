package expr

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Scope compiles the templates of one connector. It knows the let values that
// were declared before, so that a template may name them. The zero Scope knows
// none. A Scope is for loading and not safe for use by several goroutines.
type Scope struct {
	lets []*Let
	// later are names that are declared further down, for a better message.
	later []string
	env   *cel.Env
}

// Let is a named value of a connector, computed before what uses it.
type Let struct {
	name string
	prog *program
}

// Compile parses src in a Scope without let values.
func Compile(src string) (*Template, error) { return new(Scope).Compile(src) }

// Fork returns a Scope that starts with the let values of s; what it declares
// further stays out of s.
func (s *Scope) Fork() *Scope {
	return &Scope{lets: slices.Clip(s.lets), later: slices.Clip(s.later), env: s.env}
}

// Ahead tells the Scope of the names that Let will declare, so that an
// expression which uses one too early, or itself, is told so.
func (s *Scope) Ahead(names ...string) { s.later = append(s.later, names...) }

// Let declares name as the value of the expression src, which may use what was
// declared before. Its type is that of the expression.
func (s *Scope) Let(name, src string) (*Let, error) {
	switch {
	case !isName(name):
		return nil, fmt.Errorf("%q: want a name of letters, digits and _", name)
	case slices.ContainsFunc(s.lets, func(l *Let) bool { return l.name == name }):
		return nil, fmt.Errorf("%s stands twice", name)
	case isVariable(name):
		return nil, fmt.Errorf("%s is a name that expressions have already; want another", name)
	}
	prog, err := s.program(src, src, 0)
	if err != nil {
		return nil, s.explain(name, err)
	}
	env, err := s.environment()
	if err != nil {
		return nil, err
	}
	if s.env, err = env.Extend(cel.Variable(name, prog.typ)); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	l := &Let{name, prog}
	s.lets = append(s.lets, l)
	return l, nil
}

// Condition compiles src, an expression that is true or false.
func (s *Scope) Condition(src string) (*Condition, error) {
	prog, err := s.program(src, src, 0)
	if err != nil {
		return nil, err
	}
	if !prog.typ.IsExactType(cel.BoolType) {
		return nil, &Error{1, 1, "want true or false, got " + typeName(prog.typ)}
	}
	return &Condition{prog}, nil
}

func (s *Scope) environment() (*cel.Env, error) {
	if s.env != nil {
		return s.env, nil
	}
	return base()
}

// explain turns an unknown name into the rule that it breaks.
func (s *Scope) explain(name string, err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	unknown, found := strings.CutPrefix(e.Msg, unknownName)
	unknown, _, _ = strings.Cut(unknown, ";")
	switch {
	case !found:
	case unknown == name:
		return &Error{e.Line, e.Column, name + " uses itself; want an expression of what stands above it"}
	case slices.Contains(s.later, unknown):
		return &Error{e.Line, e.Column, fmt.Sprintf("%s stands below %s; let values are computed in their order, so want it above", unknown, name)}
	}
	return err
}

func isVariable(name string) bool {
	if _, ok := variables[name]; ok {
		return true
	}
	for v := range variables {
		if root, _, _ := strings.Cut(v, "."); root == name {
			return true
		}
	}
	return false
}

// Name is the let value's name.
func (l *Let) Name() string { return l.name }

// NeedsBody reports whether Eval reads Vars.Body.
func (l *Let) NeedsBody() bool { return l.prog.body }

// Refs lists what the expression refers to, as Template.Refs.
func (l *Let) Refs() []string { return l.prog.refs }

// Eval computes the value and keeps it in v for what uses it.
func (l *Let) Eval(v *Vars) error {
	val, err := l.prog.eval(v)
	if err != nil {
		return err
	}
	v.running().setLet(l.name, val)
	if v.Explain != nil {
		l.tell(v, val)
	}
	return nil
}

// Condition is a compiled expression that is true or false.
type Condition struct{ prog *program }

// NeedsBody reports whether Eval reads Vars.Body.
func (c *Condition) NeedsBody() bool { return c.prog.body }

// Refs lists what the expression refers to, as Template.Refs.
func (c *Condition) Refs() []string { return c.prog.refs }

// Eval computes the condition.
func (c *Condition) Eval(v *Vars) (bool, error) {
	val, err := c.prog.eval(v)
	if err != nil {
		return false, err
	}
	return val == ref.Val(types.True), nil
}
