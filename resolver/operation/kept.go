package operation

import (
	"strings"

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

// held is a body by its type.
func held(kind string, plain []byte) *condition.Document {
	switch {
	case len(plain) == 0:
		return &condition.Document{Empty: true}
	case kind == "application/json" || strings.HasSuffix(kind, "+json"):
		return &condition.Document{JSON: plain}
	case kind == "application/x-www-form-urlencoded":
		return &condition.Document{Form: string(plain), IsForm: true}
	}
	return &condition.Document{Why: "it is neither JSON nor a form"}
}
