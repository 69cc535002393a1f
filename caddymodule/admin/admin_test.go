package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin"
	"github.com/attache-proxy/attache/caddymodule/admin/api"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

func TestMain(m *testing.M) { os.Exit(vaulttest.Main(m)) }

// catalogue has two connectors that are built in.
type catalogue struct{ list []*providers.Connector }

var builtin = []string{`
key: desk
title: Desk
category: support
hosts: ["{fields.subdomain}.desk.example"]
base_url: https://{fields.subdomain}.desk.example
docs: https://desk.example/docs
auth:
  token:
    type: credentials
    title: API token
    help: https://desk.example/tokens
    fields:
      subdomain: {title: Subdomain, pattern: "^[a-z0-9-]+$"}
      email: {title: E-mail, format: email}
      api_token: {title: API token, secret: true}
    sign: {basic: {username: "{fields.email}/token", password: "{fields.api_token}"}}
  oauth:
    type: oauth2
    title: Sign in
    fields: {subdomain: {title: Subdomain, pattern: "^[a-z0-9-]+$", optional: true}}
    authorize_url: https://desk.example/authorize
    token_url: https://desk.example/token
    scopes: [read, write]
test: {get: /me, expect: 200}
`, `
key: hub
title: Hub
category: dev
hosts: [api.hub.example]
auth:
  token:
    type: credentials
    fields: {token: {title: Token, secret: true}}
    sign: bearer
test: {get: /user, expect: 200}
`}

func newCatalogue(t *testing.T) *catalogue {
	t.Helper()
	c := &catalogue{}
	for _, text := range builtin {
		def, err := providers.Parse("test", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		con, err := providers.Compile(def)
		if err != nil {
			t.Fatal(err)
		}
		c.list = append(c.list, con)
	}
	return c
}

func (c *catalogue) Connectors() []*providers.Connector { return c.list }

func (c *catalogue) Connector(key string) (*providers.Connector, bool) {
	for _, con := range c.list {
		if con.Key == key {
			return con, true
		}
	}
	return nil, false
}

func (c *catalogue) Check(def *providers.Definition) (*providers.Connector, error) {
	return providers.Compile(def)
}

func (c *catalogue) Sharing(_ string, con *providers.Connector) (keys []string) {
	for _, o := range c.list {
		if o.Key != con.Key && o.SharesHost(con) {
			keys = append(keys, o.Key)
		}
	}
	return keys
}

// service takes credentials that begin with "good", and is away for "away".
type service struct {
	v     *vault.Vault
	mu    sync.Mutex
	tests int
}

func (s *service) Test(ctx context.Context, t connect.Trial) (connect.Verdict, error) {
	s.mu.Lock()
	s.tests++
	s.mu.Unlock()
	values := t.Fields
	if t.AccountID != "" {
		u, err := s.v.Unseal(ctx, t.AccountID)
		if err != nil {
			return connect.Verdict{}, err
		}
		values = u.Credential.Fields
	}
	all := ""
	for _, set := range []secret.Values{values, t.App} {
		for _, v := range set {
			all += v.Reveal() + " "
		}
	}
	v := connect.Verdict{Tested: true, Status: 200, Expected: 200}
	switch {
	case strings.Contains(all, "away"):
		return v, errors.New("dial: no route to " + all)
	case strings.Contains(all, "broken"):
		v.Status, v.Problem = 500, "it answered 500 instead of 200"
	case strings.Contains(all, "\n"):
		v.Unfit, v.Problem = true, "header X: the value holds a line break"
	case !strings.Contains(all, "good"):
		v.Rejected, v.Status, v.Problem = true, 401, "it answered 401 instead of 200"
	default:
		v.OK, v.Provider = true, vault.ProviderAccount{ID: "42", Label: "Zip", Email: "zip@example.com"}
	}
	return v, nil
}

// Refresh and Revocation make it Connections too.
func (s *service) Refresh(ctx context.Context, id string) error {
	l, err := s.v.Lease(ctx, id, "", time.Minute)
	if err != nil {
		return err
	}
	if strings.HasPrefix(l.RefreshToken.Reveal(), "dead") {
		_, err := l.Fail(ctx, vault.Expired, vault.Reason{Code: vault.ReasonInvalidGrant})
		return errors.Join(err, errors.New("invalid_grant"))
	}
	if l.RefreshToken.IsZero() {
		return errors.Join(l.Release(ctx, false), errors.New("nothing to refresh with"))
	}
	_, err = l.Save(ctx, vault.Credentials{Token: secret.New("fresh"), ExpiresAt: time.Now().Add(time.Hour)})
	return err
}

func (s *service) Client(*providers.Connector) oauth.Doer { return http.DefaultClient }

func (s *service) Revocation(context.Context, string) (connect.Revocation, error) {
	return func(context.Context, vault.Unsealed) error { return errors.New("the service is away") }, nil
}

// declared is a configuration file with one agent and one account.
type declared struct{}

func (declared) Agents() []api.DeclaredAgent {
	return []api.DeclaredAgent{{Name: "local", Tokens: 1, Grants: []api.DeclaredGrant{{Connector: "hub", Account: "default", Write: true}}}}
}

func (declared) Accounts() []api.DeclaredAccount {
	return []api.DeclaredAccount{{Connector: "hub", Option: "token", Name: "default"}}
}

// world is an API over a vault.
type world struct {
	t       *testing.T
	v       *vault.Vault
	api     *admin.Admin
	service *service
	server  *httptest.Server
	token   string // an admin's, for everything
	seen    bytes.Buffer
	mu      sync.Mutex
}

func newWorld(t *testing.T, c vault.Config, edit func(*admin.Config)) *world {
	t.Helper()
	w := &world{t: t, v: vaulttest.Open(t, c)}
	w.service = &service{v: w.v}
	cfg := admin.Config{Vault: w.v, Catalogue: newCatalogue(t), Tester: w.service, Connections: w.service, Declared: declared{}, HTTP: http.DefaultClient}
	if edit != nil {
		edit(&cfg)
	}
	w.api = admin.New(cfg)
	w.server = httptest.NewServer(w.api)
	t.Cleanup(w.server.Close)
	w.token = w.admin("root", vault.RoleAdmin, vault.All)
	return w
}

// each runs f over a real SQLite and a real PostgreSQL.
func each(t *testing.T, f func(t *testing.T, w *world)) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) { f(t, newWorld(t, c, nil)) })
}

func (w *world) admin(name string, role vault.Role, org string) string {
	w.t.Helper()
	_, token, err := w.v.System().CreateAdminToken(w.t.Context(), name, role, org, time.Time{})
	if err != nil {
		w.t.Fatal(err)
	}
	return token.Reveal()
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

// get reads a member by its path: "items.0.name".
func (a *answer) get(path string) any {
	var at any = a.body
	for part := range strings.SplitSeq(path, ".") {
		switch x := at.(type) {
		case map[string]any:
			at = x[part]
		case []any:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(x) {
				return nil
			}
			at = x[i]
		default:
			return nil
		}
	}
	return at
}

func (a *answer) str(path string) string { s, _ := a.get(path).(string); return s }

func (a *answer) len(path string) int { l, _ := a.get(path).([]any); return len(l) }

// do sends a request. Headers are name, value, name, value.
func (w *world) do(method, path, body string, headers ...string) *answer {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if w.token != "" {
		req.Header.Set("Authorization", "Bearer "+w.token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			req.Header.Del(headers[i])
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	fmt.Fprintf(&w.seen, "%s %s\n%v\n%s\n", method, path, res.Header, raw)
	w.mu.Unlock()
	a := &answer{status: res.StatusCode, header: res.Header, raw: string(raw)}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &a.body); err != nil {
			w.t.Fatalf("%s %s answered what is not a JSON object: %s", method, path, raw)
		}
	}
	return a
}

// want sends a request and fails unless it gets the status (and code, for problems).
func (w *world) want(status int, code, method, path, body string, headers ...string) *answer {
	w.t.Helper()
	a := w.do(method, path, body, headers...)
	if a.status != status || a.str("code") != code && status >= 400 {
		w.t.Errorf("%s %s = %d %s, want %d %s: %s", method, path, a.status, a.str("code"), status, code, a.raw)
	}
	if status >= 400 && a.header.Get("Content-Type") != "application/problem+json" {
		w.t.Errorf("%s %s = %s, want application/problem+json", method, path, a.header.Get("Content-Type"))
	}
	return a
}

// as sends as another caller until the returned function is called.
func (w *world) as(token string) func() {
	old := w.token
	w.token = token
	return func() { w.token = old }
}

// account makes an active account.
func (w *world) account(name string) string {
	w.t.Helper()
	return w.want(201, "", "POST", "/accounts", `{"connector":"hub","name":"`+name+`","credentials":{"token":"good-secret-of-`+name+`"}}`).str("id")
}

func (w *world) agent(name string) string {
	w.t.Helper()
	return w.want(201, "", "POST", "/agents", `{"name":"`+name+`"}`).str("id")
}
