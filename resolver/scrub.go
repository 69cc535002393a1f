package resolver

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/secret"
)

// minScrubLen is how long a value must be to be looked for: replacing every
// "on" in an answer because a field says "on" would do harm.
const minScrubLen = 8

// needles are the forms of a credential to look for. They are made once for
// each credential, not for each request.
type needles struct {
	cred    *secret.Credential
	basic   string // what stood after "Basic "
	forms   [][]byte
	longest int
}

// scrubber finds echoes of what was placed on a request and replaces them with
// as many asterisks, so that lengths and framing stay as they are.
type scrubber struct {
	*needles
	call *Call
}

// scrubberFor looks for the credential's secrets as they are, and in the forms
// in which a service may echo them: base64, percent-encoded, JSON-escaped, and
// the pair of Basic. Signatures of one request are no secrets.
func scrubberFor(call *Call, cred *secret.Credential, out *http.Request) *scrubber {
	if !call.Connector.Scrub {
		return nil
	}
	basic := ""
	if scheme, rest, ok := strings.Cut(out.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Basic") {
		basic = rest
	}
	n := call.Account.needles.Load()
	if n == nil || n.cred != cred || n.basic != basic {
		n = needlesOf(call.Account, cred, basic)
		call.Account.needles.Store(n)
	}
	return &scrubber{n, call}
}

func needlesOf(a *Account, cred *secret.Credential, basic string) *needles {
	n := &needles{cred: cred, basic: basic}
	if !cred.Token.IsZero() {
		n.add(cred.Token.Reveal())
	}
	for name, v := range cred.Fields {
		if a.secretField(name) {
			n.add(v.Reveal())
		}
	}
	for _, name := range []string{"client_secret", "private_key"} {
		n.add(a.App.Get(name).Reveal())
	}
	if basic != "" {
		n.add(basic)
	}
	for _, f := range n.forms {
		n.longest = max(n.longest, len(f))
	}
	return n
}

// secretField reports whether a field's value is a secret. Fields that the
// option does not declare are taken for secret.
func (a *Account) secretField(name string) bool {
	for _, f := range a.Option.Fields {
		if f.Name == name {
			return f.Secret
		}
	}
	return true
}

func (n *needles) add(v string) {
	if len(v) < minScrubLen {
		return
	}
	n.form(v)
	if simple(v) {
		return // the other forms are the same
	}
	n.form(url.QueryEscape(v))
	n.form(url.PathEscape(v))
	quoted, _ := json.Marshal(v)
	plain := jsonQuote(v)
	n.form(string(quoted[1 : len(quoted)-1]))
	n.form(plain)
	n.form(strings.ReplaceAll(plain, "/", `\/`))
	n.form(jsonQuote(plain)) // a JSON body echoed inside JSON
	n.form(base64.StdEncoding.EncodeToString([]byte(v)))
}

// jsonQuote escapes as most encoders do: without the \u0026 of Go's own.
func jsonQuote(v string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	return strings.TrimSuffix(b.String(), "\n")[1 : b.Len()-2]
}

func (n *needles) form(v string) {
	b := []byte(v)
	if !slices.ContainsFunc(n.forms, func(f []byte) bool { return bytes.Equal(f, b) }) {
		n.forms = append(n.forms, b)
	}
}

// simple reports a value that every encoding leaves as it is.
func simple(v string) bool {
	for i := range len(v) {
		c := v[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' && c != '~' {
			return false
		}
	}
	return true
}

// headers replaces echoes in header values.
func (s *scrubber) headers(h http.Header) {
	for _, vs := range h {
		for i, v := range vs {
			if s.in(v) {
				b := []byte(v)
				s.replace(b)
				vs[i] = string(b)
			}
		}
	}
}

func (s *scrubber) in(v string) bool {
	for _, n := range s.forms {
		if len(v) >= len(n) && strings.Contains(v, string(n)) {
			return true
		}
	}
	return false
}

// replace overwrites every echo in b in place.
func (s *scrubber) replace(b []byte) (found bool) {
	for _, n := range s.forms {
		for at := 0; ; {
			i := bytes.Index(b[at:], n)
			if i < 0 {
				break
			}
			for j := range n {
				b[at+i+j] = '*'
			}
			at += i + len(n)
			found = true
		}
	}
	if found {
		s.call.Outcome.Scrubbed.Store(true)
	}
	return found
}

// held is how many bytes at the end of b may be the beginning of an echo.
func (s *scrubber) held(b []byte) int {
	for n := min(s.longest-1, len(b)); n > 0; n-- {
		end := b[len(b)-n:]
		for _, needle := range s.forms {
			if len(needle) > n && needle[0] == end[0] && bytes.HasPrefix(needle, end) {
				return n
			}
		}
	}
	return 0
}

// texts are the media types that are searched besides text/*.
var texts = []string{"json", "xml", "javascript", "ecmascript", "x-www-form-urlencoded", "yaml", "toml", "csv", "graphql", "html"}

// isText reports whether a body of that type is searched. No type is text:
// services leave it out on error pages.
func isText(contentType string) bool {
	switch contentType {
	case "", "application/json", "application/json; charset=utf-8", "text/event-stream", "text/plain; charset=utf-8", "text/html; charset=utf-8":
		return true
	}
	t, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		t = strings.ToLower(contentType)
	}
	if strings.HasPrefix(t, "text/") {
		return true
	}
	_, sub, _ := strings.Cut(t, "/")
	return slices.ContainsFunc(texts, func(w string) bool { return strings.Contains(sub, w) })
}

// onlyKnownCodings takes codings off Accept-Encoding that we could not look into.
func onlyKnownCodings(h http.Header) {
	vs := h["Accept-Encoding"]
	if len(vs) == 0 || len(vs) == 1 && simpleCodings[vs[0]] {
		return
	}
	var keep []string
	for part := range strings.SplitSeq(strings.Join(vs, ","), ",") {
		name, _, _ := strings.Cut(part, ";")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "gzip", "x-gzip", "deflate", "br", "zstd", "identity":
			keep = append(keep, strings.TrimSpace(part))
		}
	}
	if len(keep) == 0 {
		keep = []string{"identity"}
	}
	h["Accept-Encoding"] = []string{strings.Join(keep, ", ")}
}

// simpleCodings are what most clients send.
var simpleCodings = map[string]bool{"gzip": true, "gzip, deflate": true, "gzip, deflate, br": true, "gzip, deflate, br, zstd": true, "identity": true}

// watch1xx searches informational answers too. The caller's own trace belongs
// to this request alone, so its hook is wrapped in place: composing traces costs
// more than the rest of a request's decision.
func (s *scrubber) watch1xx(out *http.Request) *http.Request {
	trace := httptrace.ContextClientTrace(out.Context())
	if trace == nil || trace.Got1xxResponse == nil {
		return out // nobody sees them
	}
	next := trace.Got1xxResponse
	trace.Got1xxResponse = func(code int, h textproto.MIMEHeader) error {
		s.headers(http.Header(h))
		return next(code, h)
	}
	return out
}
