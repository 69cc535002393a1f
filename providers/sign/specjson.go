package sign

import (
	"bytes"
	"encoding/json"
)

// MarshalJSON writes s as it stands under `sign:`, in the order in which it is done: a
// word, an object, or a list of these.
func (s Spec) MarshalJSON() ([]byte, error) {
	if s.None {
		return []byte(`"none"`), nil
	}
	own := s.shown()
	if len(s.Then) == 0 {
		return own.MarshalJSON()
	}
	var steps []any
	if len(own) > 0 {
		steps = append(steps, own)
	}
	for _, next := range s.Then {
		steps = append(steps, next)
	}
	return json.Marshal(steps)
}

// shownObject is a JSON object whose members keep their order.
type shownObject []shownMember

type shownMember struct {
	name  string
	value any
}

func (o shownObject) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// shown is s without Then.
func (s Spec) shown() (o shownObject) {
	add := func(name string, there bool, value any) {
		if there {
			o = append(o, shownMember{name, value})
		}
	}
	add("when", s.When != "", s.When)
	add("let", len(s.Let) > 0, items(s.Let))
	add("remove", !s.Remove.isZero(), s.Remove.shown())
	var paths []shownObject
	for _, p := range s.Path {
		paths = append(paths, shownObject{{"from", p.From}, {"to", p.To}})
	}
	add("path", len(paths) > 0, paths)
	add("query", len(s.Query) > 0, items(s.Query))
	add("form", len(s.Form) > 0, items(s.Form))
	add("json", len(s.JSON) > 0, items(s.JSON))
	if s.Body != nil {
		add("body", true, s.Body.Value)
	}
	add("cookie", len(s.Cookie) > 0, items(s.Cookie))
	add("header", len(s.Header) > 0, items(s.Header))
	add("bearer", s.Bearer != "", s.Bearer)
	if s.Basic != nil {
		add("basic", true, shownObject{{"username", s.Basic.Username}, {"password", s.Basic.Password}})
	}
	for _, k := range s.Kinds {
		params := any(map[string]any{})
		if k.Params != nil {
			_ = k.Params.Decode(&params) // it was decoded before
		}
		add(k.Name, true, params)
	}
	return o
}

func items(all []Item) (o shownObject) {
	for _, it := range all {
		o = append(o, shownMember{it.Name, it.Value})
	}
	return o
}

func (p Places) shown() (o shownObject) {
	for _, list := range []shownMember{{"header", p.Headers}, {"query", p.Query}, {"cookie", p.Cookies}, {"form", p.Form}, {"json", p.JSON}} {
		if len(list.value.([]string)) > 0 {
			o = append(o, list)
		}
	}
	return o
}
