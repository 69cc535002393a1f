package mcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/attache-proxy/attache/providers/oauth/mcp"
)

// internet is hosts by name; it sends no packet, and follows no redirect.
type internet struct {
	hosts map[string]http.Handler
	mu    sync.Mutex
	seen  []string // METHOD URL
}

func (i *internet) Do(r *http.Request) (*http.Response, error) {
	i.mu.Lock()
	i.seen = append(i.seen, r.Method+" "+r.URL.String())
	i.mu.Unlock()
	if h := i.hosts[r.URL.Host]; h != nil {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		res := w.Result()
		res.Request = r
		return res, nil
	}
	return nil, &url.Error{Op: r.Method, URL: r.URL.String(), Err: &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no such host")}}
}

// site answers by path; a value that is no string is sent as JSON.
type site map[string]any

func (s site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch v := s[r.URL.Path].(type) {
	case nil:
		http.NotFound(w, r)
	case http.HandlerFunc:
		v(w, r)
	case string:
		io.WriteString(w, v)
	default:
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(v)
	}
}

type doc = map[string]any

// wants answers 401 with a challenge, and needs JSON-RPC to be spoken to it.
func wants(challenge string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.Method != "POST" || !json.Valid(b) || r.Header.Get("Authorization") != "" {
			http.Error(w, "no MCP client", 400)
			return
		}
		w.Header().Set("WWW-Authenticate", challenge)
		w.WriteHeader(401)
	}
}

func metadata(issuer string) doc {
	return doc{
		"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token",
		"registration_endpoint": issuer + "/register", "revocation_endpoint": issuer + "/revoke",
		"response_types_supported": []string{"code"}, "grant_types_supported": []string{"authorization_code", "refresh_token"},
		"code_challenge_methods_supported": []string{"S256"}, "token_endpoint_auth_methods_supported": []string{"client_secret_post", "none"},
	}
}

// with returns m with some members replaced; nil takes one away.
func with(m doc, changes doc) doc {
	out := doc{}
	for k, v := range m {
		out[k] = v
	}
	for k, v := range changes {
		if out[k] = v; v == nil {
			delete(out, k)
		}
	}
	return out
}

// public allows every name, and of addresses only public ones.
func public(_ context.Context, u *url.URL) error {
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && (a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast()) {
		return fmt.Errorf("address %s is refused: private", a)
	}
	return nil
}

func TestFind(t *testing.T) {
	res := func(r string) doc {
		return doc{"resource": r, "authorization_servers": []string{"https://as.example"}, "scopes_supported": []string{"files:read", "files:write"}}
	}
	plain := site{"/.well-known/oauth-authorization-server": metadata("https://as.example")}
	for _, c := range []struct {
		name   string
		url    string
		hosts  map[string]http.Handler
		want   mcp.Server
		visits []string // documents that were asked for, in order
	}{
		{"by the challenge", "https://HOST.example:443/mcp", map[string]http.Handler{
			"host.example": site{"/mcp": wants(`Bearer resource_metadata="https://host.example/meta", scope="files:read"`), "/meta": res("https://host.example/mcp")},
			"as.example":   plain,
		}, mcp.Server{URL: "https://host.example/mcp", Resource: "https://host.example/mcp", Scopes: []string{"files:read"}, Later: []string{"files:write"}},
			[]string{"host.example/meta", "as.example/.well-known/oauth-authorization-server"}},
		{"by the path", "https://host.example/a/mcp", map[string]http.Handler{
			"host.example": site{"/a/mcp": wants("Bearer"), "/.well-known/oauth-protected-resource/a/mcp": with(res("https://host.example/a/mcp"), doc{"resource_name": "Files\n of A"})},
			"as.example":   plain,
		}, mcp.Server{URL: "https://host.example/a/mcp", Resource: "https://host.example/a/mcp", Name: "Files of A", Scopes: []string{"files:read", "files:write"}},
			[]string{"host.example/.well-known/oauth-protected-resource/a/mcp", "as.example/.well-known/oauth-authorization-server"}},
		{"at the root, no scopes", "https://host.example/mcp#x", map[string]http.Handler{
			"host.example": site{"/mcp": wants("Bearer"), "/.well-known/oauth-protected-resource": with(res("https://host.example"), doc{"scopes_supported": nil})},
			"as.example":   plain,
		}, mcp.Server{URL: "https://host.example/mcp", Resource: "https://host.example"},
			[]string{"host.example/.well-known/oauth-protected-resource/mcp", "host.example/.well-known/oauth-protected-resource", "as.example/.well-known/oauth-authorization-server"}},
		{"a server without a path", "https://host.example/", map[string]http.Handler{
			"host.example": site{"": wants("Bearer"), "/": wants("Bearer"), "/.well-known/oauth-protected-resource": res("https://host.example/")},
			"as.example":   plain,
		}, mcp.Server{URL: "https://host.example", Resource: "https://host.example/", Scopes: []string{"files:read", "files:write"}},
			[]string{"host.example/.well-known/oauth-protected-resource", "as.example/.well-known/oauth-authorization-server"}},
		{"an OpenID provider", "https://host.example/mcp", map[string]http.Handler{
			"host.example": site{"/mcp": wants("Bearer"), "/.well-known/oauth-protected-resource": res("https://host.example")},
			"as.example":   site{"/.well-known/openid-configuration": metadata("https://as.example")},
		}, mcp.Server{URL: "https://host.example/mcp", Resource: "https://host.example", Scopes: []string{"files:read", "files:write"}},
			[]string{"host.example/.well-known/oauth-protected-resource/mcp", "host.example/.well-known/oauth-protected-resource",
				"as.example/.well-known/oauth-authorization-server", "as.example/.well-known/openid-configuration"}},
		{"a document that moved within its origin", "https://host.example/mcp", map[string]http.Handler{
			"host.example": site{"/mcp": wants("Bearer"), "/moved": res("https://host.example/mcp"),
				"/.well-known/oauth-protected-resource/mcp": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/moved", http.StatusFound) })},
			"as.example": plain,
		}, mcp.Server{URL: "https://host.example/mcp", Resource: "https://host.example/mcp", Scopes: []string{"files:read", "files:write"}},
			[]string{"host.example/.well-known/oauth-protected-resource/mcp", "host.example/moved", "as.example/.well-known/oauth-authorization-server"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			net := &internet{hosts: c.hosts}
			got, err := (&mcp.Finder{HTTP: net, Allow: public}).Find(t.Context(), c.url)
			if err != nil {
				t.Fatal(err)
			}
			c.want.Issuer, c.want.AuthorizeURL, c.want.TokenURL = "https://as.example", "https://as.example/authorize", "https://as.example/token"
			c.want.RegistrationURL, c.want.RevokeURL = "https://as.example/register", "https://as.example/revoke"
			c.want.AuthMethods = []string{"client_secret_post", "none"}
			if !reflect.DeepEqual(*got, c.want) {
				t.Errorf("Find = %+v\nwant %+v", *got, c.want)
			}
			var visits []string
			for _, s := range net.seen {
				if v, ok := strings.CutPrefix(s, "GET https://"); ok {
					visits = append(visits, v)
				}
			}
			if !slices.Equal(visits, c.visits) {
				t.Errorf("asked for %q\nwant %q", visits, c.visits)
			}
		})
	}
}

// An issuer with a path has its metadata at three places, in the order of the
// specification.
func TestFindIssuerWithPath(t *testing.T) {
	const issuer = "https://as.example/tenant"
	for i, place := range []string{"/.well-known/oauth-authorization-server/tenant", "/.well-known/openid-configuration/tenant", "/tenant/.well-known/openid-configuration"} {
		net := &internet{hosts: map[string]http.Handler{
			"host.example": site{"/mcp": wants("Bearer"), "/.well-known/oauth-protected-resource": doc{"resource": "https://host.example/mcp", "authorization_servers": []string{issuer}}},
			"as.example":   site{place: metadata(issuer)},
		}}
		got, err := (&mcp.Finder{HTTP: net}).Find(t.Context(), "https://host.example/mcp")
		if err != nil || got.Issuer != issuer {
			t.Errorf("metadata at %s: %+v, %v", place, got, err)
		}
		asked := 0
		for _, s := range net.seen {
			if strings.HasPrefix(s, "GET https://as.example") {
				asked++
			}
		}
		if asked != i+1 {
			t.Errorf("metadata at %s: %d requests, want %d: %q", place, asked, i+1, net.seen)
		}
	}
}

// Servers of the revision 2025-03-26 have no metadata of their own.
func TestFindOldServer(t *testing.T) {
	net := &internet{hosts: map[string]http.Handler{"host.example": site{"/sse": wants("")}}}
	got, err := (&mcp.Finder{HTTP: net}).Find(t.Context(), "https://host.example/sse")
	if err != nil || got.AuthorizeURL != "https://host.example/authorize" || got.TokenURL != "https://host.example/token" || got.RegistrationURL != "https://host.example/register" {
		t.Errorf("Find without any metadata = %+v, %v; want the endpoints at their fixed paths", got, err)
	}
	net.hosts["host.example"].(site)["/.well-known/oauth-authorization-server"] = with(metadata("https://host.example"), doc{"token_endpoint": "https://host.example/t"})
	got, err = (&mcp.Finder{HTTP: net}).Find(t.Context(), "https://host.example/sse")
	if err != nil || got.TokenURL != "https://host.example/t" || got.Issuer != "https://host.example" {
		t.Errorf("Find with metadata at the root = %+v, %v", got, err)
	}
	net.hosts["host.example"].(site)["/sse"] = "hello"
	delete(net.hosts["host.example"].(site), "/.well-known/oauth-authorization-server")
	if _, err = (&mcp.Finder{HTTP: net}).Find(t.Context(), "https://host.example/sse"); err == nil || !strings.Contains(err.Error(), "answers 200") {
		t.Errorf("Find of a server that wants no token = %v, want that it says so", err)
	}
}

// A refresh token that comes only with offline_access is asked for.
func TestFindOfflineAccess(t *testing.T) {
	for _, c := range []struct {
		challenge string
		scopes    []string // of the authorization server
		want      []string
		prompt    string
	}{
		{`Bearer scope="a"`, []string{"a", "offline_access"}, []string{"a", "offline_access"}, "consent"},
		{`Bearer scope="a"`, []string{"a"}, []string{"a"}, ""},
		{`Bearer`, []string{"offline_access"}, nil, ""}, // no scope: the server decides, and offline_access alone would narrow that
	} {
		net := &internet{hosts: map[string]http.Handler{
			"host.example": site{"/mcp": wants(c.challenge), "/.well-known/oauth-protected-resource": doc{"resource": "https://host.example", "authorization_servers": []string{"https://as.example/"}}},
			"as.example":   site{"/.well-known/oauth-authorization-server": with(metadata("https://as.example"), doc{"scopes_supported": c.scopes})},
		}}
		got, err := (&mcp.Finder{HTTP: net}).Find(t.Context(), "https://host.example/mcp")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Scopes, c.want) || got.Prompt != c.prompt {
			t.Errorf("challenge %s, server %q: scopes %q, prompt %q; want %q, %q", c.challenge, c.scopes, got.Scopes, got.Prompt, c.want, c.prompt)
		}
	}
}

// What a hostile server says is refused, and the refusal says why.
func TestFindRefuses(t *testing.T) {
	good := doc{"resource": "https://host.example/mcp", "authorization_servers": []string{"https://as.example"}}
	server := metadata("https://as.example")
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
	}
	const at = "/.well-known/oauth-protected-resource/mcp"
	for _, c := range []struct {
		name          string
		url           string
		host, as      site // over good ones
		want          string
		temporary     bool
		neverVisited  string // a host that must not be asked
		withoutServer bool
	}{
		{name: "no URL", url: "host.example/mcp", want: "want https://"},
		{name: "plain HTTP", url: "http://host.example/mcp", want: "not https"},
		{name: "a password", url: "https://a:b@host.example/mcp", want: "leave the user"},
		{name: "a query", url: "https://host.example/mcp?key=s", want: "leave the query out"},
		{name: "dots", url: "https://host.example/a/%2e%2e/mcp", want: "dot segments"},
		{name: "another scheme", url: "file:///etc/passwd", want: "want https://"},
		{name: "a private address", url: "https://10.0.0.1/mcp", want: "https://10.0.0.1 may not be called"},
		{name: "it redirects", host: site{"/mcp": redirect("https://evil.example/mcp")}, want: "redirects; name the URL", neverVisited: "evil.example"},
		{name: "metadata at another origin", host: site{"/mcp": wants(`Bearer resource_metadata="https://evil.example/m"`)}, want: "another origin", neverVisited: "evil.example"},
		{name: "metadata that redirects elsewhere", host: site{at: redirect("https://evil.example/m")}, want: "another origin", neverVisited: "evil.example"},
		{name: "metadata that redirects to itself", host: site{at: redirect(at)}, want: "again and again"},
		{name: "metadata about another server", host: site{at: with(good, doc{"resource": "https://other.example/mcp"})}, want: "another resource"},
		{name: "metadata about another path", host: site{at: with(good, doc{"resource": "https://host.example/mc"})}, want: "another resource"},
		{name: "metadata about all of the host, at the path's place", host: site{at: with(good, doc{"resource": "https://host.example"})}, want: "another resource"},
		{name: "metadata about less than it lies at", host: site{at: nil, "/.well-known/oauth-protected-resource": with(good, doc{"resource": "https://host.example/m"})}, want: "another resource"},
		{name: "metadata about the port beside", host: site{at: with(good, doc{"resource": "https://host.example:8443/mcp"})}, want: "another resource"},
		{name: "no resource", host: site{at: with(good, doc{"resource": nil})}, want: "resource is missing"},
		{name: "a template as resource", host: site{at: with(good, doc{"resource": "https://host.example/{token}"})}, want: "resource is missing or no URL"},
		{name: "no authorization server", host: site{at: with(good, doc{"authorization_servers": nil})}, want: "authorization_servers is missing"},
		{name: "tokens in the query only", host: site{at: with(good, doc{"bearer_methods_supported": []string{"query"}})}, want: "no tokens in the Authorization header"},
		{name: "a huge document", host: site{at: `{"resource":"` + strings.Repeat("x", 70<<10) + `"}`}, want: "larger than 64 KiB"},
		{name: "no JSON", host: site{at: "hello"}, want: "not the JSON object"},
		{name: "another type", host: site{at: `{"resource": 5}`}, want: "not the JSON object"},
		{name: "an array", host: site{at: `[]`}, want: "not the JSON object"},
		{name: "out of order", host: site{at: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })}, want: "answers 503", temporary: true},
		{name: "a private authorization server", host: site{at: with(good, doc{"authorization_servers": []string{"https://169.254.169.254"}})}, want: "https://169.254.169.254 may not be called", neverVisited: "169.254.169.254"},
		{name: "an authorization server without TLS", host: site{at: with(good, doc{"authorization_servers": []string{"http://as.example"}})}, want: "not https", neverVisited: "as.example"},
		{name: "no metadata of the authorization server", as: site{"/.well-known/oauth-authorization-server": nil}, want: "none at any of the places"},
		{name: "another issuer", as: site{"/.well-known/oauth-authorization-server": with(server, doc{"issuer": "https://other.example"})}, want: "another issuer"},
		{name: "no issuer", as: site{"/.well-known/oauth-authorization-server": with(server, doc{"issuer": nil})}, want: "another issuer"},
		{name: "no PKCE", as: site{"/.well-known/oauth-authorization-server": with(server, doc{"code_challenge_methods_supported": nil})}, want: "PKCE"},
		{name: "only plain PKCE", as: site{"/.well-known/oauth-authorization-server": with(server, doc{"code_challenge_methods_supported": []string{"plain"}})}, want: "PKCE"},
		{name: "no codes", as: site{"/.well-known/oauth-authorization-server": with(server, doc{"response_types_supported": []string{"token"}})}, want: "no authorization codes"},
		{name: "no token endpoint", as: site{"/.well-known/oauth-authorization-server": with(server, doc{"token_endpoint": nil})}, want: "token_endpoint is missing"},
		{name: "a token endpoint without TLS", as: site{"/.well-known/oauth-authorization-server": with(server, doc{"token_endpoint": "http://as.example/token"})}, want: "not https"},
		{name: "a token endpoint at a private address", as: site{"/.well-known/oauth-authorization-server": with(server, doc{"token_endpoint": "https://192.168.1.1/token"})}, want: "token_endpoint: https://192.168.1.1 may not be called"},
		{name: "a browser sent to a router", as: site{"/.well-known/oauth-authorization-server": with(server, doc{"authorization_endpoint": "https://192.168.1.1/reboot"})}, want: "authorization_endpoint: https://192.168.1.1 may not be called"},
		{name: "an authorization endpoint that is a script", as: site{"/.well-known/oauth-authorization-server": with(server, doc{"authorization_endpoint": "javascript:alert(1)"})}, want: "no https URL"},
		{name: "a registration endpoint at a private address", as: site{"/.well-known/oauth-authorization-server": with(server, doc{"registration_endpoint": "https://[::1]/r"})}, want: "registration_endpoint"},
		{name: "a template as endpoint", as: site{"/.well-known/oauth-authorization-server": with(server, doc{"token_endpoint": "https://as.example/{fields.x}"})}, want: "it is no URL"},
		{name: "nobody there", withoutServer: true, want: "cannot be reached", temporary: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			host := site{"/mcp": wants("Bearer"), at: good}
			as := site{"/.well-known/oauth-authorization-server": server}
			for k, v := range c.host {
				host[k] = v
			}
			for k, v := range c.as {
				as[k] = v
			}
			net := &internet{hosts: map[string]http.Handler{"host.example": host, "as.example": as}}
			if c.withoutServer {
				net.hosts = nil
			}
			if c.url == "" {
				c.url = "https://host.example/mcp"
			}
			got, err := (&mcp.Finder{HTTP: net, Allow: public}).Find(t.Context(), c.url)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("Find = %+v, %v; want an error with %q", got, err, c.want)
			}
			var e *mcp.Error
			if !errors.As(err, &e) || e.Temporary != c.temporary {
				t.Errorf("temporary = %v, want %v: %v", e != nil && e.Temporary, c.temporary, err)
			}
			if len(net.seen) > 12 {
				t.Errorf("%d requests", len(net.seen))
			}
			for _, s := range net.seen {
				if c.neverVisited != "" && strings.Contains(s, "//"+c.neverVisited) {
					t.Errorf("%s was asked: %s", c.neverVisited, s)
				}
			}
		})
	}
}

// Plain HTTP is for hosts that the operator named.
func TestFindPlainHTTP(t *testing.T) {
	const origin = "http://127.0.0.1:8811"
	net := &internet{hosts: map[string]http.Handler{"127.0.0.1:8811": site{
		"/mcp": wants("Bearer"), "/.well-known/oauth-protected-resource": doc{"resource": origin + "/mcp", "authorization_servers": []string{origin}},
		"/.well-known/oauth-authorization-server": metadata(origin),
	}}}
	f := &mcp.Finder{HTTP: net, AllowHTTP: func(host string) bool { return host == "127.0.0.1" }}
	got, err := f.Find(t.Context(), origin+"/mcp")
	if err != nil || got.TokenURL != origin+"/token" {
		t.Errorf("Find = %+v, %v", got, err)
	}
}

// TestFindInBothEras: servers that know one era alone, and refuse the other before they
// ask for a token, are found out like those that know both.
func TestFindInBothEras(t *testing.T) {
	for name, modern := range map[string]bool{"since 2026-07-28": true, "before": false} {
		server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var msg struct {
				Method string
				Params struct {
					Meta map[string]any `json:"_meta"`
				}
			}
			_ = json.NewDecoder(r.Body).Decode(&msg)
			asks := msg.Method == "server/discover" && r.Header.Get("Mcp-Method") == "server/discover" && r.Header.Get("Mcp-Protocol-Version") == "2026-07-28" &&
				msg.Params.Meta["io.modelcontextprotocol/protocolVersion"] == "2026-07-28" && msg.Params.Meta["io.modelcontextprotocol/clientCapabilities"] != nil
			begins := msg.Method == "initialize" && r.Header.Get("Mcp-Method") == "" && r.Header.Get("Mcp-Protocol-Version") == ""
			if modern && !asks || !modern && !begins {
				http.Error(w, "not in this era", http.StatusBadRequest)
				return
			}
			w.Header().Set("WWW-Authenticate", `Bearer scope="only-here"`)
			w.WriteHeader(http.StatusUnauthorized)
		})
		net := &internet{hosts: map[string]http.Handler{
			"host.example": site{"/mcp": server, "/.well-known/oauth-protected-resource/mcp": doc{"resource": "https://host.example/mcp", "authorization_servers": []string{"https://as.example"}}},
			"as.example":   site{"/.well-known/oauth-authorization-server": metadata("https://as.example")},
		}}
		got, err := (&mcp.Finder{HTTP: net}).Find(t.Context(), "https://host.example/mcp")
		if err != nil || !slices.Equal(got.Scopes, []string{"only-here"}) {
			t.Errorf("a server of the era %s: %+v, %v; want the scope of its challenge", name, got, err)
		}
	}
}
