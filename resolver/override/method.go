package override

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver/refusal"
)

// reflecting are methods whose answer holds the request, and with it what we
// placed on it (RFC 9110 §9.3.8), or which switch a debugger on.
var reflecting = []string{"TRACE", "TRACK", "DEBUG"}

// CheckMethod refuses methods before anything is looked up.
func CheckMethod(method string) error {
	switch {
	case !providers.IsToken(method) || len(method) > 64:
		return &refusal.Refusal{Code: "bad_request", Detail: "the method is none: it must be a token of RFC 9110, of at most 64 characters", Next: "Send a method such as GET or POST."}
	case slices.ContainsFunc(reflecting, func(m string) bool { return strings.EqualFold(m, method) }):
		return methodRefused(method)
	}
	return nil
}

func methodRefused(method string) error {
	return &refusal.Refusal{Code: "method_refused", Detail: fmt.Sprintf("%.64q is not passed on: its answer could hold the credential", method), Next: "Use another method."}
}

// CheckMethods is CheckMethod for the methods that headers and parameters name.
func CheckMethods(methods []string) error {
	for _, m := range methods[1:] {
		if err := CheckMethod(m); err != nil {
			ref, _ := refusal.As(err)
			ref.Detail = "a header or parameter overrides the method: " + ref.Detail
			return err
		}
	}
	return nil
}

// Effective is the method that a request counts as in the audit: the one that
// overrides the method on the wire; of several, one that does not read.
func Effective(methods []string) string {
	for _, m := range methods[1:] {
		if m != http.MethodGet && m != http.MethodHead && m != http.MethodOptions {
			return m
		}
	}
	return methods[len(methods)-1]
}

// Says says for messages why a request is not reading.
func Says(d providers.Does) string {
	switch {
	case len(d.Methods) > 1:
		return fmt.Sprintf("%s with a header or parameter that makes it %s", d.Methods[0], strings.Join(d.Methods[1:], " or "))
	case d.Upgrade:
		return "an upgrade of the connection"
	}
	if name := providers.ActsForAnother(d.Header, d.Query, nil); name != "" {
		return fmt.Sprintf("%s with %.64q, by which it acts for somebody else,", d.Methods[0], name)
	}
	return d.Methods[0] + " here"
}
