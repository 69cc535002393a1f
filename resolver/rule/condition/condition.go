// Package condition is what a rule may ask of a request beside what it does: the
// arguments of a tool's call or of a field, the query, the body.
//
//	args.repo.startsWith("acme/") && !has(args.force)
//
// A condition has three answers. Whatever is not known for certain is an error: a member
// that is not there, a body that cannot be read, one that two readers may take for two
// things. Whoever asks takes that for the stricter.
package condition

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/expr"
)

// Condition is a compiled condition. It does not change.
type Condition struct {
	text string
	cel  *expr.GivenCondition
	// words are what it names, as readers might confuse them.
	words map[string][]string
}

// language is what conditions may read.
var language = expr.NewGiven(map[string]*expr.Type{
	"operation.name": expr.Text, "operation.effect": expr.Text, "operation.resource": expr.Text,
	"operation.method": expr.Text, "operation.path": expr.Text,
	"query": expr.Texts,
	"args":  expr.Unknown,
	"body":  expr.Unknown,
})

// made are conditions that were compiled before: grants are read anew whenever one of
// them changes.
var made = struct {
	sync.Mutex
	by map[string]*Condition
}{by: map[string]*Condition{}}

// maxMade bounds them.
const maxMade = 500

// New compiles a condition. Its error says in which line and column of it.
func New(text string) (*Condition, error) {
	made.Lock()
	c := made.by[text]
	made.Unlock()
	if c != nil {
		return c, nil
	}
	compiled, err := language.Condition(text)
	if err != nil {
		return nil, err
	}
	c = &Condition{text: text, cel: compiled, words: map[string][]string{}}
	for _, word := range compiled.Words {
		c.words[folded(word)] = append(c.words[folded(word)], word)
	}
	made.Lock()
	defer made.Unlock()
	if len(made.by) >= maxMade {
		clear(made.by)
	}
	made.by[text] = c
	return c, nil
}

// Column is where in a condition its error is, from 1.
func Column(err error) (column int, what string) {
	var e *expr.Error
	if errors.As(err, &e) {
		return e.Column, e.Msg
	}
	return 1, err.Error()
}

// String is the condition as it is written.
func (c *Condition) String() string { return c.text }

// NeedsBody reports a condition that reads what is in a body.
func (c *Condition) NeedsBody() bool {
	for _, name := range c.cel.Names {
		if name == "args" || name == "body" {
			return true
		}
	}
	return false
}

// Request is what a condition is asked of.
type Request struct {
	// Name, Effect and Resource are empty where they are not known.
	Name, Effect, Resource string
	// Methods are the one on the wire and those that override it; Path is escaped.
	Methods []string
	Path    string
	// Query is raw.
	Query string
	// Args are the arguments of what is called; Body is the body.
	Args, Body Document
}

// Document is what a body, or a part of it, holds. The zero Document cannot be read.
type Document struct {
	// JSON is one value.
	JSON []byte
	// Form is fields as in a query, where IsForm says so.
	Form   string
	IsForm bool
	// Empty says that there is none.
	Empty bool
	// Why says why it cannot be read.
	Why string
}

// Holds reports whether the condition holds. Its error means that it is not known, and
// tells nothing of the values.
func (c *Condition) Holds(r *Request) (bool, error) {
	return c.cel.Holds(func(name string) (any, error) {
		switch name {
		case "operation.name":
			return known("operation", r.Name)
		case "operation.effect":
			return known("effect", r.Effect)
		case "operation.resource":
			return known("resource", r.Resource)
		case "operation.method":
			if len(r.Methods) != 1 || r.Methods[0] != strings.ToUpper(r.Methods[0]) {
				return nil, errors.New("its method can be read in different ways")
			}
			return r.Methods[0], nil
		case "operation.path":
			path, err := providers.NormalPath(r.Path)
			if err != nil || strings.Contains(strings.ToLower(r.Path), "%2f") {
				return nil, errors.New("its path can be read in different ways")
			}
			return path, nil
		case "query":
			return c.form("query", "its query", r.Query)
		case "args":
			return c.document("its arguments", &r.Args)
		case "body":
			return c.document("its body", &r.Body)
		}
		return nil, fmt.Errorf("%s is not known", name)
	})
}

// known is a text, and an error where there is none: it could be any.
func known(what, text string) (any, error) {
	if text == "" {
		return nil, fmt.Errorf("its %s is not known", what)
	}
	return text, nil
}
