package operation

import (
	"bytes"
	"strings"

	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/resolver/rule/condition"
)

// Body is what conditions may know of the body of a request whose head says what it does.
func Body(h *Head, body []byte) *condition.Document {
	kind, plain, why := decoded(h.Header, body)
	if why != "" {
		return &condition.Document{Why: why}
	}
	return held(kind, plain)
}

// TooLong is what they may know of one that is too long to be read.
func TooLong() *condition.Document { return &condition.Document{Why: whyTooLong} }

// Named is what is known of an operation by its name: the gravest effect where several
// have it.
func Named(table operations.Table, name string) operations.Operation {
	op := operations.Operation{Name: name}
	first, second, two := strings.Cut(name, " ")
	switch entries, ok := table.(interface{ Entries() []operations.Entry }); {
	case two && (first == "query" || first == "subscription"), mcpReads[name]:
		op.Effect = operations.Read
	case two && first == "mutation":
		op.Effect = deletes(second, operations.Write)
	case two:
		if does, ok := Offered(first, second); ok {
			op.Effect = does.Effect
		}
	case ok:
		for _, e := range entries.Entries() {
			if e.Name == name && (e.Effect == operations.Unknown || e.Effect > op.Effect) {
				op.Effect = e.Effect
			}
		}
	}
	return op
}

// held is a body by its type.
func held(kind string, plain []byte) *condition.Document {
	switch {
	case len(plain) == 0:
		return &condition.Document{Empty: true}
	case kind == "application/json" || strings.HasSuffix(kind, "+json"):
		return &condition.Document{JSON: plain}
	case kind == "application/x-www-form-urlencoded" && looksLikeJSON(plain): // curl's own type for whatever it sends
		return &condition.Document{Why: "it is said to be a form, and looks like JSON"}
	case kind == "application/x-www-form-urlencoded":
		return &condition.Document{Form: string(plain), IsForm: true}
	}
	return &condition.Document{Why: "it is neither JSON nor a form"}
}

// looksLikeJSON reports text that services may read as JSON, whatever its type says.
func looksLikeJSON(text []byte) bool {
	text = bytes.TrimLeft(bytes.TrimPrefix(text, []byte("\ufeff")), " \t\r\n\v\f\x00")
	return len(text) > 0 && (text[0] == '{' || text[0] == '[' || text[0] == '"')
}
