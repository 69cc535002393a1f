package providers

import (
	"net/http"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/headers"
)

// Parameters by which one request asks to be taken for another. A service may heed any
// of them, or none.
var (
	// methodParameters do so in a query or a form; names in which _ is as good as -.
	methodParameters = []string{
		"_method", "__method", "_httpmethod", "_http_method", "_method_override", "method_override", "methodoverride", "http_method_override", "httpmethodoverride",
		"x_http_method_override", "x_http_method", "x_method_override", "http_x_http_method_override", "_verb", "_http_verb", "$httpmethod", "$http_method", "$method", "!method", ":method",
		"~method", "_requestmethod", "_request_method", "requestmethod", "request_method", "ws_method", "ps_method",
		"httpmethod", "http_method", "http.method", "x_method", "_rest_method", "override_method", "method_verb", "http_verb",
	}
	// looseParameters do so at some services, and say something else at others:
	// they count where their value is the name of a method.
	looseParameters = []string{"method", "verb"}
	// actingParameters do so in a query: GitLab and Gitea, Hadoop, Symfony, Google,
	// Canvas, YouTube.
	actingParameters = []string{
		"sudo", "doas", "_switch_user", "run_as", "runas", "xoauth_requestor_id", "as_user_id", "as_user", "act_as", "actas", "impersonate", "impersonation",
		"on_behalf_of", "onbehalfof", "onbehalfofcontentowner", "onbehalfofcontentownerchannel",
	}
)

// ActsForAnother is the header or parameter by which a request is somebody else's
// than the account's, or empty. Which credential may do that is the service's to
// know; for a grant for reading it is more than was granted. Placed are the headers that
// the connector writes itself, and the agent's do not reach the service.
func ActsForAnother(h http.Header, query string, placed []string) string {
	for name := range h {
		if headers.ActsForAnother(name) && !slices.ContainsFunc(placed, func(p string) bool { return headers.Same(p, name) }) {
			return name
		}
	}
	for _, p := range parameters(query) {
		if slices.Contains(actingParameters, p.name) {
			return p.name
		}
	}
	return ""
}

// IsMethodParameter reports a parameter or form field, as it stands there, by
// which a request names another method.
func IsMethodParameter(raw string) bool {
	return slices.Contains(methodParameters, strings.ReplaceAll(parameterName(raw), "-", "_"))
}

// MethodParameters are the names that IsMethodParameter knows, folded: a _ stands
// for any of what services make one of.
func MethodParameters() []string { return methodParameters }

// Methods are the method on the wire and those by which headers and parameters
// override it, in capitals, each once.
func (c *Connector) Methods(method, query string, h http.Header) []string {
	out := alone[method]
	if out == nil {
		out = []string{method}
	}
	add := func(m string) {
		if m = strings.ToUpper(strings.TrimSpace(m)); m != "" && !slices.Contains(out, m) {
			out = append(slices.Clip(out), m)
		}
	}
	for name, values := range h {
		if headers.OverridesMethod(name) {
			for _, v := range values {
				add(v)
			}
		}
	}
	for _, p := range parameters(query) {
		named := slices.Contains(methodParameters, strings.ReplaceAll(p.name, "-", "_"))
		if named || (slices.Contains(c.access.methodQuery, p.name) || slices.Contains(looseParameters, p.name)) && isMethodName(p.value) {
			add(p.value)
		}
	}
	slices.Sort(out[1:])
	return out
}

// alone are the usual methods, overridden by nothing.
var alone = map[string][]string{"GET": {"GET"}, "HEAD": {"HEAD"}, "POST": {"POST"}, "PUT": {"PUT"}, "PATCH": {"PATCH"}, "DELETE": {"DELETE"}, "OPTIONS": {"OPTIONS"}}

// isMethodName tells methods from the names of functions, which a parameter
// called method may hold as well.
func isMethodName(v string) bool {
	return slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "MERGE"}, strings.ToUpper(strings.TrimSpace(v)))
}

// IsToken reports whether s may be a method (RFC 9110 §9.1).
func IsToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}
