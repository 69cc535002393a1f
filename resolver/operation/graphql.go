package operation

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/resolver/rule"
)

const (
	whyGraphQL   = "its body is no request of GraphQL over HTTP"
	whyPersisted = "it names a GraphQL document that the service keeps"
	whyDocument  = "its GraphQL document cannot be read"
	whyChoice    = "which operation of its GraphQL document is meant is not clear"
	whyTwice     = "its GraphQL request stands in two places"
)

// maxTokens bounds a document, and maxRoot the fields of its root that are looked at.
const (
	maxTokens = 20000
	maxRoot   = 200
)

// graphQLParameters are the members of a request, also as parameters of a URL.
var graphQLParameters = []string{"query", "operationName", "variables", "extensions"}

// graphQLBody reads a POST.
func (h *Head) graphQLBody(kind, query string, body []byte) ([]rule.Does, string) {
	if namesAny(query) {
		return nil, whyTwice
	}
	switch kind {
	case "application/graphql":
		return h.document(string(body), "", nil)
	case "application/json", "application/graphql+json":
	default:
		return nil, whyTypes
	}
	var does []rule.Does
	err := each(body, func(d *jsontext.Decoder) error {
		some, why := h.graphQLRequest(d)
		does = append(does, some...)
		if why != "" {
			return errors.New(why)
		}
		return nil
	})
	if err != nil {
		return nil, err.Error()
	}
	return does, ""
}

// namesAny reports a URL that could hold the request, or some of it, too.
func namesAny(query string) bool {
	for pair := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, _, _ := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(name); err == nil {
			name = decoded
		}
		name, _, _ = strings.Cut(name, "[")
		if at, err := which(name, append(graphQLParameters, "id", "documentId", "doc_id", "hash")); at >= 0 || err != nil {
			return true
		}
	}
	return false
}

// graphQLRequest reads {"query": …, "operationName": …, "variables": …, "extensions": …}.
func (h *Head) graphQLRequest(d *jsontext.Decoder) ([]rule.Does, string) {
	var query, name string
	var hasQuery bool
	var extensions, variables jsontext.Value
	err := only(d, graphQLParameters, func(at int) (err error) {
		switch ok := true; graphQLParameters[at] {
		case "query":
			query, hasQuery, err = text(d)
		case "operationName":
			null := d.PeekKind() == 'n'
			if name, ok, err = text(d); !ok && !null {
				err = errors.New(whyChoice)
			}
		case "extensions":
			extensions, err = cloned(d)
		default:
			variables, err = cloned(d)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, whyGraphQL
	case !hasQuery, !sameDocument(extensions, query):
		return nil, whyPersisted
	}
	return h.document(query, name, variables)
}

func cloned(d *jsontext.Decoder) (jsontext.Value, error) {
	v, err := d.ReadValue()
	return v.Clone(), err
}

// only reads an object that has no other members than these.
func only(d *jsontext.Decoder, names []string, each func(at int) error) error {
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return errJSON
	}
	for d.PeekKind() != '}' {
		t, err := d.ReadToken()
		if err != nil {
			return errJSON
		}
		at := slices.Index(names, t.String())
		if at < 0 {
			return errors.New(whyGraphQL)
		}
		if err := each(at); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// sameDocument reports that a persisted document that extensions name, if any, is
// the one that is sent (automatic persisted queries).
func sameDocument(extensions jsontext.Value, query string) bool {
	if extensions == nil || extensions.Kind() == 'n' {
		return true
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(extensions))
	same := true
	err := object(d, []string{"persistedQuery"}, func(int) error {
		same = false
		members := []string{"version", "sha256Hash"}
		return only(d, members, func(at int) error {
			if members[at] == "version" {
				return d.SkipValue()
			}
			hash, ok, err := text(d)
			sum := sha256.Sum256([]byte(query))
			same = ok && hash == hex.EncodeToString(sum[:])
			return err
		})
	})
	return err == nil && same
}

// graphQLQuery reads a GET, whose request stands in the URL.
func (h *Head) graphQLQuery(raw string) ([]rule.Does, string) {
	if strings.Contains(raw, ";") {
		return nil, whyGraphQL
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, whyGraphQL
	}
	for name, v := range values {
		base, _, _ := strings.Cut(name, "[")
		at, err := which(base, graphQLParameters)
		if err != nil || at >= 0 && (base != name || len(v) != 1) {
			return nil, whyTwice
		}
		if at < 0 && namesAny(url.QueryEscape(name)) {
			return nil, whyPersisted
		}
	}
	if !values.Has("query") {
		return nil, whyPersisted
	}
	query := values.Get("query")
	if x := values.Get("extensions"); x != "" && (!whole([]byte(x)) || !sameDocument(jsontext.Value(x), query)) {
		return nil, whyPersisted
	}
	return h.document(query, values.Get("operationName"), jsontext.Value(values.Get("variables")))
}

// document reads what the chosen operation of a document does: the fields of its root,
// whatever they are called in the answer, and in whatever fragments they stand.
func (h *Head) document(query, name string, variables jsontext.Value) ([]rule.Does, string) {
	if len(query) > MaxBody {
		return nil, whyTooLong
	}
	if h.Keeps { // its arguments are asked for, which stand in variables, too
		return h.parsed(query, name, variables)
	}
	return documents.of(query, name, func() ([]rule.Does, string) { return h.parsed(query, name, nil) })
}

// parsed is what document returns, of a document that is parsed.
func (h *Head) parsed(query, name string, variables jsontext.Value) ([]rule.Does, string) {
	if strings.ContainsFunc(query, func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == '\ufffd' }) {
		return nil, whyDocument
	}
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: query}, maxTokens)
	if err != nil || doc == nil {
		return nil, whyDocument
	}
	op, ok := chosen(doc, name)
	if !ok {
		return nil, whyChoice
	}
	effect, ok := map[ast.Operation]operations.Effect{ast.Query: operations.Read, ast.Subscription: operations.Read, ast.Mutation: operations.Write}[op.Operation]
	if !ok {
		return nil, whyDocument
	}
	r := root{doc: doc, every: h.Keeps}
	if !r.walk(op.SelectionSet, 0) || len(r.fields) == 0 {
		return nil, whyDocument
	}
	does := make([]rule.Does, 0, len(r.fields))
	for _, field := range r.fields {
		does = append(does, rule.Does{Operation: operations.Operation{Name: string(op.Operation) + " " + field.Name, Effect: deletes(field.Name, effect)}})
	}
	if h.Keeps {
		given := newGiven(op, variables)
		for i, field := range r.fields {
			does[i].Args = given.arguments(field)
		}
	}
	return does, ""
}

// chosen is the operation by the name, or the only one where none is given.
func chosen(doc *ast.QueryDocument, name string) (*ast.OperationDefinition, bool) {
	var found *ast.OperationDefinition
	names := map[string]bool{}
	for _, op := range doc.Operations {
		if names[op.Name] || op.Name == "" && len(doc.Operations) > 1 {
			return nil, false // not valid, and services may take either
		}
		names[op.Name] = true
		if op.Name == name || name == "" && len(doc.Operations) == 1 {
			found = op
		}
	}
	return found, found != nil
}

// root gathers the fields of an operation's root.
type root struct {
	doc    *ast.QueryDocument
	fields []*ast.Field
	seen   []string // fragments
	every  bool     // a field counts as often as it stands there: its arguments may differ
}

func (r *root) walk(set ast.SelectionSet, depth int) bool {
	if depth > 50 {
		return false
	}
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			if r.every || !slices.ContainsFunc(r.fields, func(f *ast.Field) bool { return f.Name == s.Name }) {
				r.fields = append(r.fields, s)
			}
		case *ast.InlineFragment:
			if !r.walk(s.SelectionSet, depth+1) {
				return false
			}
		case *ast.FragmentSpread:
			if slices.Contains(r.seen, s.Name) {
				continue
			}
			r.seen = append(r.seen, s.Name)
			found := 0
			for _, f := range r.doc.Fragments {
				if f.Name == s.Name {
					found++
					if !r.walk(f.SelectionSet, depth+1) {
						return false
					}
				}
			}
			if found != 1 {
				return false
			}
		}
		if len(r.fields) > maxRoot {
			return false
		}
	}
	return true
}
