// Package listing stands between an agent and what a server of the Model Context Protocol
// says: it leaves out of lists what the agent may not use, and of streams what the server
// asks of the client without being allowed to.
// What may be done is decided when it is called; a list is for its reader.
package listing

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/attache-proxy/attache/resolver/outcome"
)

// MaxAnswer is up to what length, in bytes, an answer in JSON or one event is read; what is
// longer breaks off, since nobody knows what is in it.
const MaxAnswer = 8 << 20

// Guard is what an agent may be told.
type Guard struct {
	// Permits reports whether it may do what a list offers. Method is tools/call,
	// prompts/get or resources/read, and name a tool's or prompt's name or a resource's URI.
	Permits func(method, name string) bool
	// Tools are the tools of a list that are offered, by their places among those it is
	// given: before Permits is asked about them. Nil offers all that are permitted.
	Tools func(tools []Tool) []bool
	// Asks reports whether the server may ask the client for sampling/createMessage or
	// elicitation/create.
	Asks func(method string) bool
	// Stream says that the request was a GET: clients take what comes of it for a stream,
	// whatever type it says it has.
	Stream bool
	// Refused hears of a request of the server that the client is not told of, with its
	// id in JSON; nil for nobody.
	Refused func(id json.RawMessage, method string)
}

// lists are the members of a result that are lists, what is asked for each, and by which
// of its members. (Model Context Protocol 2025-11-25, Server features.)
var lists = map[string]struct{ method, by string }{
	"tools":     {"tools/call", "name"},
	"prompts":   {"prompts/get", "name"},
	"resources": {"resources/read", "uri"},
}

// asked are what a server may ask of a client that costs, or deceives, a person.
// (Model Context Protocol 2025-11-25, Client features.)
var asked = []string{"sampling/createMessage", "elicitation/create"}

// ErrCompressed is an answer that is compressed in a way that nobody asked for.
var ErrCompressed = errors.New("its answer is compressed, which was not asked for, so that nobody can see what is in it")

var errCharset = errors.New("its answer is not said to be in UTF-8, so that nobody can see what is in it")

// utf8Said is what stands behind the only charset of a type.
var utf8Said = regexp.MustCompile(`^charset\s*=\s*"?utf-?8"?\s*(;|,|$)`)

var errKind = errors.New("its answer is of two types, so that nobody can see what is in it")

// errUnread is what breaks an answer off.
var errUnread = errors.New("an answer of the MCP server is longer than 8 MiB, or is none")

// Filter filters the answer to a request: one in JSON, where it answers a list also that,
// and every event of a stream, which may answer any request. Its error says why it cannot.
func Filter(res *http.Response, answersList bool, g *Guard) error {
	if _, upgraded := outcome.Upgraded(res); upgraded || res.Body == nil {
		return nil
	}
	// Clients look for either word, wherever it stands.
	kind := strings.ToLower(strings.Join(res.Header["Content-Type"], ","))
	stream, isJSON := strings.Contains(kind, "event-stream"), strings.Contains(kind, "json")
	switch {
	case stream && isJSON:
		return errKind
	case !stream && !isJSON:
		if !g.Stream || res.StatusCode < 200 || res.StatusCode > 299 {
			return nil // no client takes it for a message
		}
		stream = true
	}
	if n := strings.Count(kind, "charset"); n > 1 || n == 1 && !utf8Said.MatchString(kind[strings.Index(kind, "charset"):]) {
		return errCharset
	}
	from, err := plain(res)
	if err != nil {
		return err
	}
	var body io.Reader
	if stream {
		body = &events{from: from, guard: g}
	} else {
		body = &whole{from: from, guard: g, lists: answersList}
	}
	res.Body = reading{body, res.Body}
	res.ContentLength = -1
	res.Header.Del("Content-Length")
	res.Header.Del("Etag") // of what the service sent
	return nil
}

// plain is the body as clients read it.
func plain(res *http.Response) (io.Reader, error) {
	switch coding := res.Header["Content-Encoding"]; {
	case len(coding) == 0 || len(coding) == 1 && strings.EqualFold(coding[0], "identity"):
		return res.Body, nil
	case len(coding) == 1 && (strings.EqualFold(coding[0], "gzip") || strings.EqualFold(coding[0], "x-gzip")):
		res.Header.Del("Content-Encoding")
		return &inflating{from: res.Body}, nil
	}
	return nil, ErrCompressed
}

// inflating begins to inflate at the first Read, so that nobody waits for a stream.
type inflating struct {
	from io.Reader
	z    *gzip.Reader
}

func (i *inflating) Read(p []byte) (n int, err error) {
	if i.z == nil {
		if i.z, err = gzip.NewReader(i.from); err != nil {
			return 0, err
		}
	}
	return i.z.Read(p)
}

type reading struct {
	io.Reader
	io.Closer
}

// outcome of looking at a message.
type verdict uint8

const (
	same verdict = iota
	changed
	dropped // the client is not told of it
)

// message filters a message of JSON-RPC, or a batch of them.
func (g *Guard) message(text []byte, answersList bool) ([]byte, verdict) {
	if !mayMatter(text) {
		return nil, same
	}
	if !jsontext.Value(text).IsValid() {
		return nil, dropped // a client that takes NaN, or the first of two members of a name, reads something else in it
	}
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '[' {
		return g.batch(text, answersList)
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil {
		return nil, same // a number or a text: no client takes it for a message
	}
	switch twice := unclear(members, "method", "result", "id"); {
	case twice:
		return nil, dropped
	case members["method"] != nil:
		return g.request(members)
	case !g.Asks("elicitation/create") && asksByError(members["error"]):
		return refused(members["id"], "elicitation/create"), changed
	}
	var result map[string]json.RawMessage
	if members["result"] == nil || json.Unmarshal(members["result"], &result) != nil {
		return nil, same
	}
	if unclear(result, "tools", "prompts", "resources", "inputRequests") {
		return nil, dropped
	}
	if method := g.unasked(result["inputRequests"]); method != "" {
		return refused(members["id"], method), changed
	}
	ok := false
	for name, list := range lists {
		if kept, is := g.filtered(result[name], list.method, list.by); answersList && is {
			result[name], ok = kept, true
		}
	}
	if !ok {
		return nil, same
	}
	var err error
	if members["result"], err = json.Marshal(result); err != nil {
		return nil, dropped
	}
	out, err := json.Marshal(members)
	if err != nil {
		return nil, dropped
	}
	return out, changed
}

// request is one that the server makes of the client.
func (g *Guard) request(members map[string]json.RawMessage) ([]byte, verdict) {
	var method string
	_ = json.Unmarshal(members["method"], &method)
	if !isAsked(method) || g.Asks(method) {
		return nil, same
	}
	if g.Refused != nil && len(members["id"]) > 0 {
		g.Refused(members["id"], method)
	}
	return nil, dropped
}

func isAsked(method string) bool {
	for _, a := range asked {
		if strings.EqualFold(a, method) {
			return true
		}
	}
	return false
}

// unasked is what a result wants of the client first and may not (Model Context Protocol
// 2026-07-28, multi round-trip requests); empty for nothing.
func (g *Guard) unasked(inputRequests json.RawMessage) string {
	var wants map[string]map[string]json.RawMessage
	if len(inputRequests) == 0 {
		return ""
	}
	if json.Unmarshal(inputRequests, &wants) != nil {
		return "something that cannot be read"
	}
	for _, one := range wants {
		var method string
		if unclear(one, "method") || json.Unmarshal(one["method"], &method) != nil {
			return "something that cannot be read"
		}
		if isAsked(method) && !g.Asks(method) {
			return method
		}
	}
	return ""
}

// asksByError reports an error by which a server wants a person at a page of its own
// (Model Context Protocol 2025-11-25, URLElicitationRequiredError).
func asksByError(text json.RawMessage) bool {
	var e struct {
		Code float64                    `json:"code"`
		Data map[string]json.RawMessage `json:"data"`
	}
	if len(text) == 0 {
		return false
	}
	_ = json.Unmarshal(text, &e)
	if e.Code == -32042 {
		return true
	}
	for name := range e.Data {
		if strings.EqualFold(name, "elicitations") {
			return true
		}
	}
	return false
}

// refused is what a client gets instead of a result that asks it for something.
func refused(id json.RawMessage, method string) []byte {
	if len(id) == 0 {
		id = json.RawMessage("null")
	}
	out, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": id, "error": Refusal(method)})
	return out
}

// Refusal is the error of JSON-RPC for what a server asks and may not.
func Refusal(method string) map[string]any {
	return map[string]any{"code": -32001, "message": "the server asked the client for " + method + ", which the rules of the agent's grant do not allow; where it is wanted, the operator may add: allow " + method}
}

// unclear reports members that readers may take for one of names, beside it or in its place.
func unclear(members map[string]json.RawMessage, names ...string) bool {
	for name := range members {
		for _, known := range names {
			if name != known && strings.EqualFold(name, known) {
				return true
			}
		}
	}
	return false
}

// mayMatter is a quick look; what has escapes may be anything.
func mayMatter(text []byte) bool {
	if bytes.IndexByte(text, '\\') >= 0 {
		return true
	}
	lower := bytes.ToLower(text)
	for _, word := range [][]byte{[]byte(`"tools"`), []byte(`"prompts"`), []byte(`"resources"`), []byte(`"inputrequests"`), []byte("sampling/createmessage"), []byte("elicitation"), []byte("-32042")} {
		if bytes.Contains(lower, word) {
			return true
		}
	}
	return false
}

func (g *Guard) batch(text []byte, answersList bool) ([]byte, verdict) {
	var all, kept []json.RawMessage
	if json.Unmarshal(text, &all) != nil {
		return nil, dropped
	}
	was := same
	for _, one := range all {
		out, v := g.message(one, answersList)
		switch was = max(was, v); v {
		case same:
			kept = append(kept, one)
		case changed:
			kept = append(kept, out)
		}
	}
	if was == same || len(kept) == 0 {
		return nil, was
	}
	out, err := json.Marshal(kept)
	if err != nil {
		return nil, dropped
	}
	return out, changed
}

// filtered is a list without what may not be used, and without what has no name.
func (g *Guard) filtered(list json.RawMessage, method, by string) (out json.RawMessage, is bool) {
	var all []map[string]json.RawMessage
	if len(list) == 0 || json.Unmarshal(list, &all) != nil || all == nil {
		return nil, false
	}
	if method == "tools/call" && g.Tools != nil {
		all = g.offered(all)
	}
	kept := []map[string]json.RawMessage{}
	for _, item := range all {
		var name string
		if !unclear(item, by) && json.Unmarshal(item[by], &name) == nil && g.Permits(method, name) {
			kept = append(kept, item)
		}
	}
	out, err := json.Marshal(kept)
	return out, err == nil
}

// whole is an answer in JSON, read to its end at the first Read.
type whole struct {
	from  io.Reader
	guard *Guard
	lists bool
	out   io.Reader
}

func (w *whole) Read(p []byte) (int, error) {
	if w.out == nil {
		text, err := io.ReadAll(io.LimitReader(w.from, MaxAnswer+1))
		switch {
		case err != nil:
			w.out = io.MultiReader(bytes.NewReader(w.read(text)), failing{err})
		case len(text) > MaxAnswer:
			w.out = failing{errUnread}
		default:
			w.out = bytes.NewReader(w.read(text))
		}
	}
	return w.out.Read(p)
}

func (w *whole) read(text []byte) []byte {
	switch out, v := w.guard.message(text, w.lists); {
	case v == changed:
		return out
	case v == dropped && !jsontext.Value(text).IsValid():
		return unreadable
	case v == dropped:
		return refused(nil, "something that may not be asked")
	}
	return text
}

// unreadable is what a client gets instead of an answer that is no JSON.
var unreadable = []byte(`{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"the server's answer is no JSON that all clients read alike (RFC 8259, RFC 7493)"}}`)

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// event filters one event of a stream, with the empty line at its end. One of which the
// client is not told keeps its id, from which a stream is taken up again.
func (g *Guard) event(text []byte) []byte {
	if !mayMatter(text) {
		return text
	}
	var rest, data []string
	for _, line := range strings.Split(strings.TrimRight(lines.Replace(strings.TrimPrefix(string(text), "\ufeff")), "\n"), "\n") {
		switch name, value, _ := strings.Cut(line, ":"); {
		case name == "data":
			data = append(data, strings.TrimPrefix(value, " "))
		case (name == "event" || name == "id" || name == "retry") && !strings.ContainsAny(line, otherLines):
			rest = append(rest, line+"\n")
		} // comments, and what no field is: some client may take it for one
	}
	kept := strings.Join(data, "\n")
	switch out, v := g.message([]byte(kept), true); v {
	case changed:
		kept = string(out)
	case dropped:
		return []byte(strings.Join(rest, "") + "\n")
	}
	if len(data) == 0 {
		return []byte(strings.Join(rest, "") + "\n")
	}
	return []byte(strings.Join(rest, "") + "data: " + escapes.Replace(strings.ReplaceAll(kept, "\n", "\ndata: ")) + "\n\n")
}

// otherLines end a line for some clients of streams (str.splitlines of Python), and not by
// the HTML Standard. In JSON they stand in texts alone, or nowhere.
const otherLines = "\v\f\x1c\x1d\x1e\u0085\u2028\u2029"

var escapes = strings.NewReplacer("\u0085", `\u0085`, "\u2028", `\u2028`, "\u2029", `\u2029`)

var lines = strings.NewReplacer("\r\n", "\n", "\r", "\n")
