package operation

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/resolver/rule"
)

const connectorYAML = `key: a
hosts: [a.example, "b.example", dynamodb.eu-west-1.amazonaws.com, ec2.eu-west-1.amazonaws.com, s3.eu-west-1.amazonaws.com]
base_url: https://a.example/v1
auth: {t: {type: credentials, fields: {k: {title: K, secret: true}}, sign: {header: {X-K: "{fields.k}"}}}}
speaks: {graphql: [/graphql, "/admin/*/graphql.json"], mcp: [a.example/mcp], jsonrpc: [/rpc]}
`

const actionsYAML = `access: {query: {Action: ["Describe*", "Get*", "!GetSessionToken"]}, header: {X-Amz-Target: ["*.Get*", "*.List*"]}}
`

func connector(t testing.TB, more string) *providers.Connector {
	d, err := providers.Parse("a.yaml", []byte(connectorYAML+more))
	if err != nil {
		t.Fatal(err)
	}
	c, err := providers.Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type table map[string]operations.Operation

func (t table) Find(method, path string) (operations.Operation, bool) {
	op, ok := t[method+" "+path]
	return op, ok
}

var things = table{
	"GET /v1/things/1":    {Name: "things/get", Effect: operations.Read, Resource: "1"},
	"GET /v1/things":      {Name: "things/list", Effect: operations.Read},
	"DELETE /v1/things/1": {Name: "things/delete", Effect: operations.Delete, Resource: "1"},
	"POST /v1/search":     {Name: "things/search", Effect: operations.Read},
	"POST /v1/x":          {Name: "things/odd"},
	"DELETE /v1/x":        {Name: "things/odd"},
	"GET /v1/either":      {},
}

// head reads "METHOD host/path?query" with headers in further lines and the body behind
// an empty one.
func head(t testing.TB, c *providers.Connector, text string) (*Head, []byte) {
	top, body, hasBody := strings.Cut(text, "\n\n")
	line, headers, _ := strings.Cut(top, "\n")
	method, target, _ := strings.Cut(line, " ")
	host, target, ok := strings.Cut(target, "/")
	if !ok {
		t.Fatalf("%q has no path", line)
	}
	path, query, _ := strings.Cut("/"+target, "?")
	h := &Head{Connector: c, Host: host}
	if host == "" {
		h.Host, h.OnBase, h.Table = "a.example", true, things
	}
	h.Path, h.Query, h.Body, h.Header = path, query, hasBody, http.Header{}
	for l := range strings.Lines(headers) {
		name, value, _ := strings.Cut(strings.TrimSpace(l), ": ")
		h.Header[name] = append(h.Header[name], value)
	}
	h.Methods, h.Upgrade = c.Methods(method, query, h.Header), len(h.Header["Upgrade"]) > 0
	return h, []byte(body)
}

func read(h *Head, body []byte) rule.Request {
	r, more := Of(h)
	if more {
		return With(h, body)
	}
	return r
}

// told is what a request does: NAME=effect with ? behind what is unsure, and @resource.
func told(r rule.Request) string {
	if len(r.Does) == 0 {
		return "unknown"
	}
	var out []string
	for _, d := range r.Does {
		s := d.Name + "=" + d.Effect.String()
		if d.Unsure {
			s += "?"
		}
		if d.Resource != "" {
			s += "@" + d.Resource
		}
		out = append(out, s)
	}
	return strings.Join(out, " + ")
}

const (
	jsonType = "\nContent-Type: application/json\n\n"
	formType = "\nContent-Type: application/x-www-form-urlencoded\n\n"
)

func TestByPath(t *testing.T) {
	c := connector(t, "")
	for text, want := range map[string]string{
		"GET /v1/things/1": "things/get=read@1", "HEAD /v1/things/1": "things/get=read@1", "DELETE /v1/things/1": "things/delete=delete@1", "POST /v1/search\n\n{}": "things/search=read", "POST /v1/x": "things/odd=unknown", "DELETE /v1/x": "things/odd=delete",
		"GET /v1/other": "=read?", "POST /v1/other": "=write?", "DELETE /v1/other": "=delete?", "DELETE /things/1": "=delete?", "DELETE b.example/v1/things/1": "=delete?", "OPTIONS /v1/things": "=read?",
		// What makes it another request.
		"delete /v1/things/1": "unknown", "get /v1/things": "unknown", "GET /v1/things\nX-Http-Method-Override: DELETE": "things/list=read + =delete?", "GET /v1/things/1?_method=delete": "things/get=read@1 + things/delete=delete@1", "POST /v1/search\nX-Http-Method-Override: DELETE": "things/search=read + =delete?",
		"GET /v1/things\nSudo: admin": "things/list=write", "POST /v1/search\nSudo: admin": "things/search=write", "GET /v1/../things": "unknown", "GET /v1/%2e%2e/things": "unknown", "GET /v1/%2574hings": "unknown",
		"GET /v1/either":                     "=unknown?",
		"GET /v1/things\nUpgrade: websocket": "upgrade=unknown",
		// gRPC and Connect.
		"POST b.example/google.pubsub.v1.Publisher/Publish\nContent-Type: application/grpc+proto\n\nx": "grpc google.pubsub.v1.Publisher/Publish=write?", "POST b.example/a.B/C\nContent-Type: application/proto\n\nx": "grpc a.B/C=write?",
		"POST b.example/a.B/C\nContent-Type: text/plain\n\nx": "=write?", "POST b.example/things/C\nContent-Type: application/grpc\n\nx": "=write?", "DELETE /v1/things/1\nContent-Type: application/grpc": "things/delete=delete@1",
	} {
		h, body := head(t, c, text)
		if got := told(read(h, body)); got != want {
			t.Errorf("%q = %s, want %s", text, got, want)
		}
	}
	readable := connector(t, "access: {read: ['GET /live/**']}\n")
	h, _ := head(t, readable, "GET /live/x\nUpgrade: websocket")
	if got := told(read(h, nil)); got != "upgrade=read" {
		t.Errorf("an upgrade that the connector lists = %s", got)
	}
}

func TestGraphQL(t *testing.T) {
	c := connector(t, "")
	q := func(document string) string {
		return "POST /graphql" + jsonType + fmt.Sprintf(`{"query":%q}`, document)
	}
	for text, want := range map[string]string{
		q("{ viewer { login } }"): "query viewer=read", q("query A { a b }"): "query a=read + query b=read", q("mutation { createIssue(input: {}) { id } }"): "mutation createIssue=write", q("subscription { news { id } }"): "subscription news=read", q("mutation { deleteIssue(id: 1) }"): "mutation deleteIssue=delete",
		q("{ __schema { types { name } } }"): "query __schema=read", q("query($a: Int = 1 @x) @y { a(b: \"}\") # mutation\n }"): "query a=read",
		"POST /admin/2024-01/graphql.json" + jsonType + `{"query":"{shop}","variables":{},"operationName":null,"extensions":{}}`: "query shop=read",
		"POST /graphql\nContent-Type: application/graphql\n\n{ a }":                                                              "query a=read",
		"POST /graphql\nContent-Type: application/json; charset=utf-8\n\n" + `{"query":"{a}"}`:                                   "query a=read",
		// Names that hide.
		q("mutation { viewer: deleteRepo(id: 1) { id } }"): "mutation deleteRepo=delete", q("mutation { ...F } fragment F on M { a ...G } fragment G on M { purgeAll }"): "mutation a=write + mutation purgeAll=delete", q("mutation { ... on M { x } ... @include(if: true) { y } }"): "mutation x=write + mutation y=write",
		q("{ ...F }"): "unknown", q("{ ...F } fragment F on Q { ...F a }"): "query a=read", q("{ ...F } fragment F on Q { a } fragment F on Q { b }"): "unknown",
		q("{ a } # \r mutation { b }"): "unknown", q("{ a \"\"\"x\"\"\" }"): "unknown", q(`{ a(b: """ \""" } mutation { c } """) }`): "query a=read",
		// Which operation.
		"POST /graphql" + jsonType + `{"query":"query A {a} mutation B {b}","operationName":"A"}`: "query a=read", "POST /graphql" + jsonType + `{"query":"query A {a} mutation B {b}","operationName":"B"}`: "mutation b=write", q("query A {a} mutation B {b}"): "unknown", q("{a} mutation {b}"): "unknown", q("query A {a} mutation A {b}"): "unknown",
		"POST /graphql" + jsonType + `{"query":"query A {a}","operationName":"B"}`: "unknown", "POST /graphql" + jsonType + `{"query":"{a}","operationName":["A"]}`: "unknown", q("type A { a: Int }"): "unknown", q("fragment F on A { a }"): "unknown", q(""): "unknown",
		// Batches.
		"POST /graphql" + jsonType + `[{"query":"{a}"},{"query":"mutation {b}"}]`: "query a=read + mutation b=write", "POST /graphql" + jsonType + `[]`: "unknown", "POST /graphql" + jsonType + `[{"query":"{a}"},1]`: "unknown",
		// In the URL.
		"GET /graphql?query={a}": "query a=read", "GET /graphql?query=mutation{a}": "mutation a=write", "HEAD /graphql?query=mutation{a}": "mutation a=write", "GET /graphql?query={a}&query=mutation{b}": "unknown", "GET /graphql?query={a}&QUERY=mutation{b}": "unknown", "GET /graphql?query={a}&query[]=x": "unknown", "GET /graphql?query={a};query=mutation{b}": "unknown",
		"GET /graphql?id=1": "unknown", "GET /graphql": "unknown", "GET /graphql?query={a}" + jsonType + `{"query":"mutation{b}"}`: "unknown", "GET /graphql?query=query+A{a}mutation+B{b}&operationName=B": "mutation b=write", "GET /graphql?query={a}&doc_id=7": "unknown", "GET /graphql?query={a}&x=1": "query a=read",
		"POST /graphql?query=mutation{b}" + jsonType + `{"query":"{a}"}`: "unknown", "POST /graphql?operationName=B" + jsonType + `{"query":"{a}"}`: "unknown", "POST /graphql?%71uery=1" + jsonType + `{"query":"{a}"}`: "unknown", "POST /graphql?v=1" + jsonType + `{"query":"{a}"}`: "query a=read",
		// Persisted documents.
		"POST /graphql" + jsonType + `{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"x"}}}`: "unknown", "POST /graphql" + jsonType + `{"query":"{a}","extensions":{"persistedQuery":{"version":1,"sha256Hash":"x"}}}`: "unknown", "POST /graphql" + jsonType + `{"query":"{a}","doc_id":"7"}`: "unknown", "POST /graphql" + jsonType + `{"id":"7"}`: "unknown",
		"POST /graphql" + jsonType + `{"query":"{a}","extensions":{"persistedQuery":{"version":1,"sha256Hash":"0cfd1f5a27ab05e4db2be5a9ef9ec5cd1dfc3a4f3fd9f9d2bd2b1b9fd9ab2d0f"}}}`: "unknown",
		// JSON that readers see differently.
		"POST /graphql" + jsonType + `{"query":"{a}","query":"mutation{b}"}`: "unknown", "POST /graphql" + jsonType + `{"query":"{a}","Query":"mutation{b}"}`: "unknown", "POST /graphql" + jsonType + `{"query":"{a}","\u0071uery":"mutation{b}"}`: "unknown", "POST /graphql" + jsonType + `{"\u0071uery":"{a}"}`: "query a=read", "POST /graphql" + jsonType + `{"query":"{a}"}{"query":"mutation{b}"}`: "unknown", "POST /graphql" + jsonType + `{"query":"{a}"} x`: "unknown",
		"POST /graphql" + jsonType + "\ufeff" + `{"query":"{a}"}`: "unknown", "POST /graphql" + jsonType + `{'query':'{a}'}`: "unknown", "POST /graphql" + jsonType + `{"query":"{a}",}`: "unknown", "POST /graphql" + jsonType + `{"query":"{a}\xff"}`: "unknown", "POST /graphql" + jsonType + "{\"query\":\"{a}\xff\"}": "unknown", "POST /graphql" + jsonType + `{"query":null}`: "unknown", "POST /graphql" + jsonType + ``: "unknown",
		// Types.
		"POST /graphql\n\n" + `{"query":"{a}"}`: "unknown", "POST /graphql\nContent-Type: text/plain\n\n" + `{"query":"{a}"}`: "unknown", "POST /graphql" + formType + "query={a}": "unknown", "POST /graphql\nContent-Type: multipart/form-data; boundary=b\n\n--b--": "unknown", "POST /graphql\nContent-Type: application/json; charset=utf-16\n\n" + `{"query":"{a}"}`: "unknown",
		"POST /graphql\nContent-Type: application/json\nContent-Type: application/graphql\n\n" + `{"query":"{a}"}`: "unknown", "POST /graphql\nContent-Type: application/json\nContent_Type: application/graphql\n\n" + `{"query":"{a}"}`: "unknown", "POST /graphql\nContent-Type: application/json, application/graphql\n\n" + `{"query":"{a}"}`: "unknown",
		"POST /graphql\nContent-Type: application/json\nContent-Encoding: br\n\n" + `{"query":"{a}"}`: "unknown", "POST /graphql\nContent-Type: application/json\nContent-Encoding: gzip\n\n" + `{"query":"{a}"}`: "unknown",
		// Other requests there.
		"PUT /graphql" + jsonType + `{"query":"{a}"}`: "unknown", "POST /graphql\nX-Http-Method-Override: GET" + jsonType + `{"query":"{a}"}`: "unknown", "OPTIONS /graphql": "options=read", "POST /graphql\nSudo: x" + jsonType + `{"query":"{a}"}`: "query a=write", "GET /graphql\nUpgrade: websocket": "upgrade=unknown", "POST /graphql/" + jsonType + `{"query":"{a}"}`: "=write?",
		// Paths that services may take for it.
		"GET /graphql/?query=mutation{a}": "unknown", "GET /graphql%2f?query=mutation{a}": "unknown", "GET //graphql?query=mutation{a}": "unknown", "GET /x/../graphql?query=mutation{a}": "unknown", "GET /graphql;x?query=mutation{a}": "unknown", "GET /graphql%20?query=mutation{a}": "unknown", "GET /graphql%00?query=mutation{a}": "unknown", "GET /GraphQL?query=mutation{a}": "unknown", "HEAD /./graphql?query=mutation{a}": "unknown", "OPTIONS /graphql?query=mutation{a}": "unknown",
		q(strings.Repeat("a", MaxBody)): "unknown", q("{a" + strings.Repeat(" b", maxRoot) + "}"): "query a=read + query b=read",
	} {
		h, body := head(t, c, text)
		if got := told(read(h, body)); got != want {
			t.Errorf("%.300q = %.200s, want %s", text, got, want)
		}
	}
	// The very document that a persisted one is.
	hash := "0e0ce36c0a3e1b1b5dd0e0c0d9a4f1ad"
	h, _ := head(t, c, "POST /graphql"+jsonType)
	for _, sum := range []string{hash, "b5e4e5b6bdcb4d9a"} {
		if r := With(h, fmt.Appendf(nil, `{"query":"{a}","extensions":{"persistedQuery":{"version":1,"sha256Hash":%q}}}`, sum)); len(r.Does) > 0 {
			t.Errorf("hash %s passes", sum)
		}
	}
	if !sameDocument([]byte(`{"persistedQuery":{"version":1,"sha256Hash":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}}`), "abc") {
		t.Error("the hash of a document is not its own")
	}
}

func TestJSONRPC(t *testing.T) {
	c := connector(t, "")
	for text, want := range map[string]string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"name":"drop"}}}`: "tools/call search=write",
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_file"}}`:                        "tools/call delete_file=delete",
		`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`:                                                        "tools/list=read",
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`:                                                "notifications/initialized=read",
		`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a"}}`:                       "resources/read=read@file:///a",
		`{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"p"}}`:                                 "prompts/get p=read",
		`{"jsonrpc":"2.0","id":1,"method":"new/thing"}`:                                                         "new/thing=write",
		`{"jsonrpc":"2.0","id":1,"result":{}}`:                                                                  "response=write",
		`[{"id":1,"method":"tools/list"},{"id":2,"method":"tools/call","params":{"name":"x"}}]`:                 "tools/list=read + tools/call x=write",
		// What is seen differently.
		`{"method":"tools/call","params":{"name":"search","name":"drop"}}`: "unknown", `{"method":"tools/call","params":{"name":"search","Name":"drop"}}`: "unknown", `{"method":"tools/list","method":"tools/call","params":{"name":"x"}}`: "unknown", `{"method":"tools/list","METHOD":"tools/call"}`: "unknown", `{"method":"tools/call","params":{"name":"a","arguments":{"x":1,"x":2}}}`: "unknown",
		`{"method":"tools/call","params":["search"]}`: "unknown", `{"method":"tools/call"}`: "unknown", `{"method":"tools/call","params":{"name":1}}`: "unknown", `{"method":"tools/call","params":{"name":"a\nb"}}`: "unknown", `{"method":"tools/call","params":{"name":" a"}}`: "unknown", `{"method":["tools/list"]}`: "unknown", `{"id":1}`: "unknown", `{"id":1,"result":1,"error":2}`: "unknown", `{"method":"tools/list","result":1}`: "unknown",
		`[]`: "unknown", `[[{"method":"tools/list"}]]`: "unknown", `"tools/list"`: "unknown", ``: "unknown", `{"method":"tools/list"} {"method":"tools/call"}`: "unknown", `{"method":"tools/list"`: "unknown", `{"method":"TOOLS/LIST"}`: "unknown", `{"method":"Tools/Call","params":{"name":"x"}}`: "unknown", `{"method":"tools/call x"}`: "unknown", `{"method":"tools\/list"}`: "tools/list=read", `{"method":"ping","params":{"x":"` + strings.Repeat("x", MaxBody) + `"}}`: "unknown",
	} {
		h, body := head(t, c, "POST /mcp"+jsonType+text)
		if got := told(read(h, body)); got != want {
			t.Errorf("%.200q = %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"POST /rpc" + jsonType + `{"method":"eth_call"}`: "eth_call=write", "POST /rpc" + jsonType + `{"method":"tools/list"}`: "tools/list=write", "GET /rpc": "unknown", "GET /mcp": "session/stream=read", "DELETE /mcp": "session/end=read", "PUT /mcp" + jsonType + "{}": "unknown", "POST b.example/mcp" + jsonType + `{"method":"tools/list"}`: "=write?",
		"POST /mcp\nContent-Type: text/plain\n\n" + `{"method":"tools/list"}`: "unknown", "GET /mcp\nX-Http-Method-Override: POST": "unknown", "DELETE /mcp" + jsonType + "{}": "unknown",
	} {
		h, body := head(t, c, text)
		if got := told(read(h, body)); got != want {
			t.Errorf("%q = %s, want %s", text, got, want)
		}
	}
}

func TestActions(t *testing.T) {
	c := connector(t, actionsYAML)
	const aws = "\nContent-Type: application/x-amz-json-1.0\nX-Amz-Target: DynamoDB_20120810."
	const dynamo, ec2, s3 = "POST dynamodb.eu-west-1.amazonaws.com/", "POST ec2.eu-west-1.amazonaws.com/", "POST s3.eu-west-1.amazonaws.com/"
	for text, want := range map[string]string{
		dynamo + aws + "GetItem\n\n{}": "dynamodb:GetItem=read", dynamo + aws + "PutItem\n\n{}": "dynamodb:PutItem=write", dynamo + aws + "DeleteTable\n\n{}": "dynamodb:DeleteTable=delete",
		ec2 + formType + "Action=DescribeInstances&Version=1": "ec2:DescribeInstances=read", ec2 + formType + "Action=TerminateInstances": "ec2:TerminateInstances=delete", ec2 + formType + "Action=GetSessionToken": "ec2:GetSessionToken=write", "GET ec2.eu-west-1.amazonaws.com/?Action=DescribeInstances": "ec2:DescribeInstances=read?", "GET ec2.eu-west-1.amazonaws.com/?Action=TerminateInstances": "ec2:TerminateInstances=delete?",
		// Two actions, or one for whom it is none.
		ec2 + formType + "Action=DescribeX&Action=TerminateX": "unknown", ec2 + formType + "Action=DescribeX&action=TerminateX": "unknown", ec2 + "?Action=TerminateX" + formType + "Action=DescribeX": "unknown", dynamo + "?Action=TerminateX" + aws + "GetItem\n\n{}": "unknown", ec2 + aws + "GetItem\n\n" + `{"a":"&Action=TerminateInstances&"}`: "unknown", ec2 + aws + "GetItem\n\n" + `{"a":"&%41ction=TerminateInstances&"}`: "unknown",
		dynamo + aws + "GetItem\nX-Amz-Target: X.PutItem\n\n{}": "unknown", s3 + "b?delete" + aws + "GetItem\n\n<x/>": "=write?", s3 + "?delete" + aws + "GetItem\n\n{}": "=write?", dynamo + "?x" + aws + "GetItem\n\n{}": "dynamodb:GetItem=write", dynamo + aws + "GetItem\n\n<x/>": "dynamodb:GetItem=write", dynamo + "x" + aws + "GetItem\n\n{}": "dynamodb:GetItem=write?",
		"DELETE dynamodb.eu-west-1.amazonaws.com/x" + aws + "GetItem": "dynamodb:GetItem=delete?", "PUT s3.eu-west-1.amazonaws.com/b/k\n\nx": "=write?", ec2 + "\nContent-Encoding: br" + formType + "Action=DescribeX": "unknown",
	} {
		h, body := head(t, c, text)
		if got := told(read(h, body)); got != want {
			t.Errorf("%q = %s, want %s", text, got, want)
		}
	}
}

// A compressed body is read as it was before, within a bound, and only where it is one
// member with nothing behind it.
func TestCompressed(t *testing.T) {
	c := connector(t, "")
	zip := func(s string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(s))
		_ = z.Close()
		return b.String()
	}
	const list = `{"method":"tools/list"}`
	for body, want := range map[string]string{
		zip(list): "tools/list=read", zip(list) + zip(" "): "unknown", zip(list) + "x": "unknown", zip(list)[:20]: "unknown", list: "unknown",
		zip(list + strings.Repeat(" ", MaxBody)): "unknown",
	} {
		h, b := head(t, c, "POST /mcp\nContent-Encoding: gzip"+jsonType+body)
		if got := told(read(h, b)); got != want {
			t.Errorf("%d bytes = %s, want %s", len(body), got, want)
		}
	}
}

func benchmark(b *testing.B, text string) {
	h, body := head(b, connector(b, ""), text)
	b.ReportAllocs()
	for b.Loop() {
		if r := read(h, body); len(r.Does) == 0 {
			b.Fatal(r.Why)
		}
	}
}

// What a document does is the same when it is remembered, belongs to who asks, and what
// is remembered is bounded.
func TestRemembered(t *testing.T) {
	c := connector(t, "")
	does := func(document, name string) string {
		h, body := head(t, c, "POST /graphql"+jsonType+fmt.Sprintf(`{"query":%q,"operationName":%q}`, document, name))
		r := read(h, body)
		for i := range r.Does {
			defer func() { r.Does[i].Name, r.Does[i].Effect = "changed", operations.Read }()
		}
		return told(r)
	}
	for range 3 {
		for _, c := range []struct{ document, name, want string }{
			{"query A {a} mutation B {deleteB}", "A", "query a=read"}, {"query A {a} mutation B {deleteB}", "B", "mutation deleteB=delete"}, {"query A {a} mutation B {deleteB}", "C", "unknown"}, {"query A {a} mutation B {deleteB} ", "B", "mutation deleteB=delete"}, {"{", "A", "unknown"},
		} {
			if got := does(c.document, c.name); got != c.want {
				t.Errorf("%s, %s = %s, want %s", c.document, c.name, got, c.want)
			}
		}
	}
	for i := range 500 {
		if got := does(fmt.Sprintf("{a} #%d", i)+strings.Repeat(" ", 8<<10), ""); got != "query a=read" {
			t.Fatal(got)
		}
	}
	size := 0
	for _, g := range []map[chosenText]reading{documents.young, documents.old} {
		for key := range g {
			size += len(key.document)
		}
	}
	if size > 2*maxGeneration || size == 0 {
		t.Errorf("%d bytes are remembered", size)
	}
}

// BenchmarkGraphQL reads a document that is new, and one that was there before.
func BenchmarkGraphQL(b *testing.B) {
	var d strings.Builder
	for i := 0; d.Len() < 2<<10; i++ {
		fmt.Fprintf(&d, `f%d: issues(first: 10, after: $a) { nodes { title body(format: \"markdown\") } } `, i)
	}
	text := "POST /graphql" + jsonType + `{"query":"query Q($a: String!) { repository(owner: $a, name: \"x\") { ` + d.String() + `} }"}`
	b.Run("known", func(b *testing.B) { benchmark(b, text) })
	b.Run("new", func(b *testing.B) {
		h, body := head(b, connector(b, ""), text)
		b.ReportAllocs()
		for b.Loop() {
			documents = memo{}
			if r := read(h, body); len(r.Does) == 0 {
				b.Fatal(r.Why)
			}
		}
	})
}

func BenchmarkToolsCall(b *testing.B) {
	benchmark(b, "POST /mcp"+jsonType+`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"query":"`+strings.Repeat("some words of a person ", 150)+`","list":[`+strings.Repeat(`{"id":1,"ok":true},`, 30)+`1]}}}`)
}
