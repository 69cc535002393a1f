package providers

import (
	"cmp"
	"fmt"
	"net/http"

	"go.yaml.in/yaml/v3"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/strictyaml"
)

// TestDef is a cheap request that proves that a credential works: a path or an
// absolute URL, the status it must get and, for services that say no with that
// status too, what must hold of the answer.
type TestDef struct {
	Get     string            `yaml:"get"`
	Post    string            `yaml:"post"`
	Body    string            `yaml:"body"`
	Headers map[string]string `yaml:"headers"`
	// Expect is the status of success; default 200.
	Expect int `yaml:"expect"`
	// OK is a condition (CEL) over the answer that only a right key fulfils:
	// answer.status, answer.json and answer.text.
	OK string `yaml:"ok"`
	// Wrong is what the service answers to a key that was made up, where that is
	// known: the loader and a test hold that it is not taken for a success.
	Wrong *WrongDef `yaml:"wrong"`
	// Or is the request for services that do not know this one, which they say by the
	// status 400, 404, 405 or 406: of another version of the service, say.
	Or *TestDef `yaml:"or"`
	// None says why there is no test: then such accounts are never called tested.
	None string `yaml:"none"`

	answer *expr.Answer
}

// WrongDef is a status alone, or with a body and with where it was seen.
type WrongDef struct {
	Status int    `yaml:"status"`
	Body   string `yaml:"body"`
	Source string `yaml:"source"`
}

// UnmarshalYAML reads a status alone or the long form.
func (w *WrongDef) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		return n.Decode(&w.Status)
	}
	type plain WrongDef
	return strictyaml.Decode(n, (*plain)(w))
}

// UnmarshalYAML refuses unknown keys, and a test that is several or none.
func (t *TestDef) UnmarshalYAML(n *yaml.Node) error {
	type plain TestDef
	if err := strictyaml.Decode(n, (*plain)(t)); err != nil {
		return err
	}
	given := 0
	for _, s := range []string{t.Get, t.Post, t.None} {
		given += min(1, len(s))
	}
	switch {
	case given != 1:
		return strictyaml.Errorf(n, "test: want one of get, post, and none (the reason why there is no test)")
	case t.None != "" && (t.Body != "" || t.Headers != nil || t.Expect != 0 || t.OK != "" || t.Wrong != nil || t.Or != nil):
		return strictyaml.Errorf(n, "test: none stands alone")
	case t.Or != nil && (t.Or.Or != nil || t.Or.None != ""):
		return strictyaml.Errorf(n, "test: or: want one request")
	}
	if t.OK == "" {
		return t.checkWrong(n)
	}
	var err error
	if t.answer, err = expr.CompileAnswer(t.OK); err != nil {
		return strictyaml.Errorf(n, "test: ok: %v", err)
	}
	if err := t.answer.CanFail(); err != nil {
		return strictyaml.Errorf(n, "test: ok: %v", err)
	}
	return t.checkWrong(n)
}

// checkWrong refuses a test that takes the answer to a wrong key for a success.
func (t *TestDef) checkWrong(n *yaml.Node) error {
	if w := t.Wrong; w != nil && t.Proves(cmp.Or(w.Status, t.Status()), []byte(w.Body)) {
		return strictyaml.Errorf(n, "test: the answer to a wrong key (wrong) would pass it; want an ok that tells them apart, or another request")
	}
	return nil
}

// Status is the status of success.
func (t *TestDef) Status() int { return cmp.Or(t.Expect, http.StatusOK) }

// Next is the request to try after a status that says that this one is not known; nil
// where there is none, or where the status says something else.
func (t *TestDef) Next(status int) *TestDef {
	switch status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotAcceptable:
		return t.Or
	}
	return nil
}

// ReadsBody reports whether the answer's body decides.
func (t *TestDef) ReadsBody() bool { return t.answer != nil }

// Proves reports whether an answer shows that the service took the credential.
func (t *TestDef) Proves(status int, body []byte) bool {
	return status == t.Status() && (t.answer == nil || t.answer.Holds(status, body))
}

// Tells reports whether it is known how the service says no: by another status, or
// by what OK reads.
func (t *TestDef) Tells() bool {
	return t.answer != nil || t.Wrong != nil && t.Wrong.Status != t.Status()
}

// String is the request and what is expected, for people.
func (t *TestDef) String() string {
	if t.None != "" {
		return "none: " + t.None
	}
	s := "GET " + t.Get
	if t.Post != "" {
		s = "POST " + t.Post
	}
	s = fmt.Sprintf("%s → %d", s, t.Status())
	if t.OK != "" {
		s += " and " + t.OK
	}
	return s
}

// TestOf is what the definition says of a test for an option, also that there is
// none and why; nil where it says nothing.
func (c *Connector) TestOf(o *Option) *TestDef {
	if o != nil {
		if o.in != nil && o.in.Test != nil {
			return o.in.Test
		}
		if o.Test != nil {
			return o.Test
		}
	}
	return c.Test
}

// TestFor is the request that proves an option's credential, or nil.
func (c *Connector) TestFor(o *Option) *TestDef {
	if t := c.TestOf(o); t != nil && t.None == "" {
		return t
	}
	return nil
}

// IdentityFor says where it stands in the answer to an option's test whose account
// it is. An option with a test of its own has an identity of its own.
func (c *Connector) IdentityFor(o *Option) IdentityDef {
	if o != nil && (o.Identity != IdentityDef{}) {
		return o.Identity
	}
	if t := c.TestOf(o); t != c.Test {
		return IdentityDef{}
	}
	return c.Identity
}
