// Package listing leaves out of the lists that a server of the Model Context Protocol
// gives what an agent may not use: a tool that would be refused is not offered to a model.
// What may be done is decided when it is called; a list is for its reader.
package listing

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/attache-proxy/attache/resolver/outcome"
)

// MaxAnswer is up to what length, in bytes, an answer in JSON or one event is read for a
// list; what is longer passes as it is.
const MaxAnswer = 8 << 20

// Permits reports whether an agent may do what a list offers. Method is tools/call,
// prompts/get or resources/read, and name a tool's or prompt's name or a resource's URI.
type Permits func(method, name string) bool

// lists are the members of a result that are lists, what is asked for each, and by which
// of its members. (Model Context Protocol 2025-11-25, Server features.)
var lists = map[string]struct{ method, by string }{
	"tools":     {"tools/call", "name"},
	"prompts":   {"prompts/get", "name"},
	"resources": {"resources/read", "uri"},
}

// Filter filters the answer to a request: one in JSON where it answers a list, and every
// event of a stream, which may answer any request. One that is compressed is left alone;
// ask for none.
func Filter(res *http.Response, answersList bool, p Permits) {
	if _, upgraded := outcome.Upgraded(res); upgraded || res.Body == nil || len(res.Header["Content-Encoding"]) > 0 || res.StatusCode != http.StatusOK {
		return
	}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	var body io.Reader
	switch {
	case kind == "text/event-stream":
		body = &events{from: res.Body, permits: p}
	case kind == "application/json" && answersList:
		body = &whole{from: res.Body, permits: p}
	default:
		return
	}
	res.Body = reading{body, res.Body}
	res.ContentLength = -1
	res.Header.Del("Content-Length")
	res.Header.Del("Etag") // of what the service sent
}

type reading struct {
	io.Reader
	io.Closer
}

// message filters a message of JSON-RPC, or a batch of them; ok is false where nothing in
// it is a list, and where it is no JSON.
func message(text []byte, p Permits) (out []byte, ok bool) {
	if !mayList(text) {
		return nil, false
	}
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '[' {
		return batch(text, p)
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil || members["result"] == nil {
		return nil, false
	}
	var result map[string]json.RawMessage
	if json.Unmarshal(members["result"], &result) != nil {
		return nil, false
	}
	for name, list := range lists {
		if kept, is := filtered(result[name], list.method, list.by, p); is {
			result[name], ok = kept, true
		}
	}
	if !ok {
		return nil, false
	}
	var err error
	if members["result"], err = json.Marshal(result); err != nil {
		return nil, false
	}
	out, err = json.Marshal(members)
	return out, err == nil
}

// mayList is a quick look. A name may be written with escapes, which no server does, and
// then the list passes.
func mayList(text []byte) bool {
	for name := range lists {
		if bytes.Contains(text, []byte(`"`+name+`"`)) {
			return true
		}
	}
	return false
}

func batch(text []byte, p Permits) (out []byte, ok bool) {
	var all []json.RawMessage
	if json.Unmarshal(text, &all) != nil {
		return nil, false
	}
	for i, one := range all {
		if kept, is := message(one, p); is {
			all[i], ok = kept, true
		}
	}
	if !ok {
		return nil, false
	}
	out, err := json.Marshal(all)
	return out, err == nil
}

// filtered is a list without what may not be used, and without what has no name.
func filtered(list json.RawMessage, method, by string, p Permits) (out json.RawMessage, is bool) {
	var all []map[string]json.RawMessage
	if len(list) == 0 || json.Unmarshal(list, &all) != nil || all == nil {
		return nil, false
	}
	kept := []map[string]json.RawMessage{}
	for _, item := range all {
		var name string
		if json.Unmarshal(item[by], &name) == nil && p(method, name) {
			kept = append(kept, item)
		}
	}
	out, err := json.Marshal(kept)
	return out, err == nil
}

// whole is an answer in JSON, read to its end at the first Read.
type whole struct {
	from    io.Reader
	permits Permits
	out     io.Reader
}

func (w *whole) Read(p []byte) (int, error) {
	if w.out == nil {
		text, err := io.ReadAll(io.LimitReader(w.from, MaxAnswer+1))
		switch kept, ok := message(text, w.permits); {
		case err != nil:
			w.out = io.MultiReader(bytes.NewReader(text), failing{err})
		case len(text) > MaxAnswer:
			w.out = io.MultiReader(bytes.NewReader(text), w.from)
		case ok:
			w.out = bytes.NewReader(kept)
		default:
			w.out = bytes.NewReader(text)
		}
	}
	return w.out.Read(p)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// event filters one event of a stream, with the empty line at its end.
func event(text []byte, p Permits) []byte {
	if !mayList(text) {
		return text
	}
	var rest, data []string
	for _, line := range strings.Split(strings.TrimRight(lines.Replace(string(text)), "\n"), "\n") {
		if value, is := strings.CutPrefix(line, "data:"); is {
			data = append(data, strings.TrimPrefix(value, " "))
		} else {
			rest = append(rest, line+"\n")
		}
	}
	kept, ok := message([]byte(strings.Join(data, "\n")), p)
	if !ok {
		return text
	}
	return []byte(strings.Join(rest, "") + "data: " + string(kept) + "\n\n")
}

var lines = strings.NewReplacer("\r\n", "\n", "\r", "\n")
