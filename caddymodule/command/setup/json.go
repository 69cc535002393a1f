package setup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// object is a JSON object whose members keep their order, and their text where nobody
// edits them: it is somebody's settings.
type object struct {
	names  []string
	values map[string]json.RawMessage
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *object) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New("it is no JSON object")
	}
	o.names, o.values = nil, map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		name := t.(string)
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return err
		}
		if _, twice := o.values[name]; twice {
			return fmt.Errorf("%q stands twice in it", name)
		}
		o.names, o.values[name] = append(o.names, name), v
	}
	_, err := d.Token()
	return err
}

// MarshalJSON implements json.Marshaler.
func (o *object) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, name := range o.names {
		if i > 0 {
			out.WriteByte(',')
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		out.Write(key)
		out.WriteByte(':')
		out.Write(o.values[name])
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// put sets what a path leads to, or takes it away where v is nil, with the objects on
// the way that are empty then. It returns what was there before; nil for nothing.
func (o *object) put(path []string, v json.RawMessage) (before json.RawMessage, err error) {
	name := path[0]
	had, there := o.values[name]
	if len(path) == 1 {
		o.set(name, v)
		return had, nil
	}
	in := &object{values: map[string]json.RawMessage{}}
	if there {
		if err := json.Unmarshal(had, in); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if before, err = in.put(path[1:], v); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(in.names) == 0 {
		o.set(name, nil)
		return before, nil
	}
	text, err := json.Marshal(in)
	o.set(name, text)
	return before, err
}

func (o *object) set(name string, v json.RawMessage) {
	i := slices.Index(o.names, name)
	switch {
	case v == nil && i >= 0:
		o.names = slices.Delete(o.names, i, i+1)
		delete(o.values, name)
	case v != nil:
		if i < 0 {
			o.names = append(o.names, name)
		}
		o.values[name] = v
	}
}

// text is the object as people write it.
func (o *object) text() ([]byte, error) {
	b, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = json.Indent(&out, b, "", "  ")
	out.WriteByte('\n')
	return out.Bytes(), err
}
