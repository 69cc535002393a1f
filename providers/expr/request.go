package expr

import (
	"mime"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// requestType is the type of `request` itself, which only has methods; its
// parts are variables of their own, so that each is typed and known by name.
var requestType = cel.OpaqueType("request")

// requests are members of request.
var requests = []function{
	{name: "header", params: []*cel.Type{requestType, cel.StringType}, result: cel.StringType, member: true,
		doc: "the value of a header, those of several lines joined by comma; empty when there is none",
		call: func(args []ref.Val) ref.Val {
			return types.String(HeaderValue(args[0].(*requestVal).run.v.Request, stringOf(args[1])))
		}},
	{name: "sent", params: []*cel.Type{requestType, cel.StringType}, result: cel.StringType, member: true,
		doc: "a header as the agent sent it, also one that is taken away since we write it; empty when there is none",
		call: func(args []ref.Val) ref.Val {
			return types.String(args[0].(*requestVal).run.v.SentHeader(stringOf(args[1])))
		}},
	{name: "header_names", params: []*cel.Type{requestType}, result: cel.ListType(cel.StringType), member: true,
		doc: "the lower-case names of all headers, with host and content-length, sorted",
		call: func(args []ref.Val) ref.Val {
			return types.NewStringList(types.DefaultTypeAdapter, headerNames(args[0].(*requestVal).run.v.Request))
		}},
	{name: "canonical_headers", params: []*cel.Type{requestType, cel.ListType(cel.StringType)}, result: cel.StringType, member: true,
		doc: "a line name:value for each of these headers, lower-case, sorted, white space folded, as AWS signs them",
		call: func(args []ref.Val) ref.Val {
			return types.String(canonicalHeaders(args[0].(*requestVal).run.v.Request, stringsOf(args[1])))
		}},
}

// Host is the host that r is sent to, without a default port.
func Host(r *http.Request) string {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	name, port, err := net.SplitHostPort(host)
	if err != nil || port != defaultPort(r.URL.Scheme) {
		return host
	}
	if strings.Contains(name, ":") {
		return "[" + name + "]"
	}
	return name
}

func defaultPort(scheme string) string {
	if scheme == "http" {
		return "80"
	}
	return "443"
}

// HeaderValue is the value of a header; several lines are joined by comma
// (RFC 9110 §5.3). Host is one of them, and Content-Length when it is known.
func HeaderValue(r *http.Request, name string) string {
	switch {
	case strings.EqualFold(name, "host"):
		return Host(r)
	case strings.EqualFold(name, "content-length"):
		if r.ContentLength > 0 {
			return strconv.FormatInt(r.ContentLength, 10)
		}
		return ""
	}
	return strings.Join(r.Header[http.CanonicalHeaderKey(name)], ",")
}

// SentHeader is a header of Request, or else what the agent sent under that
// name and was taken away. A length is not made up where the agent sent none.
func (v *Vars) SentHeader(name string) string {
	values := v.Request.Header.Values(name)
	if len(values) == 0 {
		values = v.Agent.Values(name)
	}
	return strings.Join(values, ",")
}

// headerNames has Content-Length when there is a body of known length, whether
// or not it stands among the headers: that is how it will be sent.
func headerNames(r *http.Request) []string {
	names := []string{"host"}
	for k := range r.Header {
		if k != "Content-Length" {
			names = append(names, strings.ToLower(k))
		}
	}
	if r.ContentLength > 0 {
		names = append(names, "content-length")
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func canonicalHeaders(r *http.Request, names []string) string {
	names = slices.Clone(names)
	for i, n := range names {
		names[i] = strings.ToLower(n)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, n := range slices.Compact(names) {
		b.WriteString(n + ":" + strings.Join(strings.Fields(HeaderValue(r, n)), " ") + "\n")
	}
	return b.String()
}

func lowerHeaders(r *http.Request) map[string]string {
	m := make(map[string]string, len(r.Header)+1)
	for _, n := range headerNames(r) {
		m[n] = HeaderValue(r, n)
	}
	return m
}

// target is path and query as on the request line.
func target(r *http.Request) string {
	if r.URL.RawQuery == "" {
		return Path(r)
	}
	return Path(r) + "?" + r.URL.RawQuery
}

// Path is the path as it is sent, with its percent-encoding. Opaque is set
// only for a request that is printed and not sent: its path is to be signed as
// it was written.
func Path(r *http.Request) string {
	if r.URL.Opaque != "" {
		return r.URL.Opaque
	}
	if p := r.URL.EscapedPath(); p != "" {
		return p
	}
	return "/"
}

// mediaType is the Content-Type in lower case, without parameters.
func mediaType(r *http.Request) string {
	m, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return m
}
