package sigv4

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/attache-proxy/attache/providers/expr"
)

// canonical is the canonical request: what of a request is signed.
type canonical struct {
	method, path, query string
	headers             string   // a line for each, with its newline
	names               []string // of the headers, lower-case, sorted
	hash                string   // of the payload
}

func (c *canonical) signed() string { return strings.Join(c.names, ";") }

func (c *canonical) String() string {
	return c.method + "\n" + c.path + "\n" + c.query + "\n" + c.headers + "\n" + c.signed() + "\n" + c.hash
}

// toSign is the string to sign.
func (c *canonical) toSign(algorithm string, s Scope) string {
	return algorithm + "\n" + s.date() + "\n" + s.String() + "\n" + HashHex([]byte(c.String()))
}

// canonicalPath is the path as it is signed. S3 takes the decoded key as it is and
// encodes it once; all others normalise the path as sent and encode it again.
func canonicalPath(wire string, once, asIs bool) string {
	if wire == "" {
		return "/"
	}
	if !asIs {
		wire = normalise(wire)
	}
	if once {
		if plain, err := url.PathUnescape(wire); err == nil {
			wire = plain
		}
	}
	return EncodePath(wire)
}

// normalise removes dot segments and empty segments (RFC 3986 §5.2.4, and
// repeated slashes, as AWS wants).
func normalise(path string) string {
	var kept []string
	for seg := range strings.SplitSeq(path, "/") {
		switch seg {
		case "", ".":
		case "..":
			if len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
		default:
			kept = append(kept, seg)
		}
	}
	out := "/" + strings.Join(kept, "/")
	if len(kept) > 0 && (strings.HasSuffix(path, "/") || strings.HasSuffix(path, "/.") || strings.HasSuffix(path, "/..")) {
		out += "/"
	}
	return out
}

// EncodePath percent-encodes what is not unreserved (RFC 3986 §2.3) and no slash.
func EncodePath(s string) string {
	const upperHex = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(s))
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~/", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', upperHex[c>>4], upperHex[c&15]})
		}
	}
	return b.String()
}

// volatile are headers that a hop may change, add or remove. They are not
// signed, since what is signed must be what arrives.
var volatile = []string{
	"authorization", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect", "content-length",
	"user-agent", "accept", "accept-encoding", "accept-language", "accept-charset", "via", "forwarded", "x-real-ip", "x-amzn-trace-id",
	"cookie", "referer", "origin", "priority", "traceparent", "tracestate", "baggage", "dnt", "pragma", "alt-used",
}

func isVolatile(name string) bool {
	return slices.Contains(volatile, name) || strings.HasPrefix(name, "proxy-") || strings.HasPrefix(name, "x-forwarded-") || strings.HasPrefix(name, "sec-")
}

// Headers that are signed although a hop could touch them, where the vendor or
// the agent asks for it.
const contentLength = "content-length"

// choose returns the names of the headers to sign. The agent's own choice is
// followed where there is one, since its SDK knows what the service needs.
func choose(r *http.Request, s Scope, agents []string, withLength bool) []string {
	names := []string{"host"}
	for key := range r.Header {
		name := strings.ToLower(key)
		own := strings.HasPrefix(name, s.Scheme.Prefix) && !isVolatile(name)
		switch {
		case own, name == "content-type":
			names = append(names, name)
		case agents != nil:
			if slices.Contains(agents, name) && (!isVolatile(name) || name == contentLength) {
				names = append(names, name)
			}
		case s.Scheme.Allow != nil:
			if slices.Contains(s.Scheme.Allow, name) {
				names = append(names, name)
			}
		case !isVolatile(name):
			names = append(names, name)
		}
	}
	if agents == nil && withLength && r.ContentLength > 0 {
		names = append(names, contentLength)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// headerLines are the canonical headers.
func headerLines(r *http.Request, names []string) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteString(name)
		b.WriteByte(':')
		switch values := r.Header[http.CanonicalHeaderKey(name)]; {
		case name == "host":
			b.WriteString(expr.Host(r))
		case name == contentLength:
			b.WriteString(strconv.FormatInt(r.ContentLength, 10))
		default:
			for i, v := range values {
				if i > 0 {
					b.WriteByte(',')
				}
				b.WriteString(fold(v))
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// fold trims v and makes each run of spaces one.
func fold(v string) string {
	v = strings.Trim(v, " \t\r\n")
	if !strings.Contains(v, "  ") && !strings.ContainsAny(v, "\t\r\n") {
		return v
	}
	return strings.Join(strings.Fields(v), " ")
}
