package expr

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/common/types"
)

// Template is a compiled template: literal text and expressions, in order.
// It is safe for use by several goroutines at once.
type Template struct {
	src   string
	parts []part
}

// part is one piece of a template: literal text, a plain reference when
// ref.kind is set, a let value when let is, or else a program of CEL.
type part struct {
	lit  string
	ref  plainRef
	let  *Let
	prog *program

	origin *Origin // nil for literal text
}

// Escape appends s to dst in the encoding of the place where the template's
// result goes (a path segment, a query value). Literal text is not escaped.
type Escape func(dst []byte, s string) []byte

// Compile parses src. In it `{…}` is an expression, `{{` and `}}` are literal
// braces. Its error is an *Error with the place inside src.
func (s *Scope) Compile(src string) (*Template, error) {
	if len(src) > maxTemplate {
		return nil, &Error{1, 1, fmt.Sprintf("a template has at most %d KiB", maxTemplate>>10)}
	}
	pieces, err := split(src)
	if err != nil {
		return nil, err
	}
	t := &Template{src: src}
	for _, p := range pieces {
		if !p.expr {
			t.parts = append(t.parts, part{lit: p.text})
			continue
		}
		compiled, err := s.part(p, src)
		if err != nil {
			return nil, err
		}
		t.parts = append(t.parts, compiled)
	}
	return t, nil
}

// part compiles what stands between two braces.
func (s *Scope) part(p piece, src string) (part, error) {
	word := strings.TrimSpace(p.text)
	if r, ok := parseRef(word); ok {
		return part{ref: r, origin: &Origin{Refs: []string{r.String()}}}, nil
	}
	out := part{}
	if i := slices.IndexFunc(s.lets, func(l *Let) bool { return l.name == word }); i >= 0 {
		out.let = s.lets[i]
		out.prog = out.let.prog
	} else {
		prog, err := s.program(p.text, src, p.offset)
		if err != nil {
			return part{}, err
		}
		out.prog = prog
	}
	out.origin = out.prog.origin
	if msg := checkText(out.prog.typ); msg != "" {
		return part{}, errorAt(src, p.offset, "%s", msg)
	}
	return out, nil
}

// Eval returns the template's text. It returns a *MissingError when a value
// that it refers to is missing or empty, and ErrNone when an expression gives
// none or null.
func (t *Template) Eval(v *Vars) (string, error) {
	switch len(t.parts) {
	case 0:
		return "", nil
	case 1: // a lone literal or reference needs no copy
		s, err := t.parts[0].eval(v)
		t.note(v, 0, s, err)
		return s, err
	}
	var few [6]string
	texts, size := few[:0], 0
	for i := range t.parts {
		s, err := t.parts[i].eval(v)
		if err != nil {
			return "", err
		}
		t.note(v, i, s, nil)
		texts, size = append(texts, s), size+len(s)
		if err := v.fits(size); err != nil {
			return "", err
		}
	}
	var b strings.Builder
	b.Grow(size)
	for _, s := range texts {
		b.WriteString(s)
	}
	return b.String(), nil
}

// Append appends the template's text to dst; what stands for an expression
// goes through esc, when that is not nil. It fails as Eval does, and then dst
// is returned as it was.
func (t *Template) Append(dst []byte, v *Vars, esc Escape) ([]byte, error) {
	start := len(dst)
	for i := range t.parts {
		p := &t.parts[i]
		s, err := p.eval(v)
		switch {
		case err != nil:
			return dst[:start], err
		case p.literal():
			dst = append(dst, s...)
			continue
		}
		t.note(v, i, s, nil)
		switch {
		case esc == nil:
			dst = append(dst, s...)
		default:
			dst = esc(dst, s)
		}
		if err := v.fits(len(dst) - start); err != nil {
			return dst[:start], err
		}
	}
	return dst, nil
}

// note keeps the text of part i where that is wanted.
func (t *Template) note(v *Vars, i int, text string, err error) {
	if !v.Trace || err != nil || t.parts[i].literal() {
		return
	}
	u := Use{Text: text, Origin: t.parts[i].origin}
	if i > 0 && t.parts[i-1].literal() {
		u.Lead = t.parts[i-1].lit
	}
	v.Uses = append(v.Uses, u)
}

func (p *part) literal() bool { return p.ref.kind == 0 && p.prog == nil }

func (p *part) eval(v *Vars) (string, error) {
	switch {
	case p.ref.kind != 0:
		s := p.ref.value(v)
		if s == "" {
			return "", &MissingError{p.ref.String()}
		}
		return s, nil
	case p.let != nil:
		val := v.running().let(p.let.name)
		if val == nil {
			return "", EvalError(p.let.name + " was not computed, since its step was left out")
		}
		return textOf(val)
	case p.prog != nil:
		val, err := p.prog.eval(v)
		if err != nil {
			return "", err
		}
		return textOf(val)
	}
	return p.lit, nil
}

// Refs lists what the template refers to, such as "fields.api_key", "token" or
// "request.body", each once. What its let values refer to is not among them.
func (t *Template) Refs() []string {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, p := range t.parts {
		switch {
		case p.ref.kind != 0:
			add(p.ref.String())
		case p.prog != nil && p.let == nil:
			for _, name := range p.prog.refs {
				add(name)
			}
		}
	}
	return names
}

// Origin is what the template depends on, as a whole.
func (t *Template) Origin() *Origin {
	var all []*Origin
	for i := range t.parts {
		if o := t.parts[i].origin; o != nil {
			all = append(all, o)
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	return Join(all...)
}

// Join is what depends on all of these.
func Join(all ...*Origin) *Origin {
	o := new(Origin)
	for _, each := range all {
		o.Refs, o.Request = append(o.Refs, each.Refs...), o.Request || each.Request
	}
	return o
}

// Static reports whether the template holds no expression, so that Eval always
// returns the same.
func (t *Template) Static() bool {
	return !slices.ContainsFunc(t.parts, func(p part) bool { return !p.literal() })
}

// NeedsBody reports whether Eval reads Vars.Body. A let value that it names
// has been computed before and does not count.
func (t *Template) NeedsBody() bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return p.prog != nil && p.let == nil && p.prog.body })
}

// Numeric reports whether the template is one expression that gives a number
// or a truth value, which JSON writes without quotes.
func (t *Template) Numeric() bool {
	if len(t.parts) != 1 || t.parts[0].prog == nil {
		return false
	}
	switch t.parts[0].prog.typ.Kind() {
	case types.IntKind, types.UintKind, types.BoolKind:
		return true
	}
	return false
}

// String returns the source.
func (t *Template) String() string { return t.src }

// MissingError says that a template needs a value which the account, the app
// or the request does not have.
type MissingError struct{ Ref string }

func (e *MissingError) Error() string { return fmt.Sprintf("{%s} is missing or empty", e.Ref) }

// Error is a mistake in a template. Line and Column start at 1 and count
// characters inside the template's source.
type Error struct {
	Line, Column int
	Msg          string
}

func (e *Error) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Msg) }

// errorAt is an Error at the byte offset of src.
func errorAt(src string, offset int, format string, args ...any) error {
	before := src[:offset]
	line := 1 + strings.Count(before, "\n")
	column := 1 + len([]rune(before[strings.LastIndexByte(before, '\n')+1:]))
	return &Error{line, column, fmt.Sprintf(format, args...)}
}
