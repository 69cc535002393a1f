package resolver

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/secret"
)

// minScrubLen is how long a value must be to be looked for: replacing every
// "on" in an answer because a field says "on" would do harm.
const minScrubLen = 8

// scrubber finds echoes of what was placed on a request and replaces them with
// as many asterisks, so that lengths and framing stay as they are.
type scrubber struct {
	needles [][]byte
	longest int
	// body says whether bodies are searched, not only headers.
	body bool
	call *Call
}

// scrubberFor looks for the credential's secrets as they are, and in the forms
// in which a service may echo them: what was placed in headers and in the
// query, base64, percent-encoded, JSON-escaped.
func scrubberFor(call *Call, cred *secret.Credential, out *http.Request) *scrubber {
	if !call.Connector.Scrub {
		return nil
	}
	s := &scrubber{body: true, call: call}
	if !cred.Token.IsZero() {
		s.add(cred.Token.Reveal())
	}
	for name, v := range cred.Fields {
		if call.Account.secretField(name) {
			s.add(v.Reveal())
		}
	}
	for _, name := range []string{"client_secret", "private_key"} {
		s.add(call.Account.App.Get(name).Reveal())
	}
	if _, basic, ok := strings.Cut(out.Header.Get("Authorization"), " "); ok {
		s.add(basic) // Basic pairs and signatures: base64 of secrets
	}
	for _, n := range s.needles {
		s.longest = max(s.longest, len(n))
	}
	return s
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

func (s *scrubber) add(v string) {
	if len(v) < minScrubLen {
		return
	}
	s.needle(v)
	if simple(v) {
		return // the other forms are the same
	}
	s.needle(url.QueryEscape(v))
	s.needle(url.PathEscape(v))
	quoted, _ := json.Marshal(v)
	plain := jsonQuote(v)
	s.needle(string(quoted[1 : len(quoted)-1]))
	s.needle(plain)
	s.needle(strings.ReplaceAll(plain, "/", `\/`))
	s.needle(base64.StdEncoding.EncodeToString([]byte(v)))
}

// jsonQuote escapes as most encoders do: without the \u0026 of Go's own.
func jsonQuote(v string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	return strings.TrimSuffix(b.String(), "\n")[1 : b.Len()-2]
}

func (s *scrubber) needle(v string) {
	b := []byte(v)
	if !slices.ContainsFunc(s.needles, func(n []byte) bool { return bytes.Equal(n, b) }) {
		s.needles = append(s.needles, b)
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
	for _, n := range s.needles {
		if len(v) >= len(n) && strings.Contains(v, string(n)) {
			return true
		}
	}
	return false
}

// replace overwrites every echo in b in place.
func (s *scrubber) replace(b []byte) (found bool) {
	for _, n := range s.needles {
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
		for _, needle := range s.needles {
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
	if contentType == "" {
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
