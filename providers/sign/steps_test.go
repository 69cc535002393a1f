package sign_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/sign"
)

func TestSteps(t *testing.T) {
	form, js := "Content-Type: application/x-www-form-urlencoded", "Content-Type: application/json"
	tests := []struct {
		name, sign, method, target, body string
		headers                          []string
		want                             string
	}{
		{"let, then places that see one another",
			`{let: {a: "fields.key + request.query", n: 5}, query: {q: "{n}"}, header: {A: "{a}", B: "{request.query}", C: "{request.header('A')}"}}`,
			"GET", "/?x=1&q=agents", "", []string{"A: agents"}, "GET /?x=1&q=5\nA: kx=1\nB: x=1&q=5\nC: kx=1\n"},
		{"old places are gone before anything is computed",
			`{let: {h: "request.header('sig') + request.query + string(request.body)"}, header: {Sig: "{h}!"}, form: {sig: x}}`,
			"POST", "/", "a=1&%73ig=2", []string{form, "Sig: agents"}, "POST /\nContent-Length: 9\n" + form + "\nSig: a=1!\na=1&sig=x"},
		{"old members are gone before anything is computed",
			`{let: {h: "string(request.body)"}, header: {H: "{h}"}, json: {sig: "{1 + 1}", a.b: "{'2'}"}}`,
			"POST", "/", `{ "sig":1, "a" : {"b":1 , "c":1}, "sig" : 2, "z":[ ] }`, []string{js},
			"POST /\nContent-Length: 41\n" + js + "\nH: " + `{"a" : {"c":1}, "z":[ ] }` + "\n" + `{"a" : {"c":1,"b":"2"}, "z":[ ],"sig":2 }`},
		{"only where there is none", `{query: {"a?": "1", "b?": "2"}, header: {"X?": "1", "Y?": "2"}, cookie: {"c?": "1", "d?": "2"}}`,
			"GET", "/?%61=9", "", []string{"X: 9", "Cookie: c=9"}, "GET /?%61=9&b=2\nCookie: c=9; d=2\nX: 9\nY: 2\n"},
		{"only where there is none, form", `{form: {"a?": "1", "b?": "2"}}`, "POST", "/", "a=9", []string{form},
			"POST /\nContent-Length: 7\n" + form + "\na=9&b=2"},
		{"only where there is none, JSON", `{json: {"a.b?": "1", "a.c?": "{2}"}}`, "POST", "/", `{"a":{"b":null}}`, []string{js},
			"POST /\nContent-Length: 22\n" + js + "\n" + `{"a":{"b":null,"c":2}}`},
		{"the whole body", `{let: {b: "base64(request.body)"}, body: "", header: {X-Payload: "{b}"}}`, "POST", "/", "abc", nil,
			"POST /\nContent-Length: 0\nX-Payload: YWJj\n"},
		{"when", `[{when: "request.method == 'GET'", header: {A: get}}, {when: "request.method != 'GET'", header: {A: other}}]`,
			"GET", "/", "", nil, "GET /\nA: get\n"},
		{"a value of none is left out", `{header: {A: "{null}", B: "{fields.?nope}", C: "x{token}"}, query: {d: "{fields.?key}", e: "{optional.none()}"}}`,
			"GET", "/", "", nil, "GET /?d=k\nC: xtok\n"},
		{"remove", `[{remove: {header: [x-old], query: [old], cookie: [old]}}, bearer]`,
			"GET", "/?old=1&a=1", "", []string{"X-Old: 1", "Cookie: old=1; a=1"}, "GET /?a=1\nAuthorization: Bearer tok\nCookie: a=1\n"},
		{"remove from a body", `[{remove: {form: [old]}}, bearer]`, "POST", "/", "old=1&a=1", []string{form},
			"POST /\nAuthorization: Bearer tok\nContent-Length: 3\n" + form + "\na=1"},
		{"later steps see earlier let values", `[{let: {a: "1 + 1"}, query: {a: "{a}"}}, {let: {b: "a + 1"}, query: {b: "{b}"}}]`,
			"GET", "/", "", nil, "GET /?a=2&b=3\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustSigner(t, tt.sign)
			r := request(t, tt.method, tt.target, tt.body, tt.headers...)
			in := input("key", "k")
			if s.NeedsBody() {
				in.Body = expr.Bytes(tt.body)
			}
			if err := s.Sign(r, in); err != nil {
				t.Fatalf("Sign = %v", err)
			}
			if got := dump(t, r); got != tt.want {
				t.Errorf("Sign sends\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestStepErrors(t *testing.T) {
	env := sign.Env{Fields: []string{"key"}}
	tests := []struct{ src, want string }{
		{"let:\n  a: \"fields.nope\"\nheader: {A: \"{a}\"}", "line 2: sign.let.a: {fields.nope}: no such field"},
		{"let: {a: b, b: a}\nheader: {A: \"{a}\"}", "line 1: sign.let.a: 1:1: b stands below a"},
		{"let: {a: a}\nheader: {A: \"{a}\"}", "a uses itself"},
		{"let: {a: 'hex(1)'}\nheader: {A: \"{a}\"}", "hex(): got (int), want (bytes) or (string)"},
		{"header:\n  A: |\n    x\n    {hexx('a')}", "line 4: sign.header.A: 2:6: unknown name hexx"},
		{"when: request.method\nheader: {A: b}", "sign.when: 1:1: want true or false, got string"},
		{"- when: 'true'\n  let: {a: '1'}\n  header: {A: '{a}'}\n- header: {B: '{a}'}", "line 4: sign.header.B: 1:2: unknown name a"},
		{"let: {a: '1'}\nlet: {b: '1'}", "stands twice"},
		{"let: {a: [1]}", "want text for a"},
		{"when: 'true'", "want what to place"},
		{"remove: {headers: [a]}", `unknown key "headers"`},
	}
	for _, tt := range tests {
		if _, err := compile(tt.src, env); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("New(%s) = %v, want %q", tt.src, err, tt.want)
		}
	}
}

func TestEvalFailureIsTheRequests(t *testing.T) {
	for src, want := range map[string]string{
		`{let: {a: "request.headers['x-no']"}, header: {A: "{a}"}}`: "let a: the expression reads an entry that is not there",
		`{header: {A: "{int(fields.key)}"}}`:                        "header A: the expression fails",
		`{when: "int(fields.key) > 0", header: {A: b}}`:             "when: the expression fails",
	} {
		err := mustSigner(t, src).Sign(request(t, "GET", "/", ""), input("key", "canary"))
		if e, ok := errors.AsType[*sign.Error](err); !ok || e.Status != 400 || !strings.Contains(e.Msg, want) || strings.Contains(e.Msg, "canary") {
			t.Errorf("Sign with %s = %v, want *sign.Error: %s", src, err, want)
		}
	}
}

func BenchmarkHMAC(b *testing.B) {
	s := mustSigner(b, `
let: {ts: "now.unix_ms()", sig: "hex(hmac_sha256(fields.secret, request.query + '&timestamp=' + string(ts) + request.body))"}
query: {timestamp: "{ts}", signature: "{sig}"}
header: {X-MBX-APIKEY: "{fields.key}"}`)
	in := input("key", "k", "secret", "s")
	in.Body, in.Now = expr.Bytes(make([]byte, 1024)), time.Now()
	r := request(b, "POST", "/api/v3/order?symbol=LTCBTC&side=BUY", "")
	raw := r.URL.RawQuery
	b.ReportAllocs()
	for b.Loop() {
		r.URL.RawQuery = raw
		one := *in // what it may cost is counted for each request
		if err := s.Sign(r, &one); err != nil {
			b.Fatal(err)
		}
	}
}
