package condition

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth is how deep what is read may be nested.
const maxDepth = 100

// document reads what a document holds.
func (c *Condition) document(what string, d *Document) (any, error) {
	switch {
	case d.Why != "":
		return nil, fmt.Errorf("%s cannot be read: %s", what, d.Why)
	case d.Empty:
		return map[string]any{}, nil
	case d.IsForm:
		return c.form("body", what, d.Form)
	case d.JSON == nil:
		return nil, fmt.Errorf("%s cannot be read", what)
	}
	in := jsontext.NewDecoder(bytes.NewBuffer(d.JSON))
	v, err := c.value(in, 0)
	if err == nil {
		if _, end := in.ReadToken(); end != io.EOF {
			err = errJSON
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", what, err)
	}
	return v, nil
}

var errJSON = errors.New("it is no JSON as RFC 8259 has it, with each name once")

// value reads the next value: numbers without a point are whole ones.
func (c *Condition) value(d *jsontext.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errors.New("it is nested too deeply")
	}
	t, err := d.ReadToken()
	if err != nil {
		return nil, errJSON
	}
	switch t.Kind() {
	case 'n':
		return nil, nil
	case 't', 'f':
		return t.Bool(), nil
	case '"':
		return t.String(), nil
	case '0':
		return number(t.String())
	case '[':
		list := []any{}
		for d.PeekKind() != ']' {
			v, err := c.value(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.ReadToken()
		return list, err
	case '{':
		return c.members(d, depth)
	}
	return nil, errJSON
}

func (c *Condition) members(d *jsontext.Decoder, depth int) (any, error) {
	out := map[string]any{}
	for d.PeekKind() != '}' {
		t, err := d.ReadToken()
		if err != nil || t.Kind() != '"' {
			return nil, errJSON
		}
		name := t.String()
		if err := c.clear(name); err != nil {
			return nil, err
		}
		if out[name], err = c.value(d, depth+1); err != nil {
			return nil, err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, errJSON
	}
	return out, nil
}

// number is whole where it is written so; one that readers take for different ones is an
// error.
func number(text string) (any, error) {
	if !strings.ContainsAny(text, ".eE") {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n > 1<<53 || n < -1<<53 {
			return nil, errors.New("it has a number that not every reader takes for the same")
		}
		return n, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) {
		return nil, errors.New("it has a number that not every reader takes for the same")
	}
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return int64(f), nil // 1.0 and 1e3 are whole to most
	}
	return f, nil
}

var errMember = errors.New("it has a member that readers may take for another")

// clear refuses a name that some reader may take for one in the condition, and that is
// not that one.
func (c *Condition) clear(name string) error {
	for _, word := range c.words[folded(name)] {
		if word == name {
			return nil
		}
	}
	if len(c.words[folded(name)]) > 0 {
		return errMember
	}
	return nil
}

// form reads fields: each once, and none that may be taken for another.
func (c *Condition) form(which, what, raw string) (any, error) {
	if strings.Contains(raw, ";") {
		return nil, fmt.Errorf("%s cannot be read in one way", what)
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read in one way", what)
	}
	out := make(map[string]string, len(values))
	for name, v := range values {
		base, _, _ := strings.Cut(name, "[")
		err := c.clear(name)
		if err == nil && base != name && len(c.words[folded(name)]) == 0 && len(c.words[folded(base)]) > 0 {
			err = errMember
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s cannot be read: %w", what, err)
		case len(v) == 1:
			out[name] = v[0]
		case len(c.words[folded(name)]) > 0 || slices.Contains(c.cel.Whole, which):
			return nil, fmt.Errorf("%s has a parameter twice", what)
		}
	}
	return out, nil
}

// folded is a name without what readers may pass over: case, white space, and the marks
// between words.
func folded(name string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r == '.' || unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return -1
		}
		return unicode.ToLower(unicode.ToUpper(r))
	}, name))
}
