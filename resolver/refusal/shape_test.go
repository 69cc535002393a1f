package refusal_test

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/resolver/refusal"
)

// TestShapes: what a client shows of an error holds why it was refused, where to
// connect the account, and one next step.
func TestShapes(t *testing.T) {
	const sentence = "attache: account_not_connected: the account work is not connected. Ask the person to connect it. https://connect.example/c/1"
	const signed = "AWS4-HMAC-SHA256 Credential=attache/20261129/us-east-1/SERVICE/aws4_request, SignedHeaders=host, Signature=ab"
	member := func(path ...string) func(t *testing.T, body string) string {
		return func(t *testing.T, body string) string {
			var v any
			if err := json.Unmarshal([]byte(body), &v); err != nil {
				t.Error(err)
			}
			for _, name := range path {
				if list, ok := v.([]any); ok {
					v = list[0]
				}
				m, _ := v.(map[string]any)
				v = m[name]
			}
			s, _ := v.(string)
			return s
		}
	}
	text := func(path string) func(t *testing.T, body string) string {
		return func(t *testing.T, body string) string {
			dec, at := xml.NewDecoder(strings.NewReader(body)), []string{}
			for {
				tok, err := dec.Token()
				if err == io.EOF {
					return ""
				} else if err != nil {
					t.Fatal(err)
				}
				switch tok := tok.(type) {
				case xml.StartElement:
					at = append(at, tok.Name.Local)
				case xml.EndElement:
					at = at[:len(at)-1]
				case xml.CharData:
					if strings.Join(at, "/") == path {
						return string(tok)
					}
				}
			}
		}
	}
	for _, c := range []struct {
		name, method, url string
		header            []string // name, value, …
		status            int
		contentType       string
		shown             func(t *testing.T, body string) string
	}{
		{"a problem", "GET", "/user", nil, 403, "application/problem+json", member("message")},
		{"OpenAI and Anthropic", "POST", "/v1/messages", []string{"Content-Type", "application/json"}, 403, "application/problem+json", member("error", "message")},
		{"GraphQL", "POST", "/graphql", nil, 403, "application/problem+json", member("errors", "message")},
		{"git, first request", "GET", "/a/b.git/info/refs?service=git-receive-pack", nil, 403, "text/plain; charset=utf-8", func(_ *testing.T, body string) string { return strings.TrimSuffix(body, "\n") }},
		{"git, fetch", "POST", "/a/b.git/git-upload-pack", []string{"Content-Type", "application/x-git-upload-pack-request"}, 200, "application/x-git-upload-pack-result", func(_ *testing.T, body string) string { return strings.TrimSuffix(body[len("0000ERR "):], "\n") }},
		{"S3", "GET", "/bucket", []string{"Authorization", strings.Replace(signed, "SERVICE", "s3", 1)}, 403, "application/xml", text("Error/Message")},
		{"STS", "POST", "/", []string{"Authorization", strings.Replace(signed, "SERVICE", "sts", 1), "Content-Type", "application/x-www-form-urlencoded"}, 403, "application/xml", text("ErrorResponse/Error/Message")},
		{"EC2", "POST", "/", []string{"Authorization", strings.Replace(signed, "SERVICE", "ec2", 1)}, 403, "application/xml", text("Response/Errors/Error/Message")},
		{"DynamoDB", "POST", "/", []string{"Authorization", strings.Replace(signed, "SERVICE", "dynamodb", 1), "X-Amz-Target", "DynamoDB.ListTables"}, 403, "application/json", member("message")},
		{"Lambda", "GET", "/2015-03-31/functions", []string{"Authorization", strings.Replace(signed, "SERVICE", "lambda", 1)}, 403, "application/json", member("Message")},
		{"MCP", "POST", "/mcp", []string{"Mcp-Protocol-Version", "2025-11-25"}, 403, "application/json", member("error", "message")},
		{"MCP, first request", "POST", "/mcp", []string{"Accept", "application/json, text/event-stream", "Content-Type", "application/json"}, 403, "application/json", member("error", "message")},
		{"a container registry", "GET", "/v2/a/manifests/latest", []string{"User-Agent", "go-containerregistry/v0.20"}, 403, "application/json", member("errors", "message")},
		{"npm", "PUT", "/package", []string{"User-Agent", "npm/11.0.0 node/v24"}, 403, "application/json", member("error")},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, c.url, nil)
			for i := 0; i < len(c.header); i += 2 {
				r.Header.Set(c.header[i], c.header[i+1])
			}
			w := httptest.NewRecorder()
			notConnected().Answer(w, r)
			if got := c.shown(t, w.Body.String()); got != sentence {
				t.Errorf("shows %q, want %q; %s", got, sentence, w.Body)
			}
			if w.Code != c.status || w.Header().Get("Content-Type") != c.contentType || w.Header().Get("Attache-Error") != "account_not_connected" {
				t.Errorf("%d %v, want %d %s", w.Code, w.Header(), c.status, c.contentType)
			}
			if w.Header().Get("X-Should-Retry") != "false" || w.Header().Get("Retry-After") != "" {
				t.Errorf("invites to retry: %v", w.Header())
			}
		})
	}
}

func notConnected() *refusal.Refusal {
	return &refusal.Refusal{Code: "account_not_connected", Detail: "the account work is not connected", Next: "Ask the person to connect it.", ConnectURL: "https://connect.example/c/1"}
}

// TestGRPC: a status without a body; one that may pass is UNAVAILABLE, which clients
// repeat, any other is not.
func TestGRPC(t *testing.T) {
	for _, c := range []struct{ code, status string }{{"account_not_connected", "7"}, {"unknown_agent", "16"}, {"upstream_unreachable", "14"}, {"answer_unsafe", "13"}} {
		r := httptest.NewRequest(http.MethodPost, "/service/Method", nil)
		r.ProtoMajor = 2
		r.Header.Set("Content-Type", "application/grpc+proto")
		w := httptest.NewRecorder()
		(&refusal.Refusal{Code: c.code, Detail: "50 % of ü", Next: "Stop."}).Answer(w, r)
		message, err := url.PathUnescape(w.Header().Get("Grpc-Message"))
		if w.Code != 200 || w.Header().Get("Grpc-Status") != c.status || w.Body.Len() > 0 || err != nil || message != "attache: "+c.code+": 50 % of ü. Stop." {
			t.Errorf("%s: %d %v %s, want grpc-status %s", c.code, w.Code, w.Header(), w.Body, c.status)
		}
		if retry := w.Header().Get("X-Should-Retry"); (retry == "false") == (c.status == "14") {
			t.Errorf("%s: X-Should-Retry = %q", c.code, retry)
		}
	}
}

// TestOneLine: nothing of a detail breaks out of its line or its format.
func TestOneLine(t *testing.T) {
	ref := &refusal.Refusal{Code: "not_permitted", Detail: "a\r\nb<c>\x1b[31m&\"", Next: "Stop."}
	for _, header := range [][2]string{{"Accept", "*/*"}, {"X-Amz-Date", "20261129T000000Z"}, {"User-Agent", "npm/11"}} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set(header[0], header[1])
		w := httptest.NewRecorder()
		ref.Answer(w, r)
		if !json.Valid(w.Body.Bytes()) || strings.ContainsAny(w.Body.String(), "\x1b\r") {
			t.Errorf("%v: %q", header, w.Body)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/a/info/refs?service=git-upload-pack", nil)
	w := httptest.NewRecorder()
	ref.Answer(w, r)
	if strings.Count(w.Body.String(), "\n") != 1 || strings.ContainsAny(w.Body.String(), "\x1b\r") {
		t.Errorf("%q", w.Body)
	}
}

// TestTimely: a gRPC call that its service ended after the deadline has timed out.
func TestTimely(t *testing.T) {
	for _, c := range []struct {
		contentType, timeout, code, want string
	}{
		{"application/grpc", "300m", "upstream_unreachable", "upstream_timeout"}, {"application/grpc+proto", "1000000u", "upstream_unreachable", "upstream_timeout"},
		{"application/grpc", "2S", "upstream_unreachable", "upstream_unreachable"}, {"application/grpc", "99999999H", "upstream_unreachable", "upstream_unreachable"},
		{"application/grpc", "", "upstream_unreachable", "upstream_unreachable"}, {"application/grpc", "m", "upstream_unreachable", "upstream_unreachable"}, {"application/grpc", "1x", "upstream_unreachable", "upstream_unreachable"},
		{"application/json", "1m", "upstream_unreachable", "upstream_unreachable"}, {"application/grpc", "1m", "not_permitted", "not_permitted"},
	} {
		r, _ := http.NewRequest("POST", "https://grpc.test/a.B/C", nil)
		r.ProtoMajor = 2
		r.Header.Set("Content-Type", c.contentType)
		r.Header.Set("Grpc-Timeout", c.timeout)
		if got := (&refusal.Refusal{Code: c.code}).Timely(r, time.Second).Code; got != c.want {
			t.Errorf("%v = %s, want %s", c, got, c.want)
		}
	}
}
