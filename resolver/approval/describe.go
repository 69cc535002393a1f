package approval

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/attache-proxy/attache/providers/printable"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/operation"
	"github.com/attache-proxy/attache/resolver/rule"
)

// MaxBody is up to what length a body is read and shown, as it is sent and as it was
// before it was compressed.
const MaxBody = operation.MaxBody

// Preview is what is in a request, for people to read.
type Preview struct {
	Query   []Pair `json:"query,omitempty"`
	Headers []Pair `json:"headers,omitempty"`
	// Body is text; what is none is told by Note.
	Body string `json:"body,omitempty"`
	// Bytes is its length as it is sent; -1 where it was not read to the end.
	Bytes int64 `json:"bytes"`
	// Said is what the agent says why; nobody has checked it.
	Said string `json:"said,omitempty"`
	// Note is a sentence about what cannot be seen; empty where all can.
	Note string `json:"note,omitempty"`
}

// Pair is a parameter or a header.
type Pair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Sent is a request that a person is to be asked about.
type Sent struct {
	// Request has everything of whose it is and by which rule; the rest is filled in.
	Request
	// HTTP is as the agent sent it, with its trailers where Body is all of it.
	HTTP *http.Request
	// Target is scheme, host and port of the service.
	Target string
	// Does is what it does.
	Does *rule.Request
	// Body is its beginning, and Whole says that it is all of it.
	Body  []byte
	Whole bool
	// RPC says that the body is a message of JSON-RPC, or several, which clients number.
	RPC bool
	// Placed reports a header, and InQuery a parameter, in which the account's credential
	// is placed.
	Placed, InQuery func(name string) bool
	// When is the condition of the rule that asks; empty for none. A yes to what it was
	// asked about is then for no other request than this one, or those of which it holds.
	When string
	// Token is what the agent presented to us, which nobody is shown.
	Token secret.Value
}

// Describe is what is kept of a request.
func Describe(s *Sent) *Request {
	r := &s.Request
	path := s.HTTP.URL.EscapedPath()
	does := s.Does.Sum()
	r.Operation, r.Effect, r.Resource = s.line(does.Name), does.Effect.String(), s.line(does.Resource)
	r.URL = s.hidden(s.Target + path)
	if len(s.Does.Does) == 1 {
		if r.Allow, _ = rule.Exactly(s.Does.Does[0]); s.When != "" && r.Allow != "" {
			r.Allow, _ = rule.Under(r.Allow, s.When)
		}
		if s.hidden(r.Allow) != r.Allow {
			r.Allow = ""
		}
	}
	r.Flight = !s.Whole
	if s.When == "" {
		r.Act, r.Place = s.act(), s.place()
	}
	d := newSum("request")
	d.add(r.AgentID, r.AccountID, r.GrantID, s.HTTP.Method, s.Target, path, s.HTTP.URL.RawQuery, strings.Join(s.Does.Methods, " "))
	d.meaning(s.HTTP.Header, s.Placed)
	d.add("trailers")
	d.meaning(s.HTTP.Trailer, s.Placed)
	d.add("body", string(s.same()))
	r.Digest = d.String()
	r.Preview = s.preview()
	return r
}

const (
	maxShown   = 1000 // bytes of a header or parameter
	maxHeaders = 100
)

// headers are all that are a part of what is approved, and who sends it. What is placed by
// us is not shown, and of what may be a credential of the agent's own the name alone.
func (s *Sent) headers() (out []Pair) {
	for _, name := range slices.Sorted(maps.Keys(s.HTTP.Header)) {
		known := http.CanonicalHeaderKey(name)
		if slices.Contains(changing, known) && known != "User-Agent" || s.Placed(name) {
			continue
		}
		for _, v := range s.HTTP.Header[name] {
			if len(out) == maxHeaders {
				return append(out, Pair{"…", "there are more"})
			}
			if v != "" && (credential(name) || known == "Cookie") {
				v = hidden
			}
			out = append(out, Pair{s.line(name), s.line(v)})
		}
	}
	return out
}

// same is what is the same of the body when a request is sent again: of messages of
// JSON-RPC all but their numbers, by which answers are told apart, else all of it. Such a
// body was read before: no object in it has a name twice.
func (s *Sent) same() []byte {
	if !s.RPC || s.HTTP.Header.Get("Content-Encoding") != "" {
		return s.Body
	}
	var many []map[string]json.RawMessage
	if err := json.Unmarshal(s.Body, &many); err != nil {
		many = make([]map[string]json.RawMessage, 1)
		if json.Unmarshal(s.Body, &many[0]) != nil {
			return s.Body
		}
	}
	for _, m := range many {
		delete(m, "id")
		var params, meta map[string]json.RawMessage
		if json.Unmarshal(m["params"], &params) != nil || json.Unmarshal(params["_meta"], &meta) != nil {
			continue
		}
		if delete(meta, "progressToken"); len(meta) == 0 { // the number of its progress
			delete(params, "_meta")
		} else {
			params["_meta"], _ = json.Marshal(meta)
		}
		m["params"], _ = json.Marshal(params)
	}
	out, err := json.Marshal(many)
	if err != nil {
		return s.Body
	}
	return out
}

func (s *Sent) preview() (p Preview) {
	p.Headers, p.Query = s.headers(), s.query()
	if p.Bytes = int64(len(s.Body)); !s.Whole {
		p.Bytes = -1
		p.Note = "The body goes on behind what is shown here, and was not read. The request can be approved only while it waits."
	}
	if len(s.Body) == 0 {
		return p
	}
	plain := s.Body
	if s.HTTP.Header.Get("Content-Encoding") != "" {
		var why string
		if _, plain, why = operation.Plain(s.HTTP.Header, s.Body); why != "" {
			p.Note = strings.TrimSpace("The body cannot be shown: " + why + ". " + p.Note)
			return p
		}
	}
	if !isText(plain, s.Whole) {
		p.Note = strings.TrimSpace("The body is not text and cannot be shown. " + p.Note)
		return p
	}
	p.Body = printable.VisibleText(s.hidden(strings.ToValidUTF8(string(plain), "")))
	return p
}

// isText reports UTF-8 without control characters; of a beginning, the last character may
// be cut.
func isText(b []byte, whole bool) bool {
	for i := 0; i < utf8.UTFMax && !whole && len(b) > 0 && !utf8.Valid(b); i++ {
		b = b[:len(b)-1]
	}
	return utf8.Valid(b) && !slices.ContainsFunc(b, func(c byte) bool { return c < ' ' && c != '\n' && c != '\r' && c != '\t' })
}

// query is the parameters in their order.
func (s *Sent) query() (out []Pair) {
	for part := range strings.SplitSeq(s.HTTP.URL.RawQuery, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, value = unescaped(name), unescaped(value)
		if value != "" && (s.InQuery(name) || credential(name)) {
			value = hidden
		}
		out = append(out, Pair{s.line(name), s.line(value)})
	}
	return out
}

func unescaped(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

// hidden stands for what nobody is shown.
const hidden = "[hidden]"

// credentials are words in names of parameters that hold them.
var credentials = []string{"token", "secret", "password", "passwd", "signature", "credential", "api_key", "apikey", "api-key", "access_key", "accesskey", "private_key", "session", "jwt", "auth"}

func credential(name string) bool {
	name = strings.ToLower(name)
	return name == "key" || name == "sig" || name == "code" || slices.ContainsFunc(credentials, func(w string) bool { return strings.Contains(name, w) })
}

// hidden takes the agent's own token out of a text.
func (s *Sent) hidden(text string) string {
	if t := s.Token.Reveal(); t != "" {
		text = strings.ReplaceAll(text, t, hidden)
	}
	return text
}

// line is a text in one line, not too long.
func (s *Sent) line(text string) string {
	text = printable.Line(printable.Visible(s.hidden(strings.ToValidUTF8(text, "\uFFFD"))))
	if len(text) <= maxShown {
		return text
	}
	cut := maxShown
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
