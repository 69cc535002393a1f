package expr

import "strings"

// kind says which part of Vars a plain reference reads. Zero means none.
type kind uint8

const (
	token kind = iota + 1
	fields
	app
	account
)

// roots are the words that a plain reference may start with.
var roots = map[string]kind{"fields": fields, "app": app, "account": account}

// plainRef is a plain reference, such as {fields.api_key}: it is read straight from
// Vars, since most connectors need nothing else on every request.
type plainRef struct {
	kind kind
	name string // empty for token
	full string
}

// parseRef reads a plain reference; it reports whether s is one.
func parseRef(s string) (plainRef, bool) {
	if s == "token" {
		return plainRef{token, "", s}, true
	}
	root, name, _ := strings.Cut(s, ".")
	k, ok := roots[root]
	if !ok || !isName(name) {
		return plainRef{}, false
	}
	return plainRef{k, name, s}, true
}

func (r plainRef) String() string { return r.full }

func (r plainRef) value(v *Vars) string {
	switch r.kind {
	case token:
		if v.Cred != nil {
			return v.Cred.Token.Reveal()
		}
	case fields:
		if v.Cred != nil {
			return v.Cred.Fields.Get(r.name).Reveal()
		}
	case app:
		return v.App.Get(r.name).Reveal()
	case account:
		return v.Account[r.name]
	}
	return ""
}

// isName reports whether s is an identifier: a letter or _, then letters,
// digits and _.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
