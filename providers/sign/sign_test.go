package sign_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/providers/sign"
)

// mustSigner compiles the YAML that stands under `sign:`.
func mustSigner(t testing.TB, src string) sign.Signer {
	t.Helper()
	s, err := compile(src, sign.Env{})
	if err != nil {
		t.Fatalf("New(%s): %v", src, err)
	}
	return s
}

func compile(src string, env sign.Env) (sign.Signer, error) {
	var spec sign.Spec
	if err := yaml.Unmarshal([]byte(src), &spec); err != nil {
		return nil, err
	}
	return sign.New(spec, env)
}

// input is a credential with token "tok" and the fields given as name, value.
func input(fields ...string) *sign.Input {
	fs := secret.Values{}
	for i := 0; i < len(fields); i += 2 {
		fs[fields[i]] = secret.New(fields[i+1])
	}
	return &sign.Input{Vars: expr.Vars{Cred: &secret.Credential{Token: secret.New("tok"), Fields: fs}}}
}

// request parses target as on a request line; header lines are "Name: value".
func request(t testing.TB, method, target, body string, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, "https://api.example.com"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		k, v, _ := strings.Cut(h, ": ")
		r.Header[k] = append(r.Header[k], v)
	}
	return r
}

// dump shows what would be sent: request line, sorted headers, body.
func dump(t testing.TB, r *http.Request) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(r.Method + " " + r.URL.RequestURI() + "\n")
	for _, k := range slices.Sorted(maps.Keys(r.Header)) {
		for _, v := range r.Header[k] {
			b.WriteString(k + ": " + v + "\n")
		}
	}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(body)
	}
	return b.String()
}

func TestPlace(t *testing.T) {
	form, js := "Content-Type: application/x-www-form-urlencoded", "Content-Type: application/json"
	tests := []struct {
		name, sign, method, target, body string
		headers                          []string
		want                             string
	}{
		{"bearer", `bearer`, "GET", "/v1", "", nil, "GET /v1\nAuthorization: Bearer tok\n"},
		{"bearer of a field", `{bearer: "{fields.key}"}`, "GET", "/", "", nil, "GET /\nAuthorization: Bearer k:1/ü\n"},
		{"bearer replaces", `bearer`, "GET", "/", "", []string{"Authorization: Bearer agents"}, "GET /\nAuthorization: Bearer tok\n"},
		{"basic", `{basic: {username: "{fields.user}/token", password: "{fields.pass}"}}`, "GET", "/", "", nil,
			"GET /\nAuthorization: Basic QWxhZGRpbi90b2tlbjpvcGVuOnNlc2FtZQ==\n"},
		{"header", `{header: {x-api-KEY: "{token}", X-App: "a {{b}}"}}`, "GET", "/", "", []string{"X-Api-Key: agents"},
			"GET /\nX-Api-Key: tok\nX-App: a {b}\n"},
		{"query", `{query: {key: "{fields.key}"}}`, "GET", "/a?x=%2f+1&&y", "", nil, "GET /a?x=%2f+1&&y&key=k%3A1%2F%C3%BC\n"},
		{"query replaces all", `{query: {key: "{token}"}}`, "GET", "/a?key=1&x=1&k%65y=2&keyring=3&key", "", nil, "GET /a?x=1&keyring=3&key=tok\n"},
		{"query alone", `{query: {"a key": "{token}"}}`, "GET", "/a", "", nil, "GET /a?a%20key=tok\n"},
		{"path", `{path: {from: "/bot*/", to: "/bot{fields.key}/"}}`, "GET", "/botX:y/getMe?a=1", "", nil, "GET /botk:1%2F%C3%BC/getMe?a=1\n"},
		{"path, nothing at *", `{path: {from: "/bot*/", to: "/bot{token}/"}}`, "GET", "/bot/send%2fX/", "", nil, "GET /bottok/send%2fX/\n"},
		{"second path", `{path: [{from: "/bot*/", to: "/bot{token}/"}, {from: "/file/bot*/", to: "/file/bot{token}/"}]}`, "GET", "/file/bot/x", "", nil,
			"GET /file/bottok/x\n"},
		{"cookie", `{cookie: {sid: "{token}"}}`, "GET", "/", "", []string{`Cookie: a=1; sid=old; SID=2;b="x y"`}, "GET /\nCookie: a=1; SID=2; b=\"x y\"; sid=tok\n"},
		{"only cookie", `{cookie: {sid: "{token}"}}`, "GET", "/", "", []string{"Cookie: sid=old"}, "GET /\nCookie: sid=tok\n"},
		{"cookies on two lines", `{cookie: {sid: "{token}"}}`, "GET", "/", "", []string{"Cookie: a=1", "Cookie: sid=1; b=2"}, "GET /\nCookie: a=1; b=2; sid=tok\n"},
		{"form", `{form: {token: "{fields.key}"}}`, "POST", "/", "b=2&a=%41+&tok%65n=x", []string{form},
			"POST /\nContent-Length: 31\nContent-Type: application/x-www-form-urlencoded\nb=2&a=%41+&token=k%3A1%2F%C3%BC"},
		{"empty form", `{form: {token: "{token}"}}`, "POST", "/", "", nil,
			"POST /\nContent-Length: 9\nContent-Type: application/x-www-form-urlencoded\ntoken=tok"},
		{"json", `{json: {auth.key: "{token}"}}`, "POST", "/", `{ "n": 1.0e+02, "auth": {"key":"x", "z" : [1,{"}":2}]} }`, []string{js},
			"POST /\nContent-Length: 58\nContent-Type: application/json\n" + `{ "n": 1.0e+02, "auth": {"key":"tok", "z" : [1,{"}":2}]} }`},
		{"json made", `{json: {auth.key: "{token}"}}`, "POST", "/", "", nil,
			"POST /\nContent-Length: 22\nContent-Type: application/json\n" + `{"auth":{"key":"tok"}}`},
		{"json twice", `{json: {key: "{fields.quote}"}}`, "POST", "/", `{"key":1,"a":12345678901234567890, "k\u0065y" : "2","b":"<\u00e9>"}`, []string{"Content-Type: application/vnd.api+json; charset=utf-8"},
			"POST /\nContent-Length: 57\nContent-Type: application/vnd.api+json; charset=utf-8\n" + `{"key":"\"<\\\n","a":12345678901234567890,"b":"<\u00e9>"}`},
		{"several", `{header: {X-A: "{token}"}, query: {k: "{token}"}, cookie: {c: "{token}"}}`, "GET", "/?a", "", nil, "GET /?a&k=tok\nCookie: c=tok\nX-A: tok\n"},
		{"steps", `[{query: {k: "{token}"}}, bearer]`, "GET", "/", "", nil, "GET /?k=tok\nAuthorization: Bearer tok\n"},
		{"none", `none`, "GET", "/?a", "", nil, "GET /?a\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustSigner(t, tt.sign)
			r := request(t, tt.method, tt.target, tt.body, tt.headers...)
			in := input("key", "k:1/ü", "user", "Aladdin", "pass", "open:sesame", "quote", "\"<\\\n")
			if s.NeedsBody() {
				in.Body = expr.Bytes(tt.body)
			}
			if err := s.Sign(r, in); err != nil {
				t.Fatalf("Sign = %v", err)
			}
			if got := dump(t, r); got != tt.want {
				t.Errorf("Sign sends\n%s\nwant\n%s", got, tt.want)
			}
			if s.NeedsBody() && r.ContentLength != int64(len(tt.want)-strings.LastIndex(tt.want, "\n")-1) {
				t.Errorf("ContentLength = %d", r.ContentLength)
			}
		})
	}
}

func TestCannotSign(t *testing.T) {
	form, js := "Content-Type: application/x-www-form-urlencoded", "Content-Type: application/json"
	tests := []struct {
		name, sign, method, target, body string
		headers                          []string
		want                             string
	}{
		{"CR LF in a header", `{header: {X-A: "{fields.crlf}"}}`, "GET", "/", "", nil, "control character"},
		{"NUL in a header", `{header: {X-A: "{fields.nul}"}}`, "GET", "/", "", nil, "control character"},
		{"CR LF in bearer", `{bearer: "{fields.crlf}"}`, "GET", "/", "", nil, "control character"},
		{"CR LF in basic", `{basic: {username: u, password: "{fields.crlf}"}}`, "GET", "/", "", nil, "control character"},
		{"colon in a user name", `{basic: {username: "{fields.colon}", password: p}}`, "GET", "/", "", nil, "colon"},
		{"CR LF in a cookie", `{cookie: {a: "{fields.crlf}"}}`, "GET", "/", "", nil, "control character"},
		{"semicolon in a cookie", `{cookie: {a: "{fields.semi}"}}`, "GET", "/", "", nil, "semicolon"},
		{"path elsewhere", `{path: {from: "/bot*/", to: "/bot{token}/"}}`, "GET", "/other/bot/", "", nil, "/bot*/"},
		{"path, encoded", `{path: {from: "/bot*/", to: "/bot{token}/"}}`, "GET", "/%62ot/getMe", "", nil, "/bot*/"},
		{"path, * and /", `{path: {from: "/bot*/x", to: "/bot{token}/x"}}`, "GET", "/bota/b/x", "", nil, "/bot*/x"},
		{"path climbs", `{path: {from: "/*/", to: "/{fields.dots}/"}}`, "GET", "/x/y", "", nil, ".. segment"},
		{"form, other type", `{form: {a: "{token}"}}`, "POST", "/", "{}", []string{js}, "application/x-www-form-urlencoded"},
		{"form, no type", `{form: {a: "{token}"}}`, "POST", "/", "x", nil, "Content-Type"},
		{"form, GET", `{form: {a: "{token}"}}`, "GET", "/", "", nil, "GET"},
		{"form, gzip", `{form: {a: "{token}"}}`, "POST", "/", "x", []string{form, "Content-Encoding: gzip"}, "compressed"},
		{"json, broken", `{json: {a: "{token}"}}`, "POST", "/", `{"a":`, []string{js}, "not JSON"},
		{"json, list", `{json: {a: "{token}"}}`, "POST", "/", `[{}]`, []string{js}, "not an object"},
		{"json, scalar on the way", `{json: {a.b: "{token}"}}`, "POST", "/", `{"a":"x"}`, []string{js}, "a is not an object"},
		{"json, form sent", `{json: {a: "{token}"}}`, "POST", "/", `a=b`, []string{form}, "application/json"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustSigner(t, tt.sign)
			r := request(t, tt.method, tt.target, tt.body, tt.headers...)
			in := input("crlf", "canary\r\nX-Evil: 1", "nul", "canary\x00", "colon", "canary:x", "semi", "canary;x", "dots", "..")
			in.Body = expr.Bytes(tt.body)
			err := s.Sign(r, in)
			e, ok := errors.AsType[*sign.Error](err)
			if !ok || e.Status != 400 || !strings.Contains(e.Msg, tt.want) {
				t.Fatalf("Sign = %v, want *sign.Error 400 with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("the error holds the secret: %v", err)
			}
		})
	}
}

func TestMissing(t *testing.T) {
	for _, src := range []string{
		`{bearer: "{fields.no}"}`, `{basic: {username: "{fields.no}", password: x}}`, `{header: {A: "x{fields.no}"}}`,
		`{query: {a: "{fields.no}"}}`, `{path: {from: "/", to: "/{fields.no}"}}`, `{cookie: {a: "{fields.no}"}}`,
		`{form: {a: "{fields.no}"}}`, `{json: {a: "{fields.no}"}}`, `{header: {A: "{fields.empty}"}}`,
	} {
		in := input("empty", "")
		err := mustSigner(t, src).Sign(request(t, "POST", "/", ""), in)
		if m, ok := errors.AsType[*expr.MissingError](err); !ok || !strings.HasPrefix(m.Ref, "fields.") {
			t.Errorf("Sign with %s = %v, want *expr.MissingError", src, err)
		}
	}
}

func TestOptional(t *testing.T) {
	s, err := compile(`{header: {X-Org: "{fields.org}", X-Key: "{fields.key}"}}`, sign.Env{Fields: []string{"org", "key"}, Optional: []string{"org"}})
	if err != nil {
		t.Fatal(err)
	}
	r := request(t, "GET", "/", "")
	if err := s.Sign(r, input("key", "k")); err != nil || r.Header.Get("X-Key") != "k" || r.Header["X-Org"] != nil {
		t.Errorf("Sign without the optional field = %v, headers %v", err, r.Header)
	}
	if err := s.Sign(r, input("key", "k", "org", "o")); err != nil || r.Header.Get("X-Org") != "o" {
		t.Errorf("Sign with the optional field = %v, headers %v", err, r.Header)
	}
	if err := s.Sign(r, input("org", "o")); err == nil {
		t.Errorf("Sign without the required field succeeds")
	}
}

func TestNewErrors(t *testing.T) {
	tests := []struct{ src, want string }{
		{`digset`, `line 1: unknown signer "digset"`},
		{`{heder: {A: b}}`, `line 1: unknown key "heder"`},
		{"header:\n  A: \"{fields.x\"", "line 2: sign.header.A: 1:1: want } to close"},
		{"header:\n  A: \"ab{}\"", "want an expression"},
		{"header:\n  A: \"a}b\"", "1:2: want {"},
		{`{header: {A: "{fields.nope}"}}`, "no such field; declared are: key"},
		{`{header: {"A B": x}}`, "want a header name"},
		{`{header: {Host: x}}`, "belongs to the connection"},
		{`{header: {content-length: x}}`, "belongs to the connection"},
		{`{header: {A: x, A: y}}`, "stands twice"},
		{`{header: {A: [x]}}`, "want text for A"},
		{`{header: {}}`, "at least one name"},
		{`{cookie: {"a=b": x}}`, "want a cookie name"},
		{`{json: {"a..b": x}}`, "want member names"},
		{`{path: {from: "bot", to: "/x"}}`, "starting with /"},
		{`{path: {from: "/bot", to: "x", too: y}}`, `unknown key "too"`},
		{`{bearer: x, basic: {username: a, password: b}}`, "both write Authorization"},
		{`{}`, "want what to place"},
		{`[]`, "at least one step"},
	}
	for _, tt := range tests {
		_, err := compile(tt.src, sign.Env{Fields: []string{"key"}})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("New(%s) = %v, want an error with %q", tt.src, err, tt.want)
		}
	}
	if _, err := sign.New(sign.Spec{}, sign.Env{}); err == nil {
		t.Errorf("New(zero Spec) succeeds")
	}
}

func TestStrip(t *testing.T) {
	p := sign.Places{Headers: []string{"X-Api-Key"}, Query: []string{"api_key", "sig"}, Cookies: []string{"sid"}}
	tests := []struct{ target, header, want string }{
		{"/?api_key=1", "X-Api-Key: a", "GET /\n"},
		{"/?api%5Fkey=1&b=%5f", "x-api-key: a", "GET /?b=%5f\n"},
		{"/?a=1&api%5fkey=1&sig=2&b", "X-API-KEY: a", "GET /?a=1&b\n"},
		{"/?a=1;api_key=2;b=3", "Other: a", "GET /?a=1;b=3\nOther: a\n"},
		{"/?a=1&&sig=&%73%69%67", "Cookie: sid=1; b=2", "GET /?a=1&\nCookie: b=2\n"},
		{"/?SIG=1&%zzsig=1&a+b=1", "Cookie: sid=1", "GET /?%zzsig=1&a+b=1\n"},
		{"/?a=api_key=1&asig=1", "Cookie: xsid=1", "GET /?a=api_key=1&asig=1\nCookie: xsid=1\n"},
	}
	for _, tt := range tests {
		r := request(t, "GET", tt.target, "", tt.header)
		sign.Strip(r, p)
		if got := dump(t, r); got != tt.want {
			t.Errorf("Strip(%s, %s) = %q, want %q", tt.target, tt.header, got, tt.want)
		}
	}
}

func TestPlaces(t *testing.T) {
	s := mustSigner(t, `[{path: {from: /, to: "/{token}/"}, query: {q: x}, form: {f: x}, cookie: {c: x}, header: {x-h: x}}, {json: {j.k: x}}, bearer]`)
	p := s.Places()
	got := strings.Join(slices.Concat(p.Headers, p.Query, p.Cookies, p.Form, p.JSON), " ")
	if want := "X-H Authorization q c f j.k"; got != want {
		t.Errorf("Places = %s, want %s", got, want)
	}
	if !s.NeedsBody() || mustSigner(t, "bearer").NeedsBody() {
		t.Errorf("NeedsBody is wrong")
	}
}

// A body that was changed can be sent again, after a 401.
func TestGetBody(t *testing.T) {
	r, in := request(t, "POST", "/", ""), input()
	if err := mustSigner(t, `{json: {a: "{token}"}}`).Sign(r, in); err != nil {
		t.Fatal(err)
	}
	body, err := r.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	again, _ := io.ReadAll(body)
	held, _ := in.Body.Bytes()
	if !bytes.Equal(again, held) || string(again) != `{"a":"tok"}` {
		t.Errorf("GetBody = %s, in.Body = %s", again, held)
	}
}

func BenchmarkSign(b *testing.B) {
	for _, bb := range []struct{ name, sign string }{
		{"bearer", "bearer"},
		{"basic", `{basic: {username: "{fields.user}/token", password: "{token}"}}`},
		{"header", `{header: {X-Api-Key: "{fields.key}"}}`},
		{"query", `{query: {api_key: "{fields.key}"}}`},
	} {
		b.Run(bb.name, func(b *testing.B) {
			s := mustSigner(b, bb.sign)
			r := request(b, "GET", "/v1/items?limit=10&cursor=abcdef", "", "Accept: */*", "User-Agent: x")
			in := input("key", "sk-0123456789abcdef0123456789abcdef", "user", "me@example.com")
			raw := r.URL.RawQuery
			b.ReportAllocs()
			for b.Loop() {
				r.URL.RawQuery = raw
				if err := s.Sign(r, in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
