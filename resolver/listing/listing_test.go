package listing

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

func permits(method, name string) bool {
	return method == "tools/call" && strings.HasPrefix(name, "s") || method == "resources/read" && name == "file:///a"
}

const (
	tools = `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"search","n":12345678901234567890},{"name":"drop"},{"noname":1}],"nextCursor":"c"}}`
	kept  = `{"id":1,"jsonrpc":"2.0","result":{"nextCursor":"c","tools":[{"n":12345678901234567890,"name":"search"}]}}`
)

// What comes of answers, however they arrive: what is no list stays byte for byte.
func TestFilter(t *testing.T) {
	long := `{"result":{"tools":[{"name":"` + strings.Repeat("x", MaxAnswer) + `"}]}}`
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
		{"broken", "application/json", `{"result":{"tools":[`, true, `{"result":{"tools":[`},
		{"long", "application/json", long, true, long},
		{"another type", "text/html", tools, true, tools},
		{"an event", "text/event-stream", "id: 7\nevent: message\ndata: " + tools + "\n\n", false, "id: 7\nevent: message\ndata: " + kept + "\n\n"},
		{"with CRLF", "text/event-stream", ": hello\r\n\r\ndata: " + tools + "\r\n\r\ndata: 1\r\n\r\n", false, ": hello\r\n\r\ndata: " + kept + "\n\n\ndata: 1\r\n\r\n"},
		{"with CR", "text/event-stream", "data:" + tools + "\r\rdata: 1\r\r", false, "data: " + kept + "\n\ndata: 1\r\r"},
		{"in two lines", "text/event-stream", "data: " + tools[:10] + "\ndata: " + tools[10:] + "\n\n", false, "data: " + kept + "\n\n"},
		{"among others", "text/event-stream", "data: {\"method\":\"notifications/progress\"}\n\ndata: " + tools + "\n\n: beat\n\n", false, "data: {\"method\":\"notifications/progress\"}\n\ndata: " + kept + "\n\n: beat\n\n"},
		{"without an end", "text/event-stream", "data: " + tools, false, "data: " + tools},
		{"too long", "text/event-stream", "data: " + long + "\n\ndata: " + tools + "\n\n", false, "data: " + long + "\n\ndata: " + kept + "\n\n"},
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
			Filter(res, c.lists, permits)
			got, err := io.ReadAll(res.Body)
			if err != nil || string(got) != c.want {
				t.Errorf("%s, byte by byte %v: %v\n%.300q\nwant\n%.300q", c.name, one, err, got, c.want)
			}
		}
	}
}

// What broke off in the service's answer breaks off here, and what is compressed or no
// answer to a request is left alone.
func TestLeftAlone(t *testing.T) {
	res := &http.Response{StatusCode: 200, Body: io.NopCloser(io.MultiReader(strings.NewReader(tools[:20]), iotest.ErrReader(io.ErrUnexpectedEOF))), Header: http.Header{"Content-Type": {"application/json"}}}
	Filter(res, true, permits)
	if got, err := io.ReadAll(res.Body); err != io.ErrUnexpectedEOF || string(got) != tools[:20] {
		t.Errorf("%q, %v", got, err)
	}
	for _, res := range []*http.Response{
		{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}},
		{StatusCode: 404, Header: http.Header{"Content-Type": {"application/json"}}},
	} {
		res.Body, res.ContentLength = io.NopCloser(strings.NewReader(tools)), int64(len(tools))
		Filter(res, true, permits)
		if got, _ := io.ReadAll(res.Body); string(got) != tools || res.ContentLength != int64(len(tools)) {
			t.Errorf("%v: %q", res.Header, got)
		}
	}
}

// FuzzStream: whatever a stream is and however it is cut, nothing but lists changes, and
// it is still as many events of JSON.
func FuzzStream(f *testing.F) {
	f.Add("data: "+tools+"\n\n", 3)
	f.Add("\r\n\r\r\n\n", 1)
	f.Fuzz(func(t *testing.T, text string, cut int) {
		all := func(_, _ string) bool { return true }
		cut = min(max(cut, 0), len(text))
		e := &events{from: io.MultiReader(strings.NewReader(text[:cut]), strings.NewReader(text[cut:])), permits: all}
		got, err := io.ReadAll(e)
		if err != nil {
			t.Fatal(err)
		}
		if !mayList([]byte(text)) && string(got) != text {
			t.Fatalf("%q became %q", text, got)
		}
		var v any
		if out, ok := message([]byte(text), all); ok && json.Unmarshal(out, &v) != nil {
			t.Fatalf("%q became %q", text, out)
		}
	})
}
