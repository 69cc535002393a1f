package usage_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/usage"
)

func spec(t *testing.T, d usage.UsageDef) *usage.Spec {
	t.Helper()
	s, err := usage.New(&d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var openAI = usage.UsageDef{Input: []string{"usage.prompt_tokens|usage.input_tokens|response.usage.input_tokens"}, Output: []string{"usage.completion_tokens|usage.output_tokens|response.usage.output_tokens"},
	Model: "model|response.model", Limit: "max_tokens|max_completion_tokens|max_output_tokens"}

var anthropic = usage.UsageDef{
	Input:  []string{"usage.input_tokens|message.usage.input_tokens", "usage.cache_creation_input_tokens|message.usage.cache_creation_input_tokens", "usage.cache_read_input_tokens|message.usage.cache_read_input_tokens"},
	Output: []string{"usage.output_tokens|message.usage.output_tokens"}, Model: "model|message.model"}

var gemini = usage.UsageDef{Input: []string{"usageMetadata.promptTokenCount"}, Output: []string{"usageMetadata.candidatesTokenCount", "usageMetadata.thoughtsTokenCount"}, Model: "modelVersion"}

// TestAnswers: what answers say, in whatever pieces they come, of the shapes that the
// services document.
func TestAnswers(t *testing.T) {
	const events = "text/event-stream; charset=utf-8"
	chunk := func(text string) string {
		return `data: {"id":"c","object":"chat.completion.chunk","model":"gpt-4o","choices":[{"index":0,"delta":{"content":"` + text + `"}}]}` + "\n\n"
	}
	for name, c := range map[string]struct {
		def         usage.UsageDef
		kind, body  string
		cut, failed bool
		header      string
		in, out     int64
		model       string
		estimated   bool
	}{
		"openai chat":                          {def: openAI, body: `{"id":"c","model":"gpt-4o-2024","choices":[{"message":{"content":"hi {\"usage\":{\"prompt_tokens\":9}}"}}],"usage":{"prompt_tokens":12,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":4}}}`, in: 12, out: 7, model: "gpt-4o-2024"},
		"openai chat stream":                   {def: openAI, kind: events, body: chunk("a") + chunk("b") + `data: {"model":"gpt-4o","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}` + "\n\ndata: [DONE]\n\n", in: 5, out: 2, model: "gpt-4o"},
		"openai chat stream that says nothing": {def: openAI, kind: events, body: strings.Repeat(chunk("a"), 40) + "data: [DONE]\n\n", in: 100, out: 41, model: "gpt-4o", estimated: true},
		"openai stream of one long event":      {def: openAI, kind: events, body: chunk(strings.Repeat("x", 4512)), in: 100, out: 1028, model: "gpt-4o", estimated: true},
		"openai responses":                     {def: openAI, kind: events, body: "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"model\":\"gpt-5\",\"usage\":{\"input_tokens\":30,\"output_tokens\":9,\"total_tokens\":39}}}\n\n", in: 30, out: 9, model: "gpt-5"},
		"anthropic":                            {def: anthropic, body: `{"model":"claude","content":[{"type":"text","text":"x"}],"usage":{"input_tokens":10,"cache_creation_input_tokens":3,"cache_read_input_tokens":null,"output_tokens":4}}`, in: 13, out: 4, model: "claude"},
		"anthropic stream":                     {def: anthropic, kind: events, body: "event: message_start\r\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude\",\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\r\n\r\nevent: message_delta\r\ndata: {\"type\":\"message_delta\",\"usage\":{\"input_tokens\":25,\"output_tokens\":15}}\r\n\r\n", in: 25, out: 15, model: "claude"},
		"anthropic stream that is cut":         {def: anthropic, kind: events, cut: true, body: "data: {\"type\":\"message_start\",\"message\":{\"model\":\"claude\",\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n" + strings.Repeat("data: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"a\"}}\n\n", 50), in: 25, out: 63, model: "claude", estimated: true},
		"gemini":                               {def: gemini, body: `{"candidates":[{}],"usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":5,"thoughtsTokenCount":3,"totalTokenCount":16},"modelVersion":"gemini-2"}`, in: 8, out: 8, model: "gemini-2"},
		"gemini array":                         {def: gemini, body: "[{\"usageMetadata\":{\"promptTokenCount\":8,\"candidatesTokenCount\":2}}\n,\r\n{\"usageMetadata\":{\"promptTokenCount\":8,\"candidatesTokenCount\":6}}]", in: 8, out: 6},
		"headers":                              {def: usage.UsageDef{Headers: usage.HeadersDef{Input: "X-In", Output: "X-Out"}}, body: "{}", header: "17", in: 17, out: 17},
		"huge":                                 {def: openAI, body: `{"usage":{"prompt_tokens":1e300,"completion_tokens":99999999999999999999999}}`, in: usage.MaxTokens, out: usage.MaxTokens},
		"no numbers":                           {def: openAI, body: `{"usage":{"prompt_tokens":-5,"completion_tokens":NaN}}`, in: 100, out: 14, estimated: true},
		"text":                                 {def: openAI, body: `{"usage":{"prompt_tokens":"5","completion_tokens":{"x":5}}}`, in: 100, out: 15, estimated: true},
		"elsewhere":                            {def: openAI, body: `{"x":{"usage":{"prompt_tokens":5}},"y":[{"usage":{"prompt_tokens":6}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`, in: 1, out: 2},
		"twice":                                {def: openAI, body: `{"usage":{"prompt_tokens":50,"completion_tokens":20},"usage":{"prompt_tokens":1,"completion_tokens":2}}`, in: 50, out: 20},
		"an error":                             {def: openAI, failed: true, body: `{"error":{"message":"no"}}`},
		"nothing":                              {def: openAI, body: "", in: 100, estimated: true},
		"no JSON":                              {def: openAI, body: "<html>]]}}\"", in: 100, out: 3, estimated: true},
	} {
		for _, size := range []int{1, 7, 1 << 20} {
			h := http.Header{"Content-Type": {c.kind}}
			if c.header != "" {
				h.Set("X-In", c.header)
				h.Set("X-Out", c.header)
			}
			m := spec(t, c.def).Meter(200, h)
			for rest := c.body; rest != ""; {
				n := min(size, len(rest))
				_, _ = m.Write([]byte(rest[:n]))
				rest = rest[n:]
			}
			got := m.Tokens(400, c.failed, !c.cut)
			if want := (usage.Tokens{Model: c.model, In: c.in, Out: c.out, Estimated: c.estimated}); got != want {
				t.Errorf("%s, in pieces of %d: %+v, want %+v", name, size, got, want)
			}
		}
	}
}

func TestAsked(t *testing.T) {
	s := spec(t, openAI)
	for body, want := range map[string]usage.Tokens{
		`{"model":"gpt-4o","messages":[{"content":"\"max_tokens\":1"}],"max_tokens":300}`: {Model: "gpt-4o", In: 20, Out: 300},
		`{"max_completion_tokens":99999999999,"model":"x"}`:                               {Model: "x", In: 20, Out: 1 << 17},
		`{"max_tokens":-4}`:        {In: 20, Out: 4096},
		`{"max_tokens":300,"n":4}`: {In: 20, Out: 1200}, `{"max_tokens":300,"n":99999}`: {In: 20, Out: 300 * 128}, `{"n":0}`: {In: 20, Out: 4096}, `{"n":3}`: {In: 20, Out: 3 * 4096},
		``: {In: 20, Out: 4096},
	} {
		if got := s.Asked([]byte(body), 80); got != want {
			t.Errorf("%s: %+v, want %+v", body, got, want)
		}
	}
	if got := s.Asked(nil, -1); got.In == 0 {
		t.Errorf("a body of unknown length: %+v", got)
	}
}

func TestDefinitionsThatAreWrong(t *testing.T) {
	for _, d := range []usage.UsageDef{{Model: "x"}, {Input: []string{"a..b"}}, {Input: []string{"a", "a"}}, {Input: []string{"a[0].b"}}, {Input: []string{"a.b.c.d.e.f.g.h.i"}}, {Input: make([]string, 17)}} {
		if _, err := usage.New(&d); err == nil {
			t.Errorf("%+v is taken", d)
		}
	}
	if s, err := usage.New(&usage.UsageDef{}); s != nil || err != nil {
		t.Errorf("nothing: %v, %v", s, err)
	}
}

func FuzzMeter(f *testing.F) {
	f.Add([]byte(`{"usage":{"prompt_tokens":1}}`), true)
	f.Fuzz(func(t *testing.T, body []byte, events bool) {
		kind := "application/json"
		if events {
			kind = "text/event-stream"
		}
		s, _ := usage.New(&openAI)
		m := s.Meter(200, http.Header{"Content-Type": {kind}})
		_, _ = m.Write(body)
		if got := m.Tokens(0, false, false); got.In < 0 || got.Out < 0 || got.In > usage.MaxTokens || got.Out > usage.MaxTokens {
			t.Errorf("%+v", got)
		}
	})
}

func BenchmarkMeter(b *testing.B) {
	s, _ := usage.New(&openAI)
	body := []byte(strings.Repeat(`data: {"id":"c","object":"chat.completion.chunk","model":"gpt-4o","choices":[{"index":0,"delta":{"content":"word"}}]}`+"\n\n", 100))
	m := s.Meter(200, http.Header{"Content-Type": {"text/event-stream"}})
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		_, _ = m.Write(body)
	}
}
