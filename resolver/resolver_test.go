package resolver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/providerstest"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/approval"
	"github.com/attache-proxy/attache/resolver/budget"
	"github.com/attache-proxy/attache/resolver/cache"
	"github.com/attache-proxy/attache/resolver/egress"
	"github.com/attache-proxy/attache/resolver/tool"
)

// world is a resolver with one service, reached at an httptest server.
type world struct {
	*resolver.Resolver
	t         *testing.T
	agent     *resolver.Agent
	directory *resolver.Static
	budgets   *budget.Keeper
}

type worldConfig struct {
	yaml     string // the connector; its key is svc
	accounts []*resolver.Account
	grants   []resolver.Grant
	service  http.Handler
	now      func() time.Time
	cache    resolver.Cache
	moreURL  func(*resolver.Account, []string) string
	desk     *approval.Desk
	tools    *tool.Book
}

func newWorld(t *testing.T, c worldConfig) *world {
	t.Helper()
	conn := providerstest.Connector(t, c.yaml)
	for _, a := range c.accounts {
		a.Connector = conn
		a.Option, _ = conn.Option("")
		a.ID = "svc:" + a.Name
		if a.State == "" {
			a.State = resolver.StateActive
		}
		if err := a.Prepare(); err != nil {
			t.Fatal(err)
		}
	}
	dir := resolver.NewStatic(c.accounts)
	if c.grants == nil {
		c.grants = []resolver.Grant{{Connector: "svc", Write: true}}
	}
	if err := dir.AddAgent("tester", []secret.Value{secret.New("tester-token-0123456789")}, c.grants); err != nil {
		t.Fatal(err)
	}
	var bindings []providers.Binding
	for _, a := range c.accounts {
		bindings = append(bindings, a.Bindings()...)
	}
	index, err := providers.NewIndex([]*providers.Connector{conn}, bindings...)
	if err != nil {
		t.Fatal(err)
	}
	routes := map[string]resolver.Route{}
	if c.service != nil {
		srv := httptest.NewServer(c.service)
		t.Cleanup(srv.Close)
		routes["svc"] = resolver.Route{Place: strings.TrimPrefix(srv.URL, "http://"), Plain: true}
	}
	if c.cache == nil {
		c.cache = cache.NewMemory(0)
	}
	guard := &egress.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	client := (&egress.Dialer{Guard: guard}).Client(5*time.Second, nil)
	keeper := &budget.Keeper{Store: new(budget.Memory)}
	r := resolver.New(resolver.Config{
		Budgets: keeper,
		Index:   index, Directory: dir,
		Credentials: &resolver.Credentials{Cache: c.cache, HTTP: func(*providers.Connector) oauth.Doer { return client }, Now: c.now},
		Transports:  resolver.Transports{Guard: guard, Routes: routes}, MoreURL: c.moreURL, Approvals: c.desk, Tools: c.tools,
	})
	agent, err := r.AgentByName(t.Context(), "tester")
	if err != nil {
		t.Fatal(err)
	}
	return &world{r, t, agent, dir, keeper}
}

// do decides and sends one request; its error is that of either.
func (w *world) do(method, path string, body io.Reader, header ...string) (*http.Response, error) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, "https://svc.example"+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	call, err := w.Decide(w.t.Context(), w.ask(method, path))
	if err != nil {
		return nil, err
	}
	return w.Send(req, call)
}

func (w *world) ask(method, path string) resolver.Ask {
	path, _, _ = strings.Cut(path, "?")
	return resolver.Ask{Agent: w.agent, Target: resolver.Target{Host: "svc.example", Port: "443"}, Method: method, Path: path}
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// codeOf is the code of a refusal, or the error's text.
func codeOf(err error) string {
	if r, ok := resolver.AsRefusal(err); ok {
		return r.Code
	}
	return fmt.Sprint(err)
}

const pasted = "key: svc\nhosts: [svc.example, {host: other.example, sign: {header: {X-Other: '{fields.key}'}}}]\nauth: {key: {type: credentials, fields: {key: {secret: true}}, sign: {bearer: '{fields.key}'}}}\naccess: {read: ['POST /search']}\n"

func account(name, key string) *resolver.Account {
	return &resolver.Account{Name: name, Fields: secret.Values{"key": secret.New(key)}}
}

// reflect answers with what it received, as JSON.
func reflectHandler(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "image/x-reflection") // not searched for echoes
	_ = json.NewEncoder(w).Encode(map[string]any{"host": r.Host, "method": r.Method, "uri": r.RequestURI, "header": r.Header, "body": string(b), "length": r.ContentLength})
}

func TestSendSignsAClone(t *testing.T) {
	w := newWorld(t, worldConfig{yaml: pasted, accounts: []*resolver.Account{account("a", "key-0123456789")}, service: http.HandlerFunc(reflectHandler)})
	req, _ := http.NewRequest("POST", "https://svc.example/a%2Fb/c?x=1&y=%20+", strings.NewReader("hello"))
	req.Header = http.Header{"Authorization": {"Bearer dummy"}, "Cookie": {"s=1"}, "X-Forwarded-For": {"127.0.0.1"}, "Via": {"1.1 Caddy"}, "Attache-Account": {"a"}, "X-Mine": {"kept"}}
	before := req.Header.Clone()
	call, err := w.Decide(t.Context(), w.ask("POST", "/a%2Fb/c"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := w.Send(req, call)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Host, URI, Body string
		Header          http.Header
		Length          int
	}
	if err := json.Unmarshal([]byte(body(t, res)), &got); err != nil {
		t.Fatal(err)
	}
	if got.Header.Get("Authorization") != "Bearer key-0123456789" {
		t.Errorf("the service got Authorization %q, want the account's", got.Header.Get("Authorization"))
	}
	for _, name := range []string{"Cookie", "X-Forwarded-For", "Via", "Attache-Account"} {
		if got.Header.Get(name) != "" {
			t.Errorf("the service got %s: %s, want none", name, got.Header.Get(name))
		}
	}
	if got.Header.Get("X-Mine") != "kept" || got.URI != "/a%2Fb/c?x=1&y=%20+" || got.Host != "svc.example" || got.Body != "hello" || got.Length != 5 {
		t.Errorf("the service got %+v, want the request as it was", got)
	}
	if fmt.Sprint(req.Header) != fmt.Sprint(before) {
		t.Errorf("Send changed the request: %v, want %v", req.Header, before)
	}
	if res.Request != req {
		t.Errorf("the response holds the signed request")
	}
}

func TestPermit(t *testing.T) {
	two := []*resolver.Account{account("work", "key-work-123"), account("home", "key-home-123")}
	for name, c := range map[string]struct {
		accounts []*resolver.Account
		grants   []resolver.Grant
		ask      func(*resolver.Ask)
		want     string // code, or the account's name
	}{
		"only one":           {accounts: []*resolver.Account{account("a", "key-12345")}, want: "a"},
		"no grant":           {accounts: []*resolver.Account{account("a", "key-12345")}, grants: []resolver.Grant{}, want: "not_permitted"},
		"read may read":      {accounts: []*resolver.Account{account("a", "key-12345")}, grants: []resolver.Grant{{Connector: "svc"}}, want: "a"},
		"read may not write": {accounts: []*resolver.Account{account("a", "key-12345")}, grants: []resolver.Grant{{Connector: "svc"}}, ask: func(a *resolver.Ask) { a.Method = "POST" }, want: "not_permitted"},
		"listed POST reads": {accounts: []*resolver.Account{account("a", "key-12345")}, grants: []resolver.Grant{{Connector: "svc"}},
			ask: func(a *resolver.Ask) { a.Method, a.Path = "POST", "/search" }, want: "a"},
		"ambiguous":             {accounts: two, want: "account_ambiguous"},
		"chosen":                {accounts: two, ask: func(a *resolver.Ask) { a.Account = "home" }, want: "home"},
		"chosen unknown":        {accounts: two, ask: func(a *resolver.Ask) { a.Account = "nope" }, want: "account_unknown"},
		"one of two granted":    {accounts: two, grants: []resolver.Grant{{Connector: "svc", Account: "home", Write: true}}, want: "home"},
		"chosen but not mine":   {accounts: two, grants: []resolver.Grant{{Connector: "svc", Account: "home"}}, ask: func(a *resolver.Ask) { a.Account = "work" }, want: "account_unknown"},
		"default":               {accounts: []*resolver.Account{account("work", "key-work-123"), {Name: "home", Default: true, Fields: secret.Values{"key": secret.New("key-home-123")}}}, want: "home"},
		"suspended":             {accounts: []*resolver.Account{{Name: "a", State: resolver.StateSuspended}}, want: "account_suspended"},
		"pending":               {accounts: []*resolver.Account{{Name: "a", State: resolver.StatePending}}, want: "account_not_connected"},
		"expired":               {accounts: []*resolver.Account{{Name: "a", State: resolver.StateExpired}}, want: "account_expired"},
		"revoked":               {accounts: []*resolver.Account{{Name: "a", State: resolver.StateRevoked}}, want: "account_revoked"},
		"in error":              {accounts: []*resolver.Account{{Name: "a", State: resolver.StateError}}, want: "account_error"},
		"unknown connector":     {accounts: []*resolver.Account{account("a", "key-12345")}, ask: func(a *resolver.Ask) { a.Connector = "nope" }, want: "unknown_connector"},
		"by connector":          {accounts: []*resolver.Account{account("a", "key-12345")}, ask: func(a *resolver.Ask) { a.Connector, a.Target = "svc", resolver.Target{} }, want: "a"},
		"host of no connector":  {accounts: []*resolver.Account{account("a", "key-12345")}, ask: func(a *resolver.Ask) { a.Target.Host = "else.example" }, want: "(unmatched)"},
		"other port":            {accounts: []*resolver.Account{account("a", "key-12345")}, ask: func(a *resolver.Ask) { a.Target.Port = "8443" }, want: "(unmatched)"},
		"second host, one rule": {accounts: []*resolver.Account{account("a", "key-12345")}, grants: []resolver.Grant{}, ask: func(a *resolver.Ask) { a.Target.Host = "other.example" }, want: "not_permitted"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, a := range c.accounts {
				if a.Fields == nil {
					a.Fields = secret.Values{"key": secret.New("key-12345")}
				}
			}
			w := newWorld(t, worldConfig{yaml: pasted, accounts: c.accounts, grants: c.grants})
			ask := w.ask("GET", "/")
			if c.ask != nil {
				c.ask(&ask)
			}
			call, err := w.Decide(t.Context(), ask)
			got := ""
			switch {
			case err != nil:
				got = codeOf(err)
				if ref, _ := resolver.AsRefusal(err); ref.Next == "" || ref.Detail == "" || ref.HTTPStatus() < 400 {
					t.Errorf("refusal %+v, want a detail, a next step and a status", ref)
				}
			case call.Connector == nil:
				got = "(unmatched)"
			default:
				got = call.Account.Name
			}
			if got != c.want {
				t.Errorf("Decide = %s, want %s", got, c.want)
			}
		})
	}
}

func TestHostPlacesDifferently(t *testing.T) {
	w := newWorld(t, worldConfig{yaml: pasted, accounts: []*resolver.Account{account("a", "key-0123456789")}, service: http.HandlerFunc(reflectHandler)})
	ask := w.ask("GET", "/")
	ask.Target.Host = "other.example"
	call, err := w.Decide(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequest("GET", "https://other.example/", nil)
	res, err := w.Send(req, call)
	if err != nil {
		t.Fatal(err)
	}
	if got := body(t, res); !strings.Contains(got, `"X-Other":["key-0123456789"]`) || strings.Contains(got, "Bearer") {
		t.Errorf("the service got %s, want the key in X-Other alone", got)
	}
}

func TestTenantHostsAreEnforced(t *testing.T) {
	const tenant = "key: svc\nhosts: ['{fields.sub}.svc.example']\nbase_url: https://{fields.sub}.svc.example\nauth: {key: {type: credentials, fields: {sub: {}, key: {secret: true}}, sign: bearer}}\n"
	acct := func(name string) *resolver.Account {
		return &resolver.Account{Name: name, Fields: secret.Values{"key": secret.New("key-" + name + "-123"), "sub": secret.New(name)}}
	}
	w := newWorld(t, worldConfig{yaml: tenant, accounts: []*resolver.Account{acct("acme"), acct("emca")}})
	ask := w.ask("GET", "/")
	for host, want := range map[string]string{"acme.svc.example": "acme", "emca.svc.example": "emca", "evil.svc.example": "account_ambiguous"} {
		ask.Target.Host = host
		call, err := w.Decide(t.Context(), ask)
		got := codeOf(err)
		if err == nil {
			got = call.Account.Name
		}
		if got != want {
			t.Errorf("Decide(%s) = %s, want %s", host, got, want)
		}
	}
	ask.Target.Host, ask.Account = "evil.svc.example", "acme"
	if _, err := w.Decide(t.Context(), ask); codeOf(err) != "not_permitted" {
		t.Errorf("Decide(evil.svc.example, account acme) = %v, want not_permitted", err)
	}
	ask = resolver.Ask{Agent: w.agent, Connector: "svc", Account: "emca", Method: "GET", Path: "/"}
	call, err := w.Decide(t.Context(), ask)
	if err != nil || call.Target.Host != "emca.svc.example" {
		t.Errorf("Decide by connector = %+v, %v; want the account's own host", call, err)
	}
}

// tokenService is a token endpoint and the service that takes its tokens.
type tokenService struct {
	mu       sync.Mutex
	asked    atomic.Int64
	valid    map[string]bool
	delay    time.Duration
	life     int
	status   int
	answer   string
	lastForm url.Values
}

func (s *tokenService) token(w http.ResponseWriter, r *http.Request) {
	n := s.asked.Add(1)
	_ = r.ParseForm()
	time.Sleep(s.delay)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastForm = r.PostForm
	if s.status != 0 {
		if strings.HasPrefix(s.answer, "{") {
			w.Header().Set("Content-Type", "application/json")
		}
		w.WriteHeader(s.status)
		_, _ = io.WriteString(w, s.answer)
		return
	}
	tok := fmt.Sprintf("token-%d-0123456789", n)
	if s.valid == nil {
		s.valid = map[string]bool{}
	}
	s.valid[tok] = true
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":%d}`, tok, s.life)
}

func (s *tokenService) serve(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	ok := s.valid[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	s.mu.Unlock()
	if !ok {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	fmt.Fprintf(w, "ok %s", b)
}

func (s *tokenService) revokeAll() {
	s.mu.Lock()
	s.valid = nil
	s.mu.Unlock()
}

func oauthWorld(t *testing.T, s *tokenService) *world {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(s.token))
	t.Cleanup(srv.Close)
	yaml := "key: svc\nhosts: [svc.example]\nauth: {oauth2: {type: oauth2, grant_type: client_credentials, token_url: '" + srv.URL + "/token'}}\n"
	acct := &resolver.Account{Name: "a", App: secret.Values{"client_id": secret.New("id"), "client_secret": secret.New("secret-0123456789")}}
	return newWorld(t, worldConfig{yaml: yaml, accounts: []*resolver.Account{acct}, service: http.HandlerFunc(s.serve)})
}

func TestOneTokenRequestForMany(t *testing.T) {
	s := &tokenService{delay: 50 * time.Millisecond, life: 3600}
	w := oauthWorld(t, s)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			res, err := w.do("GET", "/", nil)
			if err != nil || res.StatusCode != 200 {
				t.Errorf("do = %v, %v; want 200", res, err)
			}
		})
	}
	wg.Wait()
	if got := s.asked.Load(); got != 1 {
		t.Errorf("token requests = %d, want 1", got)
	}
}

func TestFirstCallerMayHangUp(t *testing.T) {
	s := &tokenService{delay: 200 * time.Millisecond, life: 3600}
	w := oauthWorld(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		req, _ := http.NewRequestWithContext(ctx, "GET", "https://svc.example/", nil)
		call, _ := w.Decide(ctx, w.ask("GET", "/"))
		_, _ = w.Send(req, call)
	}()
	time.Sleep(50 * time.Millisecond)
	cancel()
	<-gone
	if res, err := w.do("GET", "/", nil); err != nil || res.StatusCode != 200 {
		t.Errorf("second caller = %v, %v; want 200", res, err)
	}
	if got := s.asked.Load(); got != 1 {
		t.Errorf("token requests = %d, want 1: the second caller joins the first one's", got)
	}
}

func Test401ForcesOneRefresh(t *testing.T) {
	s := &tokenService{life: 3600}
	w := oauthWorld(t, s)
	if _, err := w.do("GET", "/", nil); err != nil {
		t.Fatal(err)
	}
	s.revokeAll()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			res, err := w.do("POST", "/", strings.NewReader("payload"))
			if err != nil || res.StatusCode != 200 {
				t.Errorf("after revocation = %v, %v; want 200", res, err)
				return
			}
			if got := body(t, res); got != "ok payload" {
				t.Errorf("the service got %q, want the whole body again", got)
			}
		})
	}
	wg.Wait()
	if got := s.asked.Load(); got != 2 {
		t.Errorf("token requests = %d, want 2: one at first, one forced", got)
	}
}

// A service that answers 401 to every token does not make us ask for ever.
func TestEndless401(t *testing.T) {
	s := &tokenService{life: 3600}
	srv := httptest.NewServer(http.HandlerFunc(s.token))
	t.Cleanup(srv.Close)
	yaml := "key: svc\nhosts: [svc.example]\nauth: {oauth2: {type: oauth2, grant_type: client_credentials, token_url: '" + srv.URL + "'}}\n"
	w := newWorld(t, worldConfig{yaml: yaml, accounts: []*resolver.Account{{Name: "a", App: secret.Values{"client_id": secret.New("id"), "client_secret": secret.New("secret-0123456789")}}},
		service: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(401) })})
	for range 10 {
		res, err := w.do("GET", "/", nil)
		if err != nil || res.StatusCode != 401 {
			t.Fatalf("do = %v, %v; want the service's own 401", res, err)
		}
	}
	if got := s.asked.Load(); got != 2 {
		t.Errorf("token requests = %d, want 2", got)
	}
}

func TestUnreplayableBodyPasses401On(t *testing.T) {
	s := &tokenService{life: 3600}
	w := oauthWorld(t, s)
	if _, err := w.do("GET", "/", nil); err != nil {
		t.Fatal(err)
	}
	s.revokeAll()
	res, err := w.do("POST", "/", io.MultiReader(strings.NewReader("of unknown length")))
	if err != nil || res.StatusCode != 401 {
		t.Fatalf("do = %v, %v; want 401", res, err)
	}
	time.Sleep(100 * time.Millisecond)
	if res, err := w.do("POST", "/", io.MultiReader(strings.NewReader("again"))); err != nil || res.StatusCode != 200 {
		t.Errorf("the next request = %v, %v; want 200 with the new token", res, err)
	}
}

func TestTokenEndpointFailures(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		answer string
		want   string
	}{
		"down":            {503, "canary-secret-body", "token_endpoint_unavailable"},
		"invalid grant":   {400, `{"error":"invalid_grant"}`, "account_expired"},
		"invalid client":  {401, `{"error":"invalid_client","error_description":"no"}`, "account_error"},
		"the same by 400": {400, `{"error":"invalid_client","error_description":"no"}`, "account_error"},
		"of GitHub":       {200, `{"error":"incorrect_client_credentials"}`, "account_error"},
		"may not":         {400, `{"error":"unauthorized_client"}`, "account_error"},
		"401 alone":       {401, `{}`, "account_error"},
		"401 of a page":   {401, "<html>canary-secret-body</html>", "token_endpoint_unavailable"},
		"client in a 503": {503, `{"error":"invalid_client"}`, "token_endpoint_unavailable"},
		"html":            {200, "<html>canary-secret-body</html>", "token_endpoint_unavailable"},
		"created":         {201, `{"access_token":"canary-secret-body"}`, "token_endpoint_unavailable"},
		"nested":          {200, `{"data":{"access_token":"canary-secret-body"}}`, "token_endpoint_unavailable"},
		"negative expiry": {200, `{"access_token":"canary-secret-body","token_type":"bearer","expires_in":-5}`, "token_endpoint_unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &tokenService{status: c.status, answer: c.answer}
			w := oauthWorld(t, s)
			_, err := w.do("GET", "/", nil)
			if codeOf(err) != c.want {
				t.Errorf("do = %v, want %s", err, c.want)
			}
			rec := httptest.NewRecorder()
			if ref, ok := resolver.AsRefusal(err); ok {
				ref.Answer(rec, httptest.NewRequest("GET", "/", nil))
			}
			for _, text := range []string{rec.Body.String(), fmt.Sprint(err)} {
				if strings.Contains(text, "canary-secret-body") || strings.Contains(text, "secret-0123456789") {
					t.Errorf("the refusal holds what the endpoint said or our secret: %s", text)
				}
			}
			// No hammering: right after a failure nobody asks again.
			for range 5 {
				_, _ = w.do("GET", "/", nil)
			}
			if got := s.asked.Load(); got != 1 {
				t.Errorf("token requests = %d, want 1 while backing off", got)
			}
		})
	}
}

func TestEarlyRefreshInTheBackground(t *testing.T) {
	s := &tokenService{life: 3600}
	var offset atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	srv := httptest.NewServer(http.HandlerFunc(s.token))
	t.Cleanup(srv.Close)
	yaml := "key: svc\nhosts: [svc.example]\nauth: {oauth2: {type: oauth2, grant_type: client_credentials, token_url: '" + srv.URL + "'}}\n"
	w := newWorld(t, worldConfig{yaml: yaml, now: now, accounts: []*resolver.Account{{Name: "a", App: secret.Values{"client_id": secret.New("id"), "client_secret": secret.New("secret-0123456789")}}}, service: http.HandlerFunc(s.serve)})
	get := func() {
		t.Helper()
		if res, err := w.do("GET", "/", nil); err != nil || res.StatusCode != 200 {
			t.Fatalf("do = %v, %v; want 200", res, err)
		}
	}
	get()
	offset.Store(int64(47 * time.Minute))
	get()
	if got := s.asked.Load(); got != 1 {
		t.Errorf("token requests after 47 of 60 minutes = %d, want 1", got)
	}
	offset.Store(int64(57 * time.Minute)) // within the last tenth
	s.delay = 300 * time.Millisecond
	began := time.Now()
	get()
	if took := time.Since(began); took > 200*time.Millisecond {
		t.Errorf("a request in the refresh window took %v, want it not to wait", took)
	}
	deadline := time.Now().Add(3 * time.Second)
	for s.asked.Load() < 2 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if got := s.asked.Load(); got != 2 {
		t.Errorf("token requests = %d, want 2: one refresh ahead of time", got)
	}
}

func TestUpstreamRefusals(t *testing.T) {
	w := newWorld(t, worldConfig{yaml: "key: svc\nhosts: ['svc.example', '169.254.169.254']\nauth: {key: {type: credentials, fields: {key: {secret: true}}}}\n", accounts: []*resolver.Account{account("a", "key-0123456789")}})
	ask := w.ask("GET", "/")
	ask.Target.Host = "169.254.169.254"
	call, err := w.Decide(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequest("GET", "https://169.254.169.254/", nil)
	if _, err := w.Send(req, call); codeOf(err) != "upstream_denied" {
		t.Errorf("Send to link-local = %v, want upstream_denied", err)
	}
	if _, err := w.DialTunnel(t.Context(), resolver.Target{Host: "10.0.0.1", Port: "443"}); codeOf(err) != "upstream_denied" {
		t.Errorf("DialTunnel to a private address = %v, want upstream_denied", err)
	}
	bad := httptest.NewTLSServer(http.HandlerFunc(reflectHandler))
	defer bad.Close()
	w2 := newWorld(t, worldConfig{yaml: "key: svc\nhosts: ['127.0.0.1:" + strings.TrimPrefix(bad.URL, "https://127.0.0.1:") + "']\nauth: {key: {type: credentials, fields: {key: {secret: true}}}}\n", accounts: []*resolver.Account{account("a", "key-0123456789")}})
	ask = w2.ask("GET", "/")
	ask.Target = resolver.Target{Host: "127.0.0.1", Port: strings.TrimPrefix(bad.URL, "https://127.0.0.1:")}
	if call, err = w2.Decide(t.Context(), ask); err != nil {
		t.Fatal(err)
	}
	req, _ = http.NewRequest("GET", bad.URL, nil)
	_, err = w2.Send(req, call)
	if ref, _ := resolver.AsRefusal(err); ref == nil || ref.Code != "upstream_unreachable" || !strings.Contains(ref.Detail, "certificate") {
		t.Errorf("Send to a server with an unknown CA = %v, want upstream_unreachable that names the certificate", err)
	}
}

func TestLargeBodyThatMustBeSignedIsRefused(t *testing.T) {
	w := newWorld(t, worldConfig{yaml: "key: svc\nhosts: [svc.example]\nauth: {key: {type: credentials, fields: {key: {secret: true}}, sign: {json: {auth: '{token}'}}}}\n",
		accounts: []*resolver.Account{account("a", "key-0123456789")}, service: http.HandlerFunc(reflectHandler)})
	_, err := w.do("POST", "/", io.LimitReader(zeros{}, 17<<20), "Content-Type", "application/json")
	if ref, _ := resolver.AsRefusal(err); ref == nil || ref.Code != "cannot_sign" || ref.HTTPStatus() != 413 {
		t.Errorf("do with 17 MiB = %v, want cannot_sign with 413", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
