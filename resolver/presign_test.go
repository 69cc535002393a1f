package resolver_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
)

const s3Connector = `
key: svc
hosts:
  - {host: s3.*.amazonaws.com, wildcard: signed, reason: a test}
  - {host: "*.s3.*.amazonaws.com", wildcard: signed, reason: a test}
  - sts.amazonaws.com
base_url: https://s3.us-east-1.amazonaws.com
auth:
  key:
    type: credentials
    fields:
      access_key_id: {}
      secret_access_key: {secret: true}
      region: {}
    sign: sigv4
`

func s3Account(name string, state resolver.State) *resolver.Account {
	return &resolver.Account{Name: name, State: state, Fields: secret.Values{
		"access_key_id": secret.New("AKIDEXAMPLE"), "secret_access_key": secret.New("a-secret-of-s3"), "region": secret.New("us-east-1")}}
}

// pathRule covers one method below one path.
func pathRule(t *testing.T, method, path string) []resolver.Rule {
	t.Helper()
	p, err := providers.ParsePath(path)
	if err != nil {
		t.Fatal(err)
	}
	return []resolver.Rule{{Methods: []string{method}, Path: p}}
}

// wantRefusal compares a refusal's code and looks into its sentence.
func wantRefusal(t *testing.T, what string, err error, code, text string) {
	t.Helper()
	ref, ok := resolver.AsRefusal(err)
	if !ok || ref.Code != code || !strings.Contains(ref.Detail, text) {
		t.Errorf("%s: %v, want %s with %q", what, err, code, text)
	}
}

func TestPresign(t *testing.T) {
	acct := s3Account("one", resolver.StateActive)
	w := newWorld(t, worldConfig{yaml: s3Connector, accounts: []*resolver.Account{acct}, grants: []resolver.Grant{{Connector: "svc", Write: true, Presign: true}}})
	for name, p := range map[string]resolver.Presigning{
		"an operator, by URL":  {Account: acct, URL: "https://b.s3.us-east-1.amazonaws.com/a%20b/%D0%BA?versionId=1"},
		"an operator, by path": {Account: acct, URL: "/b/a%20b"},
		"for an agent":         {Account: acct, Agent: w.agent, Method: "PUT", URL: "/b/k", Expires: time.Minute, Header: http.Header{"Content-Type": {"text/plain"}}},
		"an agent, by URL":     {Agent: w.agent, URL: "https://b.s3.us-east-1.amazonaws.com/k"},
		"an agent, by path":    {Agent: w.agent, Connector: "svc", URL: "/b/k"},
	} {
		got, call, err := w.Presign(t.Context(), p)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		u, err := url.Parse(got.URL)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		headers := map[bool]string{true: "content-type;host", false: "host"}[p.Header != nil]
		expires := map[bool]string{true: "60", false: "900"}[p.Expires != 0]
		if u.Scheme != "https" || q.Get("X-Amz-SignedHeaders") != headers || q.Get("X-Amz-Expires") != expires || q.Get("X-Amz-Signature") == "" || call.Account != acct {
			t.Errorf("%s: %s, want https, %s, %s seconds and a signature", name, got.URL, headers, expires)
		}
		if wantPath := strings.TrimPrefix(strings.SplitN(p.URL, "?", 2)[0], "https://"+u.Host); u.EscapedPath() != wantPath {
			t.Errorf("%s: the path is %s, want %s", name, u.EscapedPath(), wantPath)
		}
		if strings.Contains(got.URL, "a-secret-of-s3") {
			t.Errorf("%s: the secret is in the URL", name)
		}
	}
}

// What a grant, an account or the connector forbids is refused with a sentence.
func TestPresignRefuses(t *testing.T) {
	active, suspended := s3Account("one", resolver.StateActive), s3Account("two", resolver.StateSuspended)
	revoked, expired := s3Account("three", resolver.StateRevoked), s3Account("four", resolver.StateExpired)
	accounts := []*resolver.Account{active, suspended, revoked, expired}
	w := newWorld(t, worldConfig{yaml: s3Connector, accounts: accounts, grants: []resolver.Grant{{Connector: "svc", Account: "one"}}})
	for _, c := range []struct {
		name, code, text string
		p                resolver.Presigning
	}{
		{"a reader's PUT", "not_permitted", "may only read", resolver.Presigning{Account: active, Agent: w.agent, Method: "PUT", URL: "/b/k"}},
		{"an account that was not granted", "account_unknown", "two", resolver.Presigning{Account: suspended, Agent: w.agent, URL: "/b/k"}},
		{"an agent without presign", "not_permitted", "does not let it have presigned URLs", resolver.Presigning{Agent: w.agent, Connector: "svc", URL: "/b/k"}},
		{"suspended", "account_suspended", "suspended", resolver.Presigning{Account: suspended, URL: "/b/k"}},
		{"revoked", "account_revoked", "revoked", resolver.Presigning{Account: revoked, URL: "/b/k"}},
		{"expired", "account_expired", "expired", resolver.Presigning{Account: expired, URL: "/b/k"}},
		{"another host", "no_connector", "evil.example", resolver.Presigning{Account: active, URL: "https://evil.example/b/k"}},
		{"an agent and another host", "cannot_presign", "evil.example", resolver.Presigning{Agent: w.agent, URL: "https://evil.example/b/k"}},
		{"another region", "cannot_sign", "region us-east-1 only", resolver.Presigning{Account: active, URL: "https://b.s3.eu-west-1.amazonaws.com/k"}},
		{"no object storage", "cannot_presign", "object storage", resolver.Presigning{Account: active, URL: "https://sts.amazonaws.com/?Action=GetCallerIdentity"}},
		{"too long", "cannot_presign", "3600 seconds", resolver.Presigning{Account: active, URL: "/b/k", Expires: time.Hour + time.Second}},
		{"negative", "cannot_presign", "3600 seconds", resolver.Presigning{Account: active, URL: "/b/k", Expires: -time.Second}},
		{"a method", "cannot_presign", "method", resolver.Presigning{Account: active, URL: "/b/k", Method: "CONNECT"}},
		{"a relative URL", "cannot_presign", "absolute", resolver.Presigning{Account: active, URL: "b/k"}},
		{"user information", "cannot_presign", "absolute", resolver.Presigning{Account: active, URL: "https://u:p@s3.us-east-1.amazonaws.com/b/k"}},
		{"a header", "cannot_presign", "Authorization", resolver.Presigning{Account: active, URL: "/b/k", Header: http.Header{"Authorization": {"x"}}}},
	} {
		got, call, err := w.Presign(t.Context(), c.p)
		wantRefusal(t, c.name, err, c.code, c.text)
		if got != nil || call == nil {
			t.Errorf("%s: Presign = %v, %v", c.name, got, call)
		}
	}
	bearer := newWorld(t, worldConfig{yaml: "key: svc\nhosts: [svc.example]\nauth: {key: {type: credentials, fields: {token: {secret: true}}, sign: bearer}}\n",
		accounts: []*resolver.Account{{Name: "one", Fields: secret.Values{"token": secret.New("t")}}}})
	granted, _ := bearer.directory.Granted(t.Context(), bearer.agent, "svc")
	_, _, err := bearer.Presign(t.Context(), resolver.Presigning{Account: granted[0].Account, URL: "/x"})
	wantRefusal(t, "a bearer token", err, "cannot_presign", "cannot presign a URL")
}

// Rules of a grant hold for presigned URLs as for requests.
func TestPresignRules(t *testing.T) {
	acct := s3Account("one", resolver.StateActive)
	w := newWorld(t, worldConfig{yaml: s3Connector, accounts: []*resolver.Account{acct}})
	dir := rules{w.directory, pathRule(t, "PUT", "/b/in/**")}
	index := w.Index()
	r := resolver.New(resolver.Config{Index: index, Directory: dir, Credentials: &resolver.Credentials{}})
	ask := func(method, path string) error {
		_, _, err := r.Presign(t.Context(), resolver.Presigning{Account: acct, Agent: w.agent, Method: method, URL: path})
		return err
	}
	if err := ask("PUT", "/b/in/k"); err != nil {
		t.Errorf("what the rule covers: %v", err)
	}
	for _, c := range [][2]string{{"GET", "/b/in/k"}, {"PUT", "/b/out/k"}, {"PUT", "/b/in/../out/k"}, {"PUT", "/b/in%2F..%2Fout"}} {
		wantRefusal(t, c[0]+" "+c[1], ask(c[0], c[1]), "not_permitted", "does not cover")
	}
	var refused *resolver.Refusal
	if err := ask("PUT", "/b/out/k"); !errors.As(err, &refused) || refused.HTTPStatus() != http.StatusForbidden {
		t.Errorf("the refusal = %v, want 403", err)
	}
}

// rules narrows every grant.
type rules struct {
	resolver.Directory
	rules []resolver.Rule
}

func (d rules) Granted(ctx context.Context, a *resolver.Agent, connector string) ([]resolver.Granted, error) {
	all, err := d.Directory.Granted(ctx, a, connector)
	out := slices.Clone(all)
	for i := range out {
		out[i].Rules = d.rules
	}
	return out, err
}
