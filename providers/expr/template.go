package expr

import (
	"fmt"
	"strings"
)

// Template is a compiled template: literal text and references, in order.
// It is safe for use by several goroutines at once.
type Template struct {
	src   string
	parts []part
}

// part is one piece of a template: literal text, or a reference when ref.kind
// is set.
type part struct {
	lit string
	ref ref
}

// Escape appends s to dst in the encoding of the place where the template's
// result goes (a path segment, a query value). Literal text is not escaped.
type Escape func(dst []byte, s string) []byte

// Compile parses src. In it `{…}` is an expression, `{{` and `}}` are literal
// braces. Its error is an *Error with the place inside src.
func Compile(src string) (*Template, error) {
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
		r, ok := parseRef(strings.TrimSpace(p.text))
		if !ok {
			return nil, errorAt(src, p.offset, "want a reference such as {fields.NAME}, {token}, {app.NAME} or {account.NAME}, got {%s}", p.text)
		}
		t.parts = append(t.parts, part{ref: r})
	}
	return t, nil
}

// Eval returns the template's text. It returns a *MissingError when a value
// that it refers to is missing or empty.
func (t *Template) Eval(v *Vars) (string, error) {
	switch len(t.parts) {
	case 0:
		return "", nil
	case 1: // a lone literal or reference needs no copy
		return t.parts[0].eval(v)
	}
	var few [6]string
	texts, size := few[:0], 0
	for i := range t.parts {
		s, err := t.parts[i].eval(v)
		if err != nil {
			return "", err
		}
		texts, size = append(texts, s), size+len(s)
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
		case p.ref.kind == 0 || esc == nil:
			dst = append(dst, s...)
		default:
			dst = esc(dst, s)
		}
	}
	return dst, nil
}

func (p *part) eval(v *Vars) (string, error) {
	if p.ref.kind == 0 {
		return p.lit, nil
	}
	s := p.ref.value(v)
	if s == "" {
		return "", &MissingError{p.ref.String()}
	}
	return s, nil
}

// Refs lists what the template refers to, such as "fields.api_key" or "token",
// each once.
func (t *Template) Refs() []string {
	var names []string
	seen := map[string]bool{}
	for _, p := range t.parts {
		if name := p.ref.String(); p.ref.kind != 0 && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// Static reports whether the template holds no expression, so that Eval always
// returns the same.
func (t *Template) Static() bool {
	for _, p := range t.parts {
		if p.ref.kind != 0 {
			return false
		}
	}
	return true
}

// NeedsBody reports whether Eval reads Vars.Body.
func (t *Template) NeedsBody() bool { return false }

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
