package expr_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/secret"
)

// signing is what a signing connector sees.
func signing(t testing.TB) *expr.Vars {
	t.Helper()
	r, err := http.NewRequest("POST", "https://API.example.com:443/v1/a%2Fb/?b=2&a=%20x&a=1&empty", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Content-Type": {"Application/X-WWW-Form-urlencoded; charset=utf-8"}, "X-Two": {"1", " 2   3 "}}
	v := vars()
	v.Cred.Fields = secret.Values{"key": secret.New("key"), "hexkey": secret.New("6b6579"), "empty": secret.New(""), "text": secret.New("ünï")}
	v.Request, v.Body = r, expr.Bytes("x=1&y=a%20b")
	v.Now = time.Date(2024, 2, 5, 6, 7, 8, 9_012_345, time.FixedZone("x", 3600))
	v.Nonce = "n0nce"
	return v
}

func TestFunctions(t *testing.T) {
	tests := []struct{ src, want string }{
		{`hex(hmac_sha256("key", "The quick brown fox jumps over the lazy dog"))`, "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"},
		{`hex(hmac_sha1("key", "The quick brown fox jumps over the lazy dog"))`, "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9"},
		{`hex(hmac_md5("key", b"The quick brown fox jumps over the lazy dog"))`, "80070713463e7749b90c2dc24911e275"},
		{`hex(md5(""))`, "d41d8cd98f00b204e9800998ecf8427e"},
		{`hex(sha1("abc"))`, "a9993e364706816aba3e25717850c26c9cd0d89d"},
		{`hex(sha256(b"abc"))`, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{`hex(sha512("abc")).substring(0, 16)`, "ddaf35a193617aba"},
		{`hex(sha384("abc")).substring(0, 16)`, "cb00753f45a35e8b"},
		{`base64("f\xc3\xbc?>")`, "ZsODwrw/Pg=="},
		{`base64(b"f\xc3\xbc?>")`, "ZsO8Pz4="},
		{`base64url(b"\xfb\xff\xfe\x01")`, "-__-AQ"},
		{`base64url_padded(b"\xfb\xff\xfe\x01")`, "-__-AQ=="},
		{`hex(unbase64("-__-AQ")) + hex(unbase64("+//+AQ=="))`, "fbfffe01fbfffe01"},
		{`string(unhex(fields.hexkey))`, "key"},
		{`percent("a b+c/~ü*'")`, "a%20b%2Bc%2F~%C3%BC%2A%27"},
		{`percent_path("/a b/%2F")`, "/a%20b/%252F"},
		{`form_encode("a b+")`, "a+b%2B"},
		{`unpercent("a%2Fb+")`, "a/b+"},
		{`lower("ÄbC") + upper("äbC")`, "ÄbcäBC"},
		{`fold("  a \t b ")`, "a b"},
		{`string(first("hello", 2)) + string(first(b"x", 9))`, "hex"},
		{`chunks("abcde", 2).join("|")`, "ab|cd|e"},
		{`request.method + request.path + request.body`, "!bytes"},
		{`string(request.method + request.body + "!")`, "POSTx=1&y=a%20b!"},
		{`request.path`, "/v1/a%2Fb/"},
		{`request.target`, "/v1/a%2Fb/?b=2&a=%20x&a=1&empty"},
		{`request.url`, "https://API.example.com/v1/a%2Fb/?b=2&a=%20x&a=1&empty"},
		{`request.host + request.scheme + request.hostname`, "API.example.comhttpsAPI.example.com"},
		{`request.content_type`, "application/x-www-form-urlencoded"},
		{`request.header("x-TWO")`, "1, 2   3 "},
		{`request.headers["x-two"] + request.headers.host`, "1, 2   3 API.example.com"},
		{`request.header("nope") + string("nope" in request.headers)`, "false"},
		{`request.header_names().join(";")`, "content-type;host;x-two"},
		{`request.canonical_headers(["X-Two", "host"])`, "host:API.example.com\nx-two:1, 2 3\n"},
		{`canonical_query(request.query)`, "a=%20x&a=1&b=2&empty="},
		{`sort_query(request.query)`, "a=%20x&a=1&b=2&empty"},
		{`query_without(request.query, ["a", "empty"])`, "b=2"},
		{`pairs(request.query).map(p, p[0] + ":" + p[1]).sort().join(",")`, "a: x,a:1,b:2,empty:"},
		{`request.params.a + params("q=1").q + request.form.y`, " x1a b"},
		{`has(request.form.nope) ? "yes" : "no"`, "no"},
		{`now.unix()`, "1707109628"},
		{`string(now.unix_ms()) + string(now.unix_us()) + string(now.unix_ns())`, "170710962800917071096280090121707109628009012345"},
		{`now.iso() + now.iso_ms() + now.basic()`, "2024-02-05T05:07:08Z2024-02-05T05:07:08.009Z20240205T050708Z"},
		{`now.http()`, "Mon, 05 Feb 2024 05:07:08 GMT"},
		{`(now + duration("15m")).unix()`, "1707110528"},
		{`now.format("%a, %d %b %Y %H:%M:%S -0000 %y%m%e %L %f %j %% %s %F %T %z")`, "Mon, 05 Feb 2024 05:07:08 -0000 2402 5 009 009012 036 % 1707109628 2024-02-05 05:07:08 +0000"},
		{`nonce + uuid`, "n0ncen0nce"},
		{`to_json({"b": [1, 2.5, true, null, 3u], "a": "<\"é"})`, `{"a":"<\"é","b":[1,2.5,true,null,3]}`},
		{`parse_json('{"a": {"b": [1, 1.5, "x"]}}').a.b[0]`, "1"},
		{`to_json(parse_json(b'{"z": 9007199254740993, "a": [1.5, null]}'))`, `{"a":[1.5,null],"z":9007199254740993}`},
		{`json_scalars('{"n": 1.50, "s": "a\\u0062", "o": {}, "l": [], "t": true, "z": null}').map(k, k).sort().join(",")`, "n,s,t"},
		{`json_scalars('{"n": 1.50, "s": "a\\u0062"}').n + json_scalars('{"s": "a\\u0062"}').s`, "1.50ab"},
		{`json_glue('{"b":[{"z":1.50,"a":"x\\u0079"},true],"a":null}', "b") + json_glue('{"a":null}', "a") + json_glue('{}', "a")`, "axyz1.50truenull"},
		{`to_json(merge({"a": 1, "b": "x"}, {"a": [2]}))`, `{"a":[2],"b":"x"}`},
		{`merge_pairs([["b", "2"], ["a", "x"], ["b", "1"]]).map(p, p[0] + "=" + p[1]).join("&")`, "a=x&b=1,2"},
		{`regex.replace("/grp/api/pro/v1/order", "^(/[^/]+)?/api/pro/v[12]/", "")`, "order"},
		{`has(fields.nope) ? fields.nope : "none"`, "none"},
		{`has(fields.empty) ? "set" : "none"`, "none"},
		{`fields.?nope.orValue("none") + fields[?"key"].orValue("none") + fields["key"]`, "nonekeykey"},
		{`app.client_id + account.name + token`, "cidworktok"},
		{`1 + 1`, "2"},
		{`true`, "true"},
		{`"{" + '}' + "}}"`, "{}}}"},
		{`{"a": {"b": "c"}}.a.b`, "c"},
		{`jwt("HS256", "your-256-bit-secret", {"sub": "1234567890", "name": "John Doe", "iat": 1516239022}).split(".")[1]`, "eyJpYXQiOjE1MTYyMzkwMjIsIm5hbWUiOiJKb2huIERvZSIsInN1YiI6IjEyMzQ1Njc4OTAifQ"},
		{`jwt("HS512", unhex(fields.hexkey), {"a": now.unix()}, {"kid": "k"}).split(".")[0]`, "eyJhbGciOiJIUzUxMiIsImtpZCI6ImsiLCJ0eXAiOiJKV1QifQ"},
	}
	for _, tt := range tests {
		src := "{" + tt.src + "}"
		if strings.HasPrefix(tt.src, "{") {
			src = "{ " + tt.src + "}"
		}
		tpl, err := expr.Compile(src)
		if tt.want == "!bytes" {
			if err == nil || !strings.Contains(err.Error(), "got bytes") {
				t.Errorf("Compile(%s) = %v, want a complaint about bytes", tt.src, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("Compile(%s) = %v", tt.src, err)
			continue
		}
		if got, err := tpl.Eval(signing(t)); got != tt.want || err != nil {
			t.Errorf("Eval(%s) = %q, %v, want %q", tt.src, got, err, tt.want)
		}
	}
}

func TestBadExpressions(t *testing.T) {
	tests := []struct{ src, want string }{
		{`{hex(`, "1:1: want }"},
		{`a{hexx("x")}`, "1:7: unknown name hexx; known here: hex()"},
		{`{hex(1)}`, "1:5: hex(): got (int), want (bytes) or (string)"},
		{`{hmac_sha256("a")}`, "hmac_sha256(): got (string), want (bytes, bytes) or"},
		{"ab\n{ \n  feilds.key}", "3:3: unknown name feilds; known here: fields"},
		{`{whatever}`, "known here: account, app, counter.ms"},
		{`{request.nope}`, "unknown part of request; known: request.body"},
		{`{"a" + 1}`, "1:6: +: got (string, int), want"},
		{`{fields}`, "1:2: want a name after fields, such as fields.key"},
		{`{fields[request.method]}`, "want a name after fields"},
		{`{to_json(fields)}`, "want a name after fields"},
		{`{now}`, "want text, got a timestamp: write .unix()"},
		{`{1.5}`, "got a double"},
		{`{[1]}`, "want text or a whole number, got list(int)"},
		{`{sha256("a")}`, "write hex("},
		{`{1 +}`, "1:5: syntax: "},
		{`{request.method.foo}`, "does not support field selection"},
		{`{` + strings.Repeat("(", 200) + "1" + strings.Repeat(")", 200) + `}`, "recursion"},
		{`{"` + strings.Repeat("x", 9000) + `"}`, "exceeds"},
	}
	for _, tt := range tests {
		_, err := expr.Compile(tt.src)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Compile(%.40s) = %v, want %s", tt.src, err, tt.want)
		}
	}
}

// What fails at run time tells the reason and nothing of the values.
func TestEvalErrors(t *testing.T) {
	tests := []struct{ src, want string }{
		{`{hex(hmac_sha256(fields.nope, "x"))}`, "{fields.nope} is missing"},
		{`{lower(fields.empty)}`, "{fields.empty} is missing"},
		{`{lower(app.client_secret)}`, "{app.client_secret} is missing"},
		{`{int(fields.text)}`, "a conversion"},
		{`{unhex(fields.text).size()}`, "unhex: the text is not hex"},
		{`{hex(unbase64(fields.text))}`, "unbase64: the text is not base64"},
		{`{parse_json(fields.text).a}`, "parse_json: the text is not JSON"},
		{`{request.headers["nope"]}`, "has() first"},
		{`{parse_json("[1]")[5]}`, "index"},
		{`{hex(rsa_sha256(fields.text, "x"))}`, "want a private key in PEM"},
		{`{jwt("none", fields.text, {"a": 1})}`, "unknown algorithm"},
		{`{now.format("%Q")}`, "unknown letter %Q"},
		{`{now.format("x%")}`, "lone %"},
		{`{parse_json("[[1]]")[0]}`, "want text"},
		{`{unpercent("%zz")}`, "broken % escape"},
		{`{json_glue(fields.text, "a")}`, "not a JSON object"},
		{`{merge_pairs([[fields.text]]).size()}`, "want [name, value]"},
		{`{chunks(fields.text, 0).join("")}`, "not positive"},
	}
	for _, tt := range tests {
		tpl, err := expr.Compile(tt.src)
		if err != nil {
			t.Errorf("Compile(%s) = %v", tt.src, err)
			continue
		}
		_, err = tpl.Eval(signing(t))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Eval(%s) = %v, want %s", tt.src, err, tt.want)
		} else if strings.Contains(err.Error(), "ünï") {
			t.Errorf("Eval(%s) tells the value: %v", tt.src, err)
		}
	}
}

func TestNoValue(t *testing.T) {
	for _, src := range []string{`{null}`, `{optional.none()}`, `{fields.?nope}`, `a{has(fields.nope) ? optional.of("x") : optional.none()}`} {
		tpl, err := expr.Compile(src)
		if err != nil {
			t.Errorf("Compile(%s) = %v", src, err)
			continue
		}
		if _, err := tpl.Eval(signing(t)); !errors.Is(err, expr.ErrNone) {
			t.Errorf("Eval(%s) = %v, want ErrNone", src, err)
		}
	}
}

func TestCostIsBounded(t *testing.T) {
	tpl, err := expr.Compile(`{pairs(request.query).map(a, pairs(request.query).map(b, pairs(request.query).map(c, a[0] + b[0] + c[0]).size()).size()).size()}`)
	if err != nil {
		t.Fatal(err)
	}
	v := signing(t)
	v.Request.URL.RawQuery = strings.Repeat("a=1&", 2000)
	if _, err := tpl.Eval(v); err == nil || !strings.Contains(err.Error(), "costs too much") {
		t.Errorf("Eval of a cubic expression = %v, want that it costs too much", err)
	}
}

func TestStaticAnalysis(t *testing.T) {
	tests := []struct {
		src  string
		body bool
		refs string
	}{
		{`{hex(sha256(request.body))}`, true, "request.body"},
		{`{request.form.?x.orValue("")}`, true, "request.form"},
		{`{request.header("body")}`, false, ""},
		{`{fields.a + fields["b"] + token}{app.c}{has(account.d) ? account.d : fields.?e.orValue("")}`, false, "fields.a fields.b token app.c account.d fields.e"},
	}
	for _, tt := range tests {
		tpl, err := expr.Compile(tt.src)
		if err != nil {
			t.Fatal(err)
		}
		if tpl.NeedsBody() != tt.body {
			t.Errorf("NeedsBody(%s) = %t", tt.src, tpl.NeedsBody())
		}
		got := map[string]bool{}
		for _, r := range tpl.Refs() {
			got[r] = true
		}
		for _, want := range strings.Fields(tt.refs) {
			if !got[want] {
				t.Errorf("Refs(%s) = %v, want %s too", tt.src, tpl.Refs(), want)
			}
			delete(got, want)
		}
		if len(got) > 0 {
			t.Errorf("Refs(%s) = %v, more than wanted", tt.src, tpl.Refs())
		}
	}
}

func TestLet(t *testing.T) {
	var s expr.Scope
	ts, err := s.Let("ts", "now.unix_ms()")
	if err != nil {
		t.Fatal(err)
	}
	sig, err := s.Let("sig", `hex(hmac_sha256(fields.key, string(ts) + request.body))`)
	if err != nil {
		t.Fatal(err)
	}
	tpl, err := s.Compile("{ts}:{sig}:{ts + 1}")
	if err != nil {
		t.Fatal(err)
	}
	if ts.NeedsBody() || !sig.NeedsBody() || tpl.NeedsBody() {
		t.Errorf("NeedsBody of ts, sig, template = %t, %t, %t, want only sig", ts.NeedsBody(), sig.NeedsBody(), tpl.NeedsBody())
	}
	v := signing(t)
	if _, err := tpl.Eval(v); err == nil {
		t.Errorf("Eval before its let values succeeds")
	}
	for _, l := range []*expr.Let{ts, sig} {
		if err := l.Eval(v); err != nil {
			t.Fatal(err)
		}
	}
	got, err := tpl.Eval(v)
	if err != nil || !strings.HasPrefix(got, "1707109628009:") || !strings.HasSuffix(got, ":1707109628010") || len(got) != 13+1+64+1+13 {
		t.Errorf("Eval = %q, %v, want time:64 hex digits:time+1", got, err)
	}
}

func TestBadLet(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"a", "a + 1", "1:1: a uses itself"},
		{"a", `"x" + later`, "1:7: later stands below a"},
		{"a", "nope", "unknown name nope"},
		{"a", "ok + 1", "+: got (string, int)"},
		{"ok", "1", "stands twice"},
		{"now", "1", "have already"},
		{"request", "1", "have already"},
		{"counter", "1", "have already"},
		{"a-b", "1", "want a name"},
		{"1a", "1", "want a name"},
		{"a", "", "syntax"},
		{"in", "1", ""},
	}
	for _, tt := range tests {
		var s expr.Scope
		s.Ahead("ok", "a", "later")
		if _, err := s.Let("ok", `"x"`); err != nil {
			t.Fatal(err)
		}
		_, err := s.Let(tt.name, tt.src)
		if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("Let(%s, %s) = %v, want %s", tt.name, tt.src, err, tt.want)
		}
	}
}

func TestCondition(t *testing.T) {
	var s expr.Scope
	c, err := s.Condition(`request.method == "POST" && size(request.body) > 0`)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := c.Eval(signing(t)); !ok || err != nil || !c.NeedsBody() {
		t.Errorf("Eval = %t, %v, NeedsBody = %t, want true and the body", ok, err, c.NeedsBody())
	}
	if _, err := s.Condition(`"x"`); err == nil || !strings.Contains(err.Error(), "want true or false, got string") {
		t.Errorf("Condition of a string = %v", err)
	}
}

func TestNonceAndCounter(t *testing.T) {
	tpl, err := expr.Compile(`{nonce} {uuid} {counter.ms} {counter.us} {counter.ns} {counter.ms}`)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	seen := map[string]bool{}
	last := ""
	for range 1000 {
		v := &expr.Vars{Now: now}
		got, err := tpl.Eval(v)
		if err != nil {
			t.Fatal(err)
		}
		f := strings.Fields(got)
		if len(f[0]) != 32 || len(f[1]) != 36 || f[1][14] != '4' || f[2] != f[5] || seen[f[0]] || f[2] <= last {
			t.Fatalf("after %s: %s", last, got)
		}
		seen[f[0]], last = true, f[2]
	}
	if got, err := tpl.Eval(&expr.Vars{Nonce: "17"}); got != "17 17 17 17 17 17" || err != nil {
		t.Errorf("Eval with the nonce fixed = %q, %v", got, err)
	}
}

func BenchmarkHMAC(b *testing.B) {
	tpl, err := expr.Compile(`{hex(hmac_sha256(fields.key, string(now.unix_ms()) + request.method + request.target + request.body))}`)
	if err != nil {
		b.Fatal(err)
	}
	v := signing(b)
	v.Body = expr.Bytes(make([]byte, 1024))
	b.ReportAllocs()
	for b.Loop() {
		w := *v
		if _, err := tpl.Eval(&w); err != nil {
			b.Fatal(err)
		}
	}
}

// tooLarge is a body that its owner refuses to hand out.
type tooLarge struct{}

var errTooLarge = errors.New("too large")

func (tooLarge) Bytes() ([]byte, error) { return nil, errTooLarge }
func (tooLarge) Size() int64            { return 1 << 40 }

func TestBodyError(t *testing.T) {
	for _, src := range []string{`{hex(sha256(request.body))}`, `{request.form.?a.orValue("")}`} {
		tpl, err := expr.Compile(src)
		if err != nil {
			t.Fatal(err)
		}
		v := signing(t)
		v.Body = tooLarge{}
		if _, err := tpl.Eval(v); !errors.Is(err, errTooLarge) {
			t.Errorf("Eval(%s) = %v, want the body's own error", src, err)
		}
	}
}
