package resolver_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/rule"
)

const deedYAML = `
key: svc
hosts: [svc.example]
base_url: https://svc.example
auth: {key: {type: credentials, fields: {key: {secret: true}}, sign: {bearer: "{fields.key}"}}}
speaks: {graphql: [/graphql], mcp: [/mcp]}
`

func ruleSet(t *testing.T, lines ...string) *rule.Set {
	t.Helper()
	s, err := rule.New(lines, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// deedWorld has a grant with rules; one empty line is none, and the grant for reading.
func deedWorld(t *testing.T, s http.Handler, lines ...string) *world {
	grant := resolver.Grant{Connector: "svc"}
	if len(lines) != 1 || lines[0] != "" {
		grant.Write, grant.Operations = true, ruleSet(t, lines...)
	}
	return newWorld(t, worldConfig{yaml: deedYAML, accounts: []*resolver.Account{{Name: "one", Fields: secret.Values{"key": secret.New("k-0123456789")}}},
		grants: []resolver.Grant{grant}, service: s})
}

func gzipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(s))
	_ = z.Close()
	return b.String()
}

// sent is a request as a client sends it: "METHOD /path", its headers with colons, and
// a body.
type sent struct {
	head, body string
	reader     io.Reader // instead of body
}

// ask sends it through the door of the host name, or through that of the connector's key.
func (w *world) asks(t *testing.T, s sent, byKey bool) (*resolver.Call, *http.Response, error) {
	t.Helper()
	lines := strings.Split(s.head, "\n")
	method, path, _ := strings.Cut(lines[0], " ")
	var body io.Reader
	if s.body != "" {
		body = strings.NewReader(s.body)
	}
	if s.reader != nil {
		body = s.reader
	}
	req := httptest.NewRequest(http.MethodPost, "https://svc.example"+path, body).WithContext(t.Context())
	req.Method = method
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ": ")
		req.Header[name] = append(req.Header[name], value)
	}
	ask := resolver.AskOf(req, req.URL)
	ask.Agent, ask.Target = w.agent, resolver.Target{Host: "svc.example", Port: "443"}
	if byKey {
		ask.Target, ask.Connector = resolver.Target{}, "svc"
	}
	call, err := w.Decide(t.Context(), ask)
	if err != nil {
		return call, nil, err
	}
	res, err := w.Send(req, call)
	if err == nil {
		t.Cleanup(func() { res.Body.Close() })
	}
	return call, res, err
}

const asJSON = "\nContent-Type: application/json"

// What an agent may do by the rules of its grant, at the doors by host and by key, and
// what the audit says it did. What is permitted comes to the service as it was sent.
func TestRules(t *testing.T) {
	const query, mutation = `{"query":"{ viewer { login } }"}`, `{"query":"mutation { viewer: deleteRepo }"}`
	for _, c := range []struct {
		rules     string
		sent      sent
		code      string
		operation string
	}{
		{"allow read", sent{head: "GET /x"}, "", ""},
		{"allow read", sent{head: "POST /x"}, "operation_denied", ""},
		{"allow read", sent{head: "get /x"}, "operation_unknown", ""},
		{"allow read", sent{head: "GET /x\nX-Http-Method-Override: DELETE"}, "operation_denied", ""},
		{"allow read", sent{head: "GET /x?_method=DELETE"}, "operation_denied", ""},
		{"allow read", sent{head: "POST /graphql" + asJSON, body: query}, "", "query viewer"},
		{"allow read", sent{head: "POST /graphql" + asJSON, body: mutation}, "operation_denied", "mutation deleteRepo"},
		{"allow read", sent{head: "POST /graphql" + asJSON, body: "[" + query + "," + mutation + "]"}, "operation_denied", "query viewer + mutation deleteRepo"},
		{"allow read", sent{head: "POST /graphql" + asJSON, body: query + mutation}, "operation_unknown", ""},
		{"allow read", sent{head: "POST /graphql" + asJSON}, "operation_unknown", ""},
		{"allow read", sent{head: "POST /graphql" + asJSON, reader: iotest.ErrReader(io.ErrUnexpectedEOF)}, "bad_request", ""},
		{"allow read", sent{head: "POST /graphql" + asJSON, body: query + strings.Repeat(" ", 64<<10)}, "operation_unknown", ""},
		{"allow read", sent{head: "POST /graphql" + asJSON, reader: io.MultiReader(strings.NewReader(query), strings.NewReader(strings.Repeat(" ", 64<<10)))}, "operation_unknown", ""},
		{"allow read", sent{head: "POST /graphql" + asJSON, reader: io.MultiReader(strings.NewReader(query[:9]), strings.NewReader(query[9:]))}, "", "query viewer"},
		{"allow read", sent{head: "POST /graphql\nContent-Encoding: gzip" + asJSON, body: gzipped(query)}, "", "query viewer"},
		{"allow read", sent{head: "POST /graphql\nContent-Encoding: gzip" + asJSON, body: gzipped(mutation)}, "operation_denied", "mutation deleteRepo"},
		{"allow read", sent{head: "GET /graphql\nConnection: Upgrade\nUpgrade: websocket"}, "operation_denied", "upgrade"},
		{"allow read|allow upgrade", sent{head: "GET /graphql\nConnection: Upgrade\nUpgrade: websocket"}, "", "upgrade"},
		{"allow tools/call search", sent{head: "POST /mcp" + asJSON, body: `{"method":"tools/call","params":{"name":"search"}}`}, "", "tools/call search"},
		{"allow tools/call search", sent{head: "POST /mcp" + asJSON, body: `{"method":"tools/call","params":{"name":"drop"}}`}, "operation_denied", "tools/call drop"},
		{"allow tools/call search", sent{head: "POST /mcp" + asJSON, body: `{"method":"tools/call","params":{"name":"search","name":"drop"}}`}, "operation_unknown", ""},
		{"deny GET /x/**|allow *", sent{head: "HEAD /x/y"}, "operation_denied", ""},
		{"deny GET /x/*|allow *", sent{head: "GET /x%2Fy"}, "operation_denied", ""},
		{"deny GET /x/*|allow *", sent{head: "GET /a/../x/y"}, "operation_unknown", ""},
		{"deny tools/call drop|allow *", sent{head: "POST /mcp" + asJSON, body: "{"}, "operation_unknown", ""},
		{"allow *", sent{head: "POST /mcp" + asJSON, body: "{"}, "", ""},
		{"allow *", sent{head: "POST /graphql" + asJSON, body: strings.Repeat(" ", 100<<10)}, "", ""},
		{"allow *", sent{head: "delete /x"}, "", ""},
		// What learns permits everything, and tells what it was where that holds nothing up.
		{"learn", sent{head: "POST /graphql" + asJSON, body: mutation}, "", "mutation deleteRepo"},
		{"learn", sent{head: "POST /mcp" + asJSON, body: "{"}, "", ""},
		{"learn", sent{head: "POST /graphql" + asJSON, body: query + strings.Repeat(" ", 64<<10)}, "", ""},
		{"learn", sent{head: "POST /graphql" + asJSON, reader: io.MultiReader(strings.NewReader(query[:9]), strings.NewReader(query[9:]))}, "", ""},
		// Conditions on what is in it: a body is read where one that is reached asks for it.
		{`allow POST /x when body.state == "open"`, sent{head: "POST /x" + asJSON, body: `{"state":"open"}`}, "", ""},
		{`allow POST /x when body.state == "open"`, sent{head: "POST /x" + asJSON, body: `{"state":"closed"}`}, "operation_denied", ""},
		{`allow POST /x when body.state == "open"`, sent{head: "POST /x" + asJSON, body: `{"state":"open"}` + strings.Repeat(" ", 64<<10)}, "operation_denied", ""},
		{`allow POST /x when body.state == "open"`, sent{head: "POST /x" + asJSON, reader: io.MultiReader(strings.NewReader(`{"state":`), strings.NewReader(`"open"}`))}, "", ""},
		{`allow POST /x when body.state == "open"`, sent{head: "POST /x" + asJSON, reader: io.MultiReader(strings.NewReader(`{"state":"open"}`), strings.NewReader(strings.Repeat(" ", 64<<10)))}, "operation_unknown", ""},
		{`deny POST /x when has(body.force)|allow *`, sent{head: "POST /x" + asJSON, body: `{"force":1}`}, "operation_denied", ""},
		{`deny POST /x when has(body.force)|allow *`, sent{head: "POST /x" + asJSON, body: `{"a":1}`}, "", ""},
		{`deny POST /x when has(body.force)|allow *`, sent{head: "POST /x" + asJSON, body: `{"a":1}` + strings.Repeat(" ", 64<<10)}, "operation_denied", ""},
		{`deny POST /x when has(body.force)|allow *`, sent{head: "POST /y" + asJSON, body: `{"a":1}` + strings.Repeat(" ", 64<<10)}, "", ""},
		{`allow POST /x when has(body.a)`, sent{head: "POST /x\nContent-Type: application/x-www-form-urlencoded", body: "a=1&_method=DELETE"}, "not_permitted", ""},
		{`allow tools/call search when args.n < 10`, sent{head: "POST /mcp" + asJSON, body: `{"method":"tools/call","params":{"arguments":{"n":3},"name":"search"}}`}, "", "tools/call search"},
		{`allow tools/call search when args.n < 10`, sent{head: "POST /mcp" + asJSON, body: `{"method":"tools/call","params":{"name":"search","arguments":{"n":30}}}`}, "operation_denied", "tools/call search"},
		// A grant that is for reading and has no rules.
		{"", sent{head: "POST /graphql" + asJSON, body: query}, "", "query viewer"},
		{"", sent{head: "POST /graphql" + asJSON, body: mutation}, "not_permitted", "mutation deleteRepo"},
		{"", sent{head: "POST /graphql" + asJSON, body: "{"}, "operation_unknown", ""},
		{"", sent{head: "POST /graphql" + asJSON, body: query + strings.Repeat(" ", 64<<10)}, "operation_unknown", ""},
		{"", sent{head: "GET /graphql?query=mutation%7BdeleteRepo%7D"}, "not_permitted", "mutation deleteRepo"},
		{"", sent{head: "GET /graphql?query=%7Bviewer%7D"}, "", "query viewer"},
		{"", sent{head: "POST /graphql\nX-Http-Method-Override: GET" + asJSON, body: mutation}, "operation_unknown", ""},
		{"", sent{head: "POST /mcp" + asJSON, body: `{"method":"tools/list"}`}, "", "tools/list"},
		{"", sent{head: "POST /mcp" + asJSON, body: `{"method":"tools/call","params":{"name":"get"}}`}, "not_permitted", "tools/call get"},
		{"", sent{head: "POST /mcp" + asJSON, body: `[{"method":"tools/list"},{"method":"tools/call","params":{"name":"get"}}]`}, "not_permitted", "tools/list + tools/call get"},
		{"", sent{head: "GET /mcp\nConnection: Upgrade\nUpgrade: websocket"}, "not_permitted", "upgrade"},
		{"", sent{head: "POST /x" + asJSON, body: "{}"}, "not_permitted", ""},
		{"deny mutation *|learn", sent{head: "POST /graphql" + asJSON, body: mutation}, "operation_denied", "mutation deleteRepo"},
		{"deny mutation *|learn", sent{head: "POST /graphql" + asJSON, body: query + strings.Repeat(" ", 64<<10)}, "operation_unknown", ""},
		{"deny mutation *|learn", sent{head: "POST /graphql" + asJSON, body: query}, "", "query viewer"},
		// A field of a form or of JSON by which frameworks take another method.
		{"allow POST /x", sent{head: "POST /x\nContent-Type: application/x-www-form-urlencoded", body: "a=1"}, "", ""},
		{"allow POST /x", sent{head: "POST /x\nContent-Type: application/x-www-form-urlencoded", body: "a=1&_method=DELETE"}, "not_permitted", ""},
		{"allow * /x", sent{head: "PUT /x\nContent-Type: application/x-www-form-urlencoded", body: "a=1&_method=DELETE"}, "", ""},
		{"allow *", sent{head: "POST /x\nContent-Type: application/x-www-form-urlencoded", body: "a=1&_method=DELETE"}, "", ""},
	} {
		for _, byKey := range []bool{false, true} {
			s := &seen{}
			w := deedWorld(t, s, strings.Split(c.rules, "|")...)
			if c.sent.reader != nil && byKey {
				continue // it was read
			}
			call, _, err := w.asks(t, c.sent, byKey)
			code := ""
			if err != nil {
				ref, ok := resolver.AsRefusal(err)
				if !ok {
					t.Errorf("%s: %q: %v", c.rules, c.sent.head, err)
					continue
				}
				code = ref.Code
			}
			if code != c.code || call.Event().Operation != c.operation {
				t.Errorf("%s: %q %.80q by key %v = %q as %q (%v), want %q as %q", c.rules, c.sent.head, c.sent.body, byKey, code, call.Event().Operation, err, c.code, c.operation)
			}
			if c.code != "" && len(s.requests) > 0 {
				t.Errorf("%s: %q %.80q was refused and sent", c.rules, c.sent.head, c.sent.body)
			}
			if c.code == "" && c.sent.reader == nil && c.sent.body != "" && s.bodies[0] != c.sent.body {
				t.Errorf("%s: %q: the service got %.80q", c.rules, c.sent.head, s.bodies[0])
			}
		}
	}
}

// A refusal says what was refused, by which rule, and which rule would permit it.
func TestRefusalNamesRule(t *testing.T) {
	w := deedWorld(t, &seen{}, "deny effect:delete", "allow read")
	for body, want := range map[string][]string{
		`{"query":"mutation { deleteRepo }"}`: {"operation_denied", "mutation deleteRepo", "deny effect:delete", "rule 1", `allow "mutation deleteRepo"`},
		`{"query":"mutation { createRepo }"}`: {"operation_denied", "mutation createRepo", "", "no rule", `allow "mutation createRepo"`},
	} {
		_, _, err := w.asks(t, sent{head: "POST /graphql" + asJSON, body: body}, false)
		ref, ok := resolver.AsRefusal(err)
		if !ok || ref.Code != want[0] || ref.Operation != want[1] || ref.Rule != want[2] || !strings.Contains(ref.Detail, want[3]) || !strings.Contains(ref.Next, want[4]) {
			t.Errorf("%s = %+v", body, ref)
		}
	}
}

// What was judged is what is sent again after a 401, with another token.
func TestRulesAfterARefresh(t *testing.T) {
	var bodies []string
	tokens := &tokenService{life: 3600}
	srv := httptest.NewServer(http.HandlerFunc(tokens.token))
	t.Cleanup(srv.Close)
	service := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(b))
		if len(bodies) == 1 {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	yaml := "key: svc\nhosts: [svc.example]\nauth: {oauth2: {type: oauth2, grant_type: client_credentials, token_url: '" + srv.URL + "/token'}}\nspeaks: {graphql: [/graphql]}\n"
	acct := &resolver.Account{Name: "a", App: secret.Values{"client_id": secret.New("id"), "client_secret": secret.New("secret-0123456789")}}
	w := newWorld(t, worldConfig{yaml: yaml, accounts: []*resolver.Account{acct}, service: service, grants: []resolver.Grant{{Connector: "svc", Write: true, Operations: ruleSet(t, "allow read")}}})
	const query = `{"query":"{a}"}`
	// Of a body without a length nothing is kept but what the rules need.
	_, res, err := w.asks(t, sent{head: "POST /graphql" + asJSON, reader: io.MultiReader(strings.NewReader(query))}, false)
	if err != nil || res.StatusCode != http.StatusOK || fmt.Sprint(bodies) != fmt.Sprint([]string{query, query}) {
		t.Errorf("%v, %v; the service got %q", res, err, bodies)
	}
	if _, _, err := w.asks(t, sent{head: "POST /graphql" + asJSON, body: `{"query":"mutation{a}"}`}, false); err == nil || len(bodies) != 2 {
		t.Errorf("a mutation = %v, and the service was asked %d times", err, len(bodies))
	}
}

// A grant for reading with rules is for reading whatever they say.
func TestRulesOfAReadingGrant(t *testing.T) {
	set := ruleSet(t, "allow *").OnlyReading()
	w := newWorld(t, worldConfig{yaml: deedYAML, accounts: []*resolver.Account{{Name: "one", Fields: secret.Values{"key": secret.New("k-0123456789")}}},
		grants: []resolver.Grant{{Connector: "svc", Operations: set}}, service: &seen{}})
	for head, code := range map[string]string{"GET /x": "", "POST /x": "operation_denied", "get /x": "operation_unknown"} {
		_, _, err := w.asks(t, sent{head: head}, false)
		if ref, _ := resolver.AsRefusal(err); (ref == nil) != (code == "") || ref != nil && ref.Code != code {
			t.Errorf("%s = %v, want %q", head, err, code)
		}
	}
}

// A grant for reading without rules does not read where a service may take it for more:
// what a GET has in its body, and paths that are nearly those of a protocol.
func TestReadingWhereAProtocolIsSpoken(t *testing.T) {
	w := newWorld(t, worldConfig{yaml: deedYAML, accounts: []*resolver.Account{{Name: "one", Fields: secret.Values{"key": secret.New("k-0123456789")}}},
		grants: []resolver.Grant{{Connector: "svc"}}, service: &seen{}})
	for head, code := range map[string]string{
		"GET /x": "", "GET /graphql?query={a}": "", "GET /x?query=mutation{a}": "",
		"GET /graphql?query=mutation{a}": "not_permitted", "GET /graphql/?query=mutation{a}": "operation_unknown", "GET //graphql?query=mutation{a}": "operation_unknown",
		"GET /graphql;x?query=mutation{a}": "operation_unknown", "OPTIONS /graphql?query=mutation{a}": "operation_unknown",
		"GET /graphql\nContent-Type: application/json": "operation_unknown",
	} {
		s := sent{head: head}
		if strings.Contains(head, "Content-Type") {
			s.body = `{"query":"mutation{x}"}`
		}
		_, _, err := w.asks(t, s, false)
		if ref, _ := resolver.AsRefusal(err); (ref == nil) != (code == "") || ref != nil && ref.Code != code {
			t.Errorf("%s = %v, want %q", head, err, code)
		}
	}
}

// Two grants of one account, of which one has rules, are a mistake and not joined.
func TestRulesAreNotJoined(t *testing.T) {
	w := deedWorld(t, &seen{}, "allow read")
	err := w.directory.AddAgent("other", []secret.Value{secret.New("other-token-0123456789")}, []resolver.Grant{{Connector: "svc", Write: true}, {Connector: "svc", Account: "one", Write: true, Operations: ruleSet(t, "allow read")}})
	if err == nil || !strings.Contains(err.Error(), "granted twice") {
		t.Errorf("AddAgent = %v", err)
	}
}

// No URL is presigned where the rules would have to see a body.
func TestRulesAndPresigning(t *testing.T) {
	w := deedWorld(t, &seen{}, "allow read")
	_, _, err := w.Presign(t.Context(), resolver.Presigning{Agent: w.agent, Method: "POST", URL: "https://svc.example/graphql", Expires: time.Minute})
	if ref, ok := resolver.AsRefusal(err); !ok || ref.Code != "cannot_presign" || !strings.Contains(ref.Detail, "by the body") {
		t.Errorf("Presign = %v", err)
	}
}

// Explain says what would become of a request, and sends nothing.
func TestExplain(t *testing.T) {
	s := &seen{}
	acct := &resolver.Account{Name: "one", Fields: secret.Values{"key": secret.New("k-0123456789")}, Limits: resolver.Limits{PerMinute: 1}}
	w := newWorld(t, worldConfig{yaml: deedYAML, accounts: []*resolver.Account{acct}, grants: []resolver.Grant{{Connector: "svc", Write: true, Operations: ruleSet(t, "deny effect:delete", "allow read")}}, service: s})
	for _, c := range []struct {
		method, url, body string
		code, does        string
		rule              int
	}{
		{"GET", "https://svc.example/x", "", "", " read", 2},
		{"DELETE", "https://svc.example/x", "", "operation_denied", " delete", 1},
		{"POST", "https://svc.example/graphql", `{"query":"{ a }"}`, "", "query a read", 2},
		{"POST", "https://svc.example/graphql", `{"query":"mutation { b }"}`, "operation_denied", "mutation b write", 0},
		{"POST", "https://svc.example/graphql", "", "operation_unknown", "", 1},
		{"POST", "https://svc.example/graphql", strings.Repeat(" ", 70<<10), "operation_unknown", "", 1},
		{"GET", "https://nobody.example/", "", "", "", 0},
	} {
		x, err := w.Explain(t.Context(), w.agent, resolver.Question{Method: c.method, URL: c.url, Body: []byte(c.body), Header: http.Header{"Content-Type": {"application/json"}}})
		if err != nil {
			t.Fatal(err)
		}
		code, does := "", ""
		if x.Refusal != nil {
			code = x.Refusal.Code
		}
		for _, d := range x.Does {
			does += d.Name + " " + d.Effect.String()
		}
		if code != c.code || does != c.does || x.Decision.Number != c.rule {
			t.Errorf("%s %s %.40s = %q, %q by rule %d (%v)", c.method, c.url, c.body, code, does, x.Decision.Number, x.Refusal)
		}
	}
	if _, err := w.Explain(t.Context(), w.agent, resolver.Question{Method: "GET", URL: "/x"}); err == nil {
		t.Error("a path alone is explained")
	}
	if len(s.requests) > 0 {
		t.Error("something was sent")
	}
	if _, err := w.do("GET", "/x", nil); err != nil {
		t.Errorf("the account's limit of one request was used up by explaining: %v", err)
	}
}
