package listing

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

var guard = &Guard{Permits: permits, Asks: func(method string) bool { return false }}

func permits(method, name string) bool {
	return method == "tools/call" && strings.HasPrefix(name, "s") || method == "resources/read" && name == "file:///a"
}

const (
	tools = `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"search","n":12345678901234567890},{"name":"drop"},{"noname":1}],"nextCursor":"c"}}`
	kept  = `{"id":1,"jsonrpc":"2.0","result":{"nextCursor":"c","tools":[{"n":12345678901234567890,"name":"search"}]}}`
)

// What comes of answers, however they arrive: what is no list stays byte for byte.
func TestFilter(t *testing.T) {
	gone := string(refused(nil, "something that may not be asked"))
	unasked := string(refused(json.RawMessage("5"), "elicitation/create"))
	for _, c := range []struct {
		name, kind, body string
		lists            bool
		want             string
	}{
		{"a list", "application/json", tools, true, kept},
		{"with a charset", "application/json; charset=utf-8", tools, true, kept},
		{"a batch", "application/json", "[" + tools + `,{"id":2,"result":{}}]`, true, "[" + kept + `,{"id":2,"result":{}}]`},
		{"resources", "application/json", `{"result":{"resources":[{"uri":"file:///a"},{"uri":"file:///b"}]}}`, true, `{"result":{"resources":[{"uri":"file:///a"}]}}`},
		{"prompts", "application/json", `{"result":{"prompts":[{"name":"s"}]}}`, true, `{"result":{"prompts":[]}}`},
		{"an answer to something else", "application/json", tools, false, tools},
		{"an error", "application/json", `{"error":{"data":{"tools":[]}}}`, true, `{"error":{"data":{"tools":[]}}}`},
		{"no list", "application/json", `{ "result": {"tools": {"name":"drop"}} }`, true, `{ "result": {"tools": {"name":"drop"}} }`},
		{"broken", "application/json", `{"result":{"tools":[`, true, string(unreadable)},
		{"broken, about nothing", "application/json", `{"result":{"text":`, true, `{"result":{"text":`},
		{"no JSON, but for some", "application/json", `{"result":{"n":NaN,"tools":[{"name":"drop"}]}}`, true, string(unreadable)},
		{"sampling that is no JSON, but for some", "text/event-stream", "data: {\"n\":NaN,\"id\":1,\"method\":\"sampling/createMessage\"}\n\ndata: [1,\"sampling/createMessage\",]\n\ndata: 1\n\n", false, "\n\ndata: 1\n\n"},
		{"written with escapes", "application/json", `{"result":{"t\u006fols":[{"name":"drop"}]}}`, true, `{"result":{"tools":[]}}`},
		{"in another case", "application/json", `{"result":{"Tools":[{"name":"drop"}]}}`, true, gone},
		{"twice", "application/json", `{"result":{"tools":[{"name":"search"}],"tools":[{"name":"drop"}]}}`, true, string(unreadable)},
		{"two names", "application/json", `{"result":{"tools":[{"name":"search","Name":"drop"}]}}`, true, `{"result":{"tools":[]}}`},
		{"a type that a client finds", "text/plain; x=application/json", tools, true, kept},
		{"sampling", "text/event-stream", "id: 7\ndata: {\"id\":1,\"method\":\"sampling/createMessage\"}\n\ndata: 1\n\n", false, "id: 7\n\ndata: 1\n\n"},
		{"sampling, escaped", "text/event-stream", "data: {\"id\":1,\"method\":\"sampl\\u0069ng\\/createMessage\"}\n\n", false, "\n"},
		{"sampling, in another case", "text/event-stream", "data: {\"id\":1,\"Method\":\"sampling/createMessage\"}\n\n", false, "\n"},
		{"sampling in two lines", "text/event-stream", "data: {\"id\":1,\"method\":\ndata: \"sampling/createMessage\"}\r\r", false, "\n"},
		{"sampling without an end", "text/event-stream", "data: {\"id\":1,\"method\":\"sampling/createMessage\"}", false, "\n"},
		{"elicitation in a batch", "text/event-stream", "data: [{\"id\":1,\"method\":\"elicitation/create\"},{\"id\":2,\"method\":\"ping\"}]\n\n", false, "data: [{\"id\":2,\"method\":\"ping\"}]\n\n"},
		{"a ping", "text/event-stream", "data: {\"id\":1,\"method\":\"ping\"}\n\n", false, "data: {\"id\":1,\"method\":\"ping\"}\n\n"},
		{"a text about it", "text/event-stream", "data: {\"id\":1,\"result\":{\"text\":\"sampling/createMessage\"}}\n\n", false, "data: {\"id\":1,\"result\":{\"text\":\"sampling/createMessage\"}}\n\n"},
		{"what is to be given first", "application/json", `{"id":5,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"ping"},"b":{"method":"elicitation/create","params":{}}}}}`, false, unasked},
		{"what may be given first", "application/json", `{"id":5,"result":{"inputRequests":{"a":{"method":"roots/list"}}}}`, false, `{"id":5,"result":{"inputRequests":{"a":{"method":"roots/list"}}}}`},
		{"another type", "text/html", tools, true, tools},
		{"a page at a sign", "application/json", "\ufeff" + tools, true, string(unreadable)},
		{"asked by an error", "application/json", `{"id":5,"error":{"code":-32042,"data":{"elicitations":[{"url":"https://a.example"}]}}}`, false, unasked},
		{"a line that some strip to data", "text/event-stream", "\u00ef\u00bb\u00bfdata: {\"method\":\"sampling/createMessage\"}\nid: 3\n\n", false, "id: 3\n\n"},
		{"a comment that some take for lines", "text/event-stream", ": x\u2028data: {\"method\":\"sampling/createMessage\"}\u2028\u2028\nid: 3\u0085data: {}\n\n", false, "\n"},
		{"text with another end of lines", "text/event-stream", "data: {\"id\":1,\"result\":{\"tools\":\"a\u2028data: \u0085b\"}}\n\n", false, `data: {"id":1,"result":{"tools":"a\u2028data: \u0085b"}}` + "\n\n"},
		{"nested beyond our reader", "application/json", `{"result":{"tools":[{"name":"drop","x":` + strings.Repeat("[", 11000) + strings.Repeat("]", 11000) + `}]}}`, true, string(unreadable)},
		{"an event", "text/event-stream", "id: 7\nevent: message\ndata: " + tools + "\n\n", false, "id: 7\nevent: message\ndata: " + kept + "\n\n"},
		{"with CRLF", "text/event-stream", ": hello\r\n\r\ndata: " + tools + "\r\n\r\ndata: 1\r\n\r\n", false, ": hello\r\n\r\ndata: " + kept + "\n\n\ndata: 1\r\n\r\n"},
		{"with CR", "text/event-stream", "data:" + tools + "\r\rdata: 1\r\r", false, "data: " + kept + "\n\ndata: 1\r\r"},
		{"in two lines", "text/event-stream", "data: " + tools[:10] + "\ndata: " + tools[10:] + "\n\n", false, "data: " + kept + "\n\n"},
		{"among others", "text/event-stream", "data: {\"method\":\"notifications/progress\"}\n\ndata: " + tools + "\n\n: beat\n\n", false, "data: {\"method\":\"notifications/progress\"}\n\ndata: " + kept + "\n\n: beat\n\n"},
		{"without an end", "text/event-stream", "data: " + tools, false, "data: " + kept + "\n\n"},
	} {
		for _, one := range []bool{false, true} {
			if one && len(c.body) > 1<<20 {
				continue
			}
			var from io.Reader = strings.NewReader(c.body)
			if one {
				from = iotest.OneByteReader(from)
			}
			res := &http.Response{StatusCode: 200, ContentLength: int64(len(c.body)), Body: io.NopCloser(from), Header: http.Header{"Content-Type": {c.kind}, "Content-Length": {"1"}}}
			if err := Filter(res, c.lists, guard); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			got, err := io.ReadAll(res.Body)
			if err != nil || string(got) != c.want {
				t.Errorf("%s, byte by byte %v: %v\n%.300q\nwant\n%.300q", c.name, one, err, got, c.want)
			}
		}
	}
}

// What broke off in the service's answer breaks off here, and what no client takes for a
// message is left alone.
func TestLeftAlone(t *testing.T) {
	res := &http.Response{StatusCode: 200, Body: io.NopCloser(io.MultiReader(strings.NewReader(tools[:20]), iotest.ErrReader(io.ErrUnexpectedEOF))), Header: http.Header{"Content-Type": {"application/json"}}}
	_ = Filter(res, true, guard)
	if got, err := io.ReadAll(res.Body); err != io.ErrUnexpectedEOF || string(got) != tools[:20] {
		t.Errorf("%q, %v", got, err)
	}
	res = &http.Response{StatusCode: 404, ContentLength: int64(len(tools)), Body: io.NopCloser(strings.NewReader(tools)), Header: http.Header{"Content-Type": {"text/html"}}}
	if err := Filter(res, true, guard); err != nil {
		t.Error(err)
	}
	if got, _ := io.ReadAll(res.Body); string(got) != tools || res.ContentLength != int64(len(tools)) {
		t.Errorf("%v: %q", res.Header, got)
	}
}

// The answer to a GET is a stream, whatever it says it is, and one in another charset than
// UTF-8 is none that can be seen into.
func TestStreamOfAnyType(t *testing.T) {
	stream := *guard
	stream.Stream = true
	for _, kind := range []string{"", "text/plain", "text/plain; charset=utf-8", "text/event-stream;charset=\"UTF-8\"", "application/octet-stream"} {
		res := &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("data: {\"method\":\"sampling/createMessage\"}\n\ndata: 1\n\n")), Header: http.Header{"Content-Type": {kind}}}
		if err := Filter(res, false, &stream); err != nil {
			t.Error(kind, err)
		}
		if got, _ := io.ReadAll(res.Body); string(got) != "\ndata: 1\n\n" {
			t.Errorf("%s: %q", kind, got)
		}
	}
	for _, kind := range []string{"text/event-stream; charset=utf-16", "application/json; charset=utf-32", "application/json; charset=utf-8; charset=utf-16le", "application/json; charset=utf-7"} {
		res := &http.Response{StatusCode: 200, Body: http.NoBody, Header: http.Header{"Content-Type": {kind}}}
		if err := Filter(res, false, guard); !errors.Is(err, errCharset) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// What nobody can see into does not pass.
func TestUnseen(t *testing.T) {
	long := `{"result":{"tools":[{"name":"` + strings.Repeat("x", MaxAnswer) + `"}]}}`
	for kind, body := range map[string]string{"application/json": long, "text/event-stream": "data: " + long + "\n\n"} {
		res := &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{"Content-Type": {kind}}}
		_ = Filter(res, true, guard)
		if got, err := io.ReadAll(res.Body); !errors.Is(err, errUnread) || len(got) > 0 {
			t.Errorf("%s: %v, %.100q", kind, err, got)
		}
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(tools))
	_ = z.Close()
	for coding, body := range map[string]string{"gzip": packed.String(), "br": "x", "gzip, br": "x"} {
		res := &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {coding}}}
		err := Filter(res, true, guard)
		if coding != "gzip" {
			if !errors.Is(err, ErrCompressed) {
				t.Errorf("%s: %v", coding, err)
			}
			continue
		}
		if got, _ := io.ReadAll(res.Body); string(got) != kept || len(res.Header["Content-Encoding"]) > 0 {
			t.Errorf("%s: %q", coding, got)
		}
	}
	res := &http.Response{StatusCode: 200, Body: http.NoBody, Header: http.Header{"Content-Type": {"application/json", "text/event-stream"}}}
	if Filter(res, true, guard) == nil {
		t.Error("an answer of two types passes")
	}
}

// Whoever asked hears of it, with the id as it was sent.
func TestRefused(t *testing.T) {
	var heard []string
	g := *guard
	g.Refused = func(id json.RawMessage, method string) { heard = append(heard, string(id)+" "+method) }
	g.event([]byte("data: {\"id\":\"a-1\",\"method\":\"sampling/createMessage\"}\n\n"))
	g.event([]byte("data: {\"method\":\"elicitation/create\"}\n\n"))
	if strings.Join(heard, ";") != `"a-1" sampling/createMessage` {
		t.Error(heard)
	}
}

// A tool's digest is of what it says, whatever way that is written.
func TestDigest(t *testing.T) {
	of := func(text string) string {
		var item map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &item); err != nil {
			t.Fatal(err)
		}
		return toolOf(item).Digest
	}
	was := of(`{"name":"a","description":"b","inputSchema":{"x":1,"y":2},"_meta":{"n":1}}`)
	for text, same := range map[string]bool{
		`{"inputSchema":{"y":2, "x":1.0},"description":"\u0062","name":"a","_meta":{"n":2},"icons":[]}`:  true,
		`{"name":"a","description":"b ","inputSchema":{"x":1,"y":2}}`:                                    false,
		`{"name":"a","description":"b","inputSchema":{"x":1,"y":3}}`:                                     false,
		`{"name":"a","description":"b","inputSchema":{"x":1,"y":2},"annotations":{"readOnlyHint":true}}`: false,
	} {
		if got := of(text); (got == was) != same {
			t.Errorf("%s: %s, was %s", text, got, was)
		}
	}
	if got := of(`{"name":"a","inputSchema":{"x":1,"x":2}}`); got != "" {
		t.Errorf("a definition that is read in two ways has the digest %s", got)
	}
}

// FuzzStream: whatever a stream is and however it is cut, nothing but lists changes, and
// it is still as many events of JSON.
func FuzzStream(f *testing.F) {
	f.Add("data: "+tools+"\n\n", 3)
	f.Add("\r\n\r\r\n\n", 1)
	f.Fuzz(func(t *testing.T, text string, cut int) {
		g := &Guard{Permits: func(_, _ string) bool { return true }, Asks: func(string) bool { return true }}
		cut = min(max(cut, 0), len(text))
		e := &events{from: io.MultiReader(strings.NewReader(text[:cut]), strings.NewReader(text[cut:])), guard: g}
		got, err := io.ReadAll(e)
		if err != nil {
			t.Fatal(err)
		}
		if !mayMatter([]byte(text)) && string(got) != text {
			t.Fatalf("%q became %q", text, got)
		}
		var v any
		if out, is := g.message([]byte(text), true); is == changed && json.Unmarshal(out, &v) != nil {
			t.Fatalf("%q became %q", text, out)
		}
	})
}
