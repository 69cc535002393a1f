package resolver

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers"
)

// AskOf is what a request's head tells. The caller adds who asks, and where to.
func AskOf(r *http.Request) Ask {
	ask := Ask{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: r.Header, Body: r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0}
	if ask.Path == "" && r.URL.Opaque != "" {
		ask.Path = r.URL.Opaque
	}
	if _, extended := r.Header[":protocol"]; extended && r.Method == http.MethodConnect {
		ask.Method, ask.Upgrade = http.MethodGet, true // as it would be in HTTP/1.1 (RFC 8441 §5)
	}
	ask.Upgrade = ask.Upgrade || len(r.Header["Upgrade"]) > 0
	return ask
}

// reflecting are methods whose answer holds the request, and with it what we
// placed on it (RFC 9110 §9.3.8), or which switch a debugger on.
var reflecting = []string{"TRACE", "TRACK", "DEBUG"}

// checkMethod refuses methods before anything is looked up.
func (a *Ask) checkMethod() error {
	switch {
	case !providers.IsToken(a.Method) || len(a.Method) > 64:
		return &Refusal{Code: "bad_request", Detail: "the method is none: it must be a token of RFC 9110, of at most 64 characters", Next: "Send a method such as GET or POST."}
	case slices.ContainsFunc(reflecting, func(m string) bool { return strings.EqualFold(m, a.Method) }):
		return methodRefused(a.Method)
	}
	return nil
}

func methodRefused(method string) error {
	return &Refusal{Code: "method_refused", Detail: fmt.Sprintf("%.64q is not passed on: its answer could hold the credential", method), Next: "Use another method."}
}

// checkOverrides is checkMethod for the methods that headers and parameters name.
func checkOverrides(methods []string) error {
	for _, m := range methods[1:] {
		named := Ask{Method: m}
		if err := named.checkMethod(); err != nil {
			ref, _ := AsRefusal(err)
			ref.Detail = "a header or parameter overrides the method: " + ref.Detail
			return err
		}
	}
	return nil
}

// does is what the connector judges.
func (a *Ask) does(c *providers.Connector) providers.Does {
	return providers.Does{Methods: c.Methods(a.Method, a.Query, a.Header), Path: a.Path, Query: a.Query, Header: a.Header, Upgrade: a.Upgrade, Body: a.Body}
}

// effective is the method that a request counts as in the audit: the one that
// overrides the method on the wire; of several, one that does not read.
func effective(methods []string) string {
	for _, m := range methods[1:] {
		if m != http.MethodGet && m != http.MethodHead && m != http.MethodOptions {
			return m
		}
	}
	return methods[len(methods)-1]
}

// whatItDoes says for messages why a request is not reading.
func whatItDoes(d providers.Does) string {
	switch {
	case len(d.Methods) > 1:
		return fmt.Sprintf("%s with a header or parameter that makes it %s", d.Methods[0], strings.Join(d.Methods[1:], " or "))
	case d.Upgrade:
		return "an upgrade of the connection"
	}
	return d.Methods[0] + " here"
}
