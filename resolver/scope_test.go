package resolver_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
)

// A service that wants more scopes is answered for by us where a person can
// give them, and by itself elsewhere.
func TestInsufficientScope(t *testing.T) {
	s := &tokenService{life: 3600}
	srv := httptest.NewServer(http.HandlerFunc(s.token))
	t.Cleanup(srv.Close)
	const pasted = "key: svc\nhosts: [svc.example]\nauth: {key: {type: credentials, fields: {key: {secret: true}}}}\n"
	oauth := "key: svc\nhosts: [svc.example]\nauth: {oauth2: {type: oauth2, grant_type: client_credentials, token_url: '" + srv.URL + "'}}\n"
	const wants = `Bearer error="insufficient_scope", scope="files:write files:read", resource_metadata="https://svc.example/m"`
	for _, c := range []struct {
		name, yaml, challenge string
		status                int
		link                  string
		refused               bool
		scopes                string
	}{
		{"more scopes", oauth, wants, 403, "https://c.example/x", true, "files:write files:read"},
		{"scopes unsaid", oauth, `Bearer error="insufficient_scope"`, 403, "https://c.example/x", true, ""},
		{"behind another challenge", oauth, `Basic realm="a", ` + wants, 403, "https://c.example/x", true, "files:write files:read"},
		{"nobody can help", oauth, wants, 403, "", false, ""},
		{"another 403", oauth, `Bearer error="invalid_token"`, 403, "https://c.example/x", false, ""},
		{"no challenge", oauth, "", 403, "https://c.example/x", false, ""},
		{"not a 403", oauth, wants, 400, "https://c.example/x", false, ""},
		{"a pasted key", pasted, wants, 403, "https://c.example/x", false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked []string
			acct := &resolver.Account{Name: "a", Fields: secret.Values{"key": secret.New("key-0123456789")},
				App: secret.Values{"client_id": secret.New("id"), "client_secret": secret.New("secret-0123456789")}}
			w := newWorld(t, worldConfig{yaml: c.yaml, accounts: []*resolver.Account{acct},
				service: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if c.challenge != "" {
						w.Header().Set("WWW-Authenticate", c.challenge)
					}
					w.WriteHeader(c.status)
				}),
				moreURL: func(a *resolver.Account, scopes []string) string { asked = scopes; return c.link },
			})
			res, err := w.do("GET", "/", nil)
			if !c.refused {
				if err != nil || res.StatusCode != c.status {
					t.Fatalf("do = %v, %v; want the service's own %d", res, err, c.status)
				}
				return
			}
			ref, ok := resolver.AsRefusal(err)
			if !ok || ref.Code != "insufficient_scope" || ref.ConnectURL != c.link {
				t.Fatalf("do = %v, %v; want insufficient_scope with the link", res, err)
			}
			if got := strings.Join(asked, " "); got != c.scopes || !slices.Equal(ref.Scopes, asked) {
				t.Errorf("the link is for %q, want %q", got, c.scopes)
			}
			rec := httptest.NewRecorder()
			ref.Answer(rec, httptest.NewRequest("GET", "/", nil))
			var problem struct {
				Scopes     []string `json:"scopes"`
				ConnectURL string   `json:"connect_url"`
				Detail     string   `json:"detail"`
			}
			if err := json.Unmarshal(rec.Body.Bytes(), &problem); err != nil || rec.Code != 403 || problem.ConnectURL != c.link || strings.Join(problem.Scopes, " ") != c.scopes || !strings.Contains(problem.Detail, c.scopes) {
				t.Errorf("the answer is %d %s", rec.Code, rec.Body)
			}
		})
	}
}

// What the service says about it reaches the agent as it was sent; only our own
// two headers come with it, and no service can set them.
func TestInsufficientScopeKeepsTheAnswer(t *testing.T) {
	s := &tokenService{life: 3600}
	srv := httptest.NewServer(http.HandlerFunc(s.token))
	t.Cleanup(srv.Close)
	const challenge = `Bearer error="insufficient_scope", scope="files:write"`
	const body = `{"error":"insufficient_scope","documentation":"https://svc.example/scopes"}`
	status, link := 403, "https://c.example/x"
	acct := &resolver.Account{Name: "a", App: secret.Values{"client_id": secret.New("id"), "client_secret": secret.New("secret-0123456789")}}
	w := newWorld(t, worldConfig{accounts: []*resolver.Account{acct},
		yaml: "key: svc\nhosts: [svc.example]\nauth: {oauth2: {type: oauth2, grant_type: client_credentials, token_url: '" + srv.URL + "'}}\n",
		service: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("WWW-Authenticate", challenge)
			h.Set("Content-Type", "application/json")
			h.Set("Attache-Error", "account_expired")
			h.Set("Attache-Connect-Url", "https://evil.example/")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}),
		moreURL: func(*resolver.Account, []string) string { return link },
	})
	for _, c := range []struct {
		status     int
		link       string
		code, want string
	}{{403, "https://c.example/x", "insufficient_scope", "https://c.example/x"}, {403, "", "", ""}, {400, "https://c.example/x", "", ""}, {200, "https://c.example/x", "", ""}} {
		status, link = c.status, c.link
		res, err := w.do("GET", "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != c.status || string(got) != body || res.Header.Get("WWW-Authenticate") != challenge {
			t.Errorf("%d: the answer is %d %s with %v, want the service's own", c.status, res.StatusCode, got, res.Header)
		}
		if res.Header.Get("Attache-Error") != c.code || res.Header.Get("Attache-Connect-Url") != c.want {
			t.Errorf("%d, link %q: our headers are %q and %q", c.status, c.link, res.Header.Get("Attache-Error"), res.Header.Get("Attache-Connect-Url"))
		}
	}
}

// A token that has ended and cannot be had again is our refusal, with the way
// out, and not the service's 401.
func TestDeadGrantAfter401(t *testing.T) {
	s := &tokenService{life: 3600}
	w := oauthWorld(t, s)
	if _, err := w.do("GET", "/", nil); err != nil {
		t.Fatal(err)
	}
	s.revokeAll()
	s.status, s.answer = 400, `{"error":"invalid_grant"}`
	if res, err := w.do("GET", "/", nil); codeOf(err) != "account_expired" {
		t.Errorf("do = %v, %v; want account_expired", res, err)
	}
}
