package sign

import "github.com/attache-proxy/attache/providers/expr"

// Placed is one value that Sign put on the wire and that is not literal text.
// What a service may echo of a request is found by these.
type Placed struct {
	// Where is header, query, path, cookie, form, json or body.
	Where string
	// Name is the header's, parameter's, cookie's or last member's; for a path the
	// text before it.
	Name string
	// Use is the value before the encoding of its place, and what it is made of.
	expr.Use
}

// made is the origin of a signature in a query: whoever has the URL has what it
// allows.
var made = &expr.Origin{Refs: []string{"signature"}, Request: true}

// placed notes a value. A nil origin is made.
func (in *Input) placed(where, name, text string, origin *expr.Origin) {
	if text == "" {
		return
	}
	if origin == nil {
		origin = made
	}
	in.note(Placed{where, name, expr.Use{Text: text, Origin: origin}})
}

func (in *Input) note(p Placed) {
	if in.Placed == nil {
		in.Placed = in.room[:0]
	}
	in.Placed = append(in.Placed, p)
}

// eval is t.Eval for a value that is then placed.
func (in *Input) eval(where, name string, t *expr.Template) (string, error) {
	in.watch()
	s, err := t.Eval(&in.Vars)
	in.watched(where, name, err)
	return s, err
}

// append is t.Append for a value that is then placed.
func (in *Input) append(where, name string, dst []byte, t *expr.Template, esc expr.Escape) ([]byte, error) {
	in.watch()
	dst, err := t.Append(dst, &in.Vars, esc)
	in.watched(where, name, err)
	return dst, err
}

func (in *Input) watch() {
	if in.Uses == nil {
		in.Uses = in.uses[:0]
	}
	in.Trace, in.Uses = true, in.Uses[:0]
}

func (in *Input) watched(where, name string, err error) {
	in.Trace = false
	if err != nil {
		return
	}
	for _, u := range in.Uses {
		in.note(Placed{where, name, u})
	}
}
