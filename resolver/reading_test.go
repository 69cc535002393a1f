package resolver_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
)

// seen is a service that keeps what reached it.
type seen struct {
	requests []*http.Request
	bodies   []string
}

func (s *seen) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return // it broke off: nothing is done
	}
	s.requests, s.bodies = append(s.requests, r), append(s.bodies, string(b))
}

func (s *seen) last() *http.Request { return s.requests[len(s.requests)-1] }

// ask decides and sends a request as a door would.
func (w *world) send(req *http.Request) (*resolver.Call, error) {
	w.t.Helper()
	ask := resolver.AskOf(req, req.URL)
	ask.Agent, ask.Target = w.agent, resolver.Target{Host: req.URL.Hostname(), Port: "443"}
	call, err := w.Decide(w.t.Context(), ask)
	if err != nil {
		return call, err
	}
	res, err := w.Send(req, call)
	if err == nil {
		res.Body.Close()
	}
	return call, err
}

const readingYAML = `
key: svc
hosts: [svc.example, other.example]
auth: {key: {type: credentials, fields: {key: {secret: true}}, sign: {bearer: "{fields.key}"}}}
access: {read: ["POST /search"], write: ["GET /send"]}
`

// What reads for an agent that may only read, and what the audit says of it.
func TestReadingIsReading(t *testing.T) {
	s := &seen{}
	acct := &resolver.Account{Name: "one", Fields: secret.Values{"key": secret.New("k-0123456789")}}
	w := newWorld(t, worldConfig{yaml: readingYAML, accounts: []*resolver.Account{acct}, grants: []resolver.Grant{{Connector: "svc"}}, service: s})
	for _, c := range []struct{ method, target, header, code, counts string }{
		{"GET", "/x", "", "", "GET"}, {"POST", "/search", "", "", "POST"}, {"POST", "/x", "", "not_permitted", "POST"},
		{"TRACE", "/x", "", "method_refused", "TRACE"}, {"TRACK", "/x", "", "method_refused", "TRACK"}, {"DEBUG", "/x", "", "method_refused", "DEBUG"}, {"trace", "/x", "", "method_refused", "trace"}, {"tRaCe", "/x", "", "method_refused", "tRaCe"},
		{"GE T", "/x", "", "bad_request", ""}, {"GET\r\nX: y", "/x", "", "bad_request", ""}, {"GÉT", "/x", "", "bad_request", ""}, {"", "/x", "", "bad_request", ""}, {strings.Repeat("A", 65), "/x", "", "bad_request", ""}, {"GET/", "/x", "", "bad_request", ""},
		{"GET", "/x", "X-HTTP-Method-Override: DELETE", "not_permitted", "DELETE"}, {"GET", "/x", "X-Http-Method-Override: TRACE", "method_refused", "TRACE"}, {"GET", "/x?_method=TRACE", "", "method_refused", "TRACE"}, {"POST", "/search", "X-HTTP-Method: a b", "bad_request", "A B"},
		{"GET", "/x?_method=PUT", "", "not_permitted", "PUT"}, {"GET", "/send", "", "not_permitted", "GET"}, {"GET", "/%73end", "", "not_permitted", "GET"},
		{"GET", "/x", "Impersonate-User: admin", "not_permitted", "GET"}, {"GET", "/x", "Impersonate-Extra-Scopes: x", "not_permitted", "GET"}, {"GET", "/x", "impersonate_group: system:masters", "not_permitted", "GET"}, {"GET", "/x", "Sudo: root", "not_permitted", "GET"}, {"POST", "/search", "As-User: 1", "not_permitted", "POST"},
		{"GET", "/x", "_method: DELETE", "not_permitted", "DELETE"}, {"GET", "/x", "X-HttpMethod-Override: DELETE", "not_permitted", "DELETE"}, {"GET", "/x", "X-HTTPMethodOverride: DELETE", "not_permitted", "DELETE"}, {"GET", "/x", "X-REST-Method: DELETE", "not_permitted", "DELETE"}, {"GET", "/x", "X-Methodology: DELETE", "", "GET"},
		{"GET", "/x?_method[0]=DELETE", "", "not_permitted", "DELETE"}, {"GET", "/x?_method%5B%5D%5B1%5D=DELETE", "", "not_permitted", "DELETE"}, {"GET", "/x?%EF%BC%BFmethod=DELETE", "", "not_permitted", "DELETE"}, {"GET", "/x?a[method]=x", "", "", "GET"},
		{"GET", "/x", "X-Egnyte-Act-As-Email: a@b", "not_permitted", "GET"}, {"GET", "/x", "Api-Username: system", "not_permitted", "GET"}, {"GET", "/x", "X-WEBAUTH-ROLE: Admin", "", "GET"}, {"GET", "/x?as_user_id=1", "", "not_permitted", "GET"}, {"GET", "/x?onBehalfOfContentOwner=x", "", "not_permitted", "GET"}, {"GET", "/x?runAs=x", "", "not_permitted", "GET"}, {"GET", "/x?user_name=x", "", "", "GET"},
		{"GET", "/x?sudo=root", "", "not_permitted", "GET"}, {"GET", "/x?a=1&%73udo=root", "", "not_permitted", "GET"}, {"GET", "/x?pseudo=root", "", "", "GET"}, {"GET", "/x", "X-Goog-User-Project: mine", "", "GET"}, {"GET", "/x", "X-Remote-User: admin", "", "GET"},
		{"GET", "/ws", "Upgrade: websocket", "not_permitted", "GET"}, {"CONNECT", "/ws", ":protocol: websocket", "not_permitted", "GET"},
	} {
		req := &http.Request{Method: c.method, URL: mustURL(t, "https://svc.example"+c.target), Header: http.Header{}}
		if name, value, ok := strings.Cut(strings.TrimPrefix(c.header, ":"), ": "); ok {
			if strings.HasPrefix(c.header, ":") {
				name = ":" + name
			}
			if req.Header[name] = []string{value}; !strings.HasPrefix(name, ":") {
				delete(req.Header, name)
				req.Header.Set(name, value)
			}
		}
		before := len(s.requests)
		call, err := w.send(req)
		if got := strings.TrimPrefix(codeOf(err), "<nil>"); got != c.code || c.counts != "" && call.Method != c.counts {
			t.Errorf("%q %s %s = %s (counts as %s), want %s (%s)", c.method, c.target, c.header, got, call.Method, c.code, c.counts)
		}
		if (len(s.requests) > before) != (c.code == "") {
			t.Errorf("%q %s %s: the service saw %d requests more", c.method, c.target, c.header, len(s.requests)-before)
		}
	}
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// A POST that the connector lists as reading cannot become another method by its
// body, in whatever pieces that comes; all spellings are tried in the package override.
func TestBodiesOverrideNothing(t *testing.T) {
	s := &seen{}
	acct := &resolver.Account{Name: "one", Fields: secret.Values{"key": secret.New("k-0123456789")}}
	cfg := worldConfig{yaml: readingYAML, accounts: []*resolver.Account{acct}, grants: []resolver.Grant{{Connector: "svc"}}, service: s}
	w := newWorld(t, cfg)
	multipart := func(disposition string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"q\"\r\n\r\nx\r\n--b\r\n" + disposition + "\r\n\r\nDELETE\r\n--b--\r\n"
	}
	const form, parts = "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
	for _, c := range []struct {
		contentType, body string
		overrides         bool
	}{
		{form, "q=1&r=2", false}, {form, "q=_method", false}, {form, "q=_method=x", false}, {form, "_method=DELETE", true}, {form, "q=1&_method=DELETE&r=2", true}, {form, "q=1&%5fmethod=DELETE", true}, {form, "q=1;_method=x", true},
		{form, strings.Repeat("a", 300) + "=1&_method=x", true}, {form, "_METHOD=x", true}, {form, "q=" + strings.Repeat("x", 100<<10) + "&_method=PUT", true}, {"", "_method=x", true}, {"x;;", "_method=x", true}, {form + "; charset=utf-8", "_method=x", true},
		{form, ".method=x", true}, {form, "_HttpMethod=PATCH", true}, {form, "_method", false},
		{"application/json", `{"q":"_method"}`, false}, {"application/json", `{"q":"\"_method\":"}`, false}, {"application/json", `{"_method":"DELETE"}`, true}, {"application/json", `{"q":1,"_\u006dethod" : "PUT"}`, true}, {"application/vnd.x+json", `[{"_method":1}]`, true}, {"application/json", `["_method"]`, false},
		{parts, multipart(`Content-Disposition: form-data; name="r"`), false}, {parts, multipart(`Content-Disposition: form-data; name="_method"`), true}, {parts, multipart(`content-disposition:form-data;name=_method`), true}, {parts, multipart("Content-Disposition: form-data;\r\n name=\"_method\""), true},
		{parts, multipart(`Content-Disposition: form-data; name*=UTF-8''%5fmethod`), true}, {parts, multipart(`Content-Disposition: form-data; name="_me\thod"`), true}, {parts, multipart(`Content-Disposition: form-data; filename="_method"; name="f"`), false},
		{"text/plain", "_method=DELETE", true}, {"text/plain", "the _method", false}, {form, `{"query":"{ a }"}`, false}, {form, `{"_method":1}`, true}, {"application/json", `{'_method':1}`, true}, {"application/json", `{"q":"` + strings.Repeat("x", 3<<20) + `"}`, false}, {"application/json", `{"q":"` + strings.Repeat("x", 9<<20) + `"}`, true}, {"application/graphql", "{ _method }", false},
	} {
		for _, piece := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader} {
			if len(c.body) > 1<<20 {
				piece = iotest.HalfReader // byte by byte onto the disk takes minutes
			}
			before := len(s.requests)
			req, err := http.NewRequestWithContext(t.Context(), "POST", "https://svc.example/search", io.NopCloser(piece(strings.NewReader(c.body))))
			if err != nil {
				t.Fatal(err)
			}
			if c.contentType != "" {
				req.Header.Set("Content-Type", c.contentType)
			}
			_, err = w.send(req)
			want := map[bool]string{true: "not_permitted", false: ""}[c.overrides]
			if got := strings.TrimPrefix(codeOf(err), "<nil>"); got != want || (len(s.requests) > before) == c.overrides {
				t.Errorf("%s %.80q = %s, want %s; the service saw %d", c.contentType, c.body, got, want, len(s.requests)-before)
			}
			if !c.overrides && len(s.bodies) > before && s.bodies[len(s.bodies)-1] != c.body {
				t.Errorf("%s %.80q arrived as %.80q", c.contentType, c.body, s.bodies[len(s.bodies)-1])
			}
		}
	}
	req := httptest.NewRequestWithContext(t.Context(), "POST", "https://svc.example/search", strings.NewReader("zipped"))
	req.Header.Set("Content-Type", form)
	req.Header.Set("Content-Encoding", "gzip")
	_, err := w.send(req)
	wantRefusal(t, "a compressed form", err, "not_permitted", "compressed")
	req = httptest.NewRequestWithContext(t.Context(), "POST", "https://svc.example/search", strings.NewReader("zipped"))
	req.Header = http.Header{"Content-Type": {form}, "Content-Encoding": {"identity", "gzip"}}
	_, err = w.send(req)
	wantRefusal(t, "a form compressed in a second line", err, "not_permitted", "compressed")
	req = httptest.NewRequestWithContext(t.Context(), "POST", "https://svc.example/search", strings.NewReader("_method=DELETE"))
	req.Header["Content-Type"] = []string{"text/plain", form}
	_, err = w.send(req)
	wantRefusal(t, "a body of two types", err, "not_permitted", "several types")
	req = httptest.NewRequestWithContext(t.Context(), "POST", "https://svc.example/search", strings.NewReader("0032want"))
	req.Header = http.Header{"Content-Type": {"application/x-git-upload-pack-request"}, "Content-Encoding": {"gzip"}}
	if _, err := w.send(req); err != nil || s.bodies[len(s.bodies)-1] != "0032want" {
		t.Errorf("a clone: %v", err)
	}
	cfg.grants = []resolver.Grant{{Connector: "svc", Write: true}}
	w = newWorld(t, cfg)
	req = httptest.NewRequestWithContext(t.Context(), "POST", "https://svc.example/x", strings.NewReader("_method=DELETE"))
	req.Header.Set("Content-Type", form)
	if _, err := w.send(req); err != nil || s.bodies[len(s.bodies)-1] != "_method=DELETE" {
		t.Errorf("an agent that may write: %v", err)
	}
}

// Headers that name another sender, host or path do not reach the service.
func TestOriginsAreNotClaimed(t *testing.T) {
	s := &seen{}
	acct := &resolver.Account{Name: "one", Fields: secret.Values{"key": secret.New("k-0123456789")}}
	w := newWorld(t, worldConfig{yaml: readingYAML, accounts: []*resolver.Account{acct}, service: s})
	req := httptest.NewRequestWithContext(t.Context(), "GET", "https://svc.example/x", nil)
	gone := []string{"X-Original-URL", "X-Rewrite-URL", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Prefix", "Forwarded", "X-Real-IP", "X-Host", "X-Original-Uri", "X-Http-Host-Override", "True-Client-Ip", "X-Envoy-Original-Path", "X-Remote-User", "X-Remote-Group", "X-Remote-Extra-Scopes", "X_Remote_Group", "X-Auth-Request-Email", "X-Consumer-Username"}
	for _, name := range gone {
		req.Header.Set(name, "/admin")
	}
	req.Header.Set("X-HTTP-Method-Override", "PATCH")
	req.Header.Set("Impersonate-User", "admin") // of an agent that may write
	call, err := w.send(req)
	if err != nil || call.Method != "PATCH" {
		t.Fatalf("counts as %s, %v", call.Method, err)
	}
	for _, name := range gone {
		if v := s.last().Header.Get(name); v != "" {
			t.Errorf("%s reached the service", name)
		}
	}
	if s.last().Header.Get("X-HTTP-Method-Override") != "PATCH" || s.last().Header.Get("Impersonate-User") != "admin" || req.Header.Get("X-Host") == "" {
		t.Error("the override is gone, or the agent's request was changed")
	}
}

// A 101 that nobody asked for would make a tunnel of a request to read.
func TestUnaskedUpgrade(t *testing.T) {
	switches := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		_ = conn.Close()
	})
	acct := &resolver.Account{Name: "one", Fields: secret.Values{"key": secret.New("k-0123456789")}}
	for _, own := range []string{"", "Bearer of-the-clients-own"} {
		w := newWorld(t, worldConfig{yaml: readingYAML, accounts: []*resolver.Account{acct}, grants: []resolver.Grant{{Connector: "svc", Write: true, Placeholder: own != ""}}, service: switches})
		for upgrade, refused := range map[string]bool{"": true, "websocket": true, "x": false, "websocket, X": false} {
			req := httptest.NewRequestWithContext(t.Context(), "GET", "https://svc.example/live/x", nil)
			if own != "" {
				req.Header.Set("Authorization", own)
			}
			if upgrade != "" {
				req.Header.Set("Connection", "Upgrade")
				req.Header.Set("Upgrade", upgrade)
			}
			if _, err := w.send(req); (err != nil) != refused {
				t.Errorf("a 101 to Upgrade %q with %q = %v, want an error: %v", upgrade, own, err, refused)
			}
		}
	}
}

func TestRulesNameHosts(t *testing.T) {
	g := resolver.Granted{Rules: []resolver.Rule{{Hosts: []string{"api.example", "*.eu.example"}, Methods: []string{"GET"}}, {Hosts: []string{"up.example"}}}}
	for _, c := range []struct {
		host, method string
		want         bool
	}{{"api.example", "GET", true}, {"api.example", "PUT", false}, {"x.eu.example", "GET", true}, {"x.y.eu.example", "GET", true}, {"eu.example", "GET", false}, {"xeu.example", "GET", false}, {"up.example", "PUT", true}, {"evil.up.example", "PUT", false}, {"", "GET", false}} {
		if got := g.Allows(c.host, []string{c.method}, "/"); got != c.want {
			t.Errorf("Allows(%s %s) = %v, want %v", c.method, c.host, got, c.want)
		}
	}
	if g.Allows("api.example", []string{"GET", "DELETE"}, "/") {
		t.Error("a rule for GET covers a request that may be DELETE")
	}
}

// Trailers that servers could take for headers do not pass; others do.
func TestTrailers(t *testing.T) {
	s := &seen{}
	acct := &resolver.Account{Name: "one", Fields: secret.Values{"key": secret.New("k-0123456789")}}
	w := newWorld(t, worldConfig{yaml: readingYAML, accounts: []*resolver.Account{acct}, service: s})
	for _, known := range []bool{true, false} {
		req := httptest.NewRequestWithContext(t.Context(), "POST", "https://svc.example/x", nil)
		req.ContentLength = -1
		req.Trailer = http.Header{}
		bad := []string{"Authorization", "Cookie", "X-Http-Method-Override", "X-Forwarded-For", "Content-Length", "Proxy-Authorization", "Transfer-Encoding", "Host"}
		fill := func() {
			for _, name := range append(bad, "X-Checksum") {
				req.Trailer[name] = []string{"v"}
			}
		}
		if fill(); !known {
			for name := range req.Trailer {
				req.Trailer[name] = nil
			}
		}
		req.Body = io.NopCloser(io.MultiReader(strings.NewReader("hello"), atEOF(func() { fill(); req.Trailer["X-Late"] = []string{"v"} })))
		if _, err := w.send(req); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(s.last().Trailer); got != "map[X-Checksum:[v]]" {
			t.Errorf("the trailers are %s", got)
		}
	}
}

type atEOF func()

func (f atEOF) Read([]byte) (int, error) { f(); return 0, io.EOF }

// What a connection authenticates is shared by nobody else, and a request that
// may have taken effect is not to be repeated blindly.
func TestOutcomeUnknown(t *testing.T) {
	acct := &resolver.Account{Name: "one", Fields: secret.Values{"key": secret.New("k-0123456789")}}
	w := newWorld(t, worldConfig{yaml: readingYAML, accounts: []*resolver.Account{acct}, service: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })})
	for method, unknown := range map[string]bool{"POST": true, "PUT": true, "PATCH": true, "DELETE": true, "GET": false, "HEAD": false, "OPTIONS": false} {
		_, err := w.send(httptest.NewRequestWithContext(t.Context(), method, "https://svc.example/x", nil))
		ref, ok := resolver.AsRefusal(err)
		if !ok || strings.Contains(ref.Detail, "is not known") != unknown || strings.Contains(ref.Next, "Do not repeat") != unknown {
			t.Errorf("%s: %v, next %q", method, err, ref.Next)
		}
	}
}

// An NTLM or Negotiate connection serves the agent and account that opened it.
func TestConnectionsAreParted(t *testing.T) {
	from := map[string]string{}
	acct := func(name string) *resolver.Account {
		return &resolver.Account{Name: name, Fields: secret.Values{"key": secret.New("k-0123456789-" + name)}}
	}
	yaml := strings.Replace(readingYAML, "access:", "keep: [authorization]\naccess:", 1)
	yaml = strings.Replace(yaml, `{bearer: "{fields.key}"}`, `{header: {X-Key: "{fields.key}"}}`, 1)
	w := newWorld(t, worldConfig{yaml: yaml, accounts: []*resolver.Account{acct("one"), acct("two")}, service: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { from[r.URL.Path] = r.RemoteAddr })})
	get := func(account, path, authorization string) {
		req := httptest.NewRequestWithContext(t.Context(), "GET", "https://svc.example"+path, nil)
		if authorization != "" {
			req.Header.Set("Authorization", authorization)
		}
		ask := resolver.AskOf(req, req.URL)
		ask.Agent, ask.Account, ask.Target = w.agent, account, resolver.Target{Host: "svc.example", Port: "443"}
		call, err := w.Decide(t.Context(), ask)
		if err != nil {
			t.Fatal(err)
		}
		res, err := w.Send(req, call)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	get("one", "/plain", "")
	get("two", "/plain-too", "")
	get("one", "/ntlm", "NTLM TlRMTVNT")
	get("two", "/negotiate", "negotiate YII=")
	get("one", "/after", "")
	if from["/plain"] == from["/plain-too"] || from["/plain"] != from["/after"] {
		t.Errorf("connections are not one account's each: %v", from)
	}
	if from["/ntlm"] == from["/plain"] || from["/negotiate"] == from["/plain-too"] || from["/negotiate"] == from["/ntlm"] {
		t.Errorf("a connection that the agent authenticated is shared: %v", from)
	}
}
