package admin_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

func TestWhoMayCall(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		agent := w.want(201, "", "POST", "/agents", `{"name":"bot"}`).str("token")
		viewer, operator := w.admin("v", vault.RoleViewer, vault.All), w.admin("o", vault.RoleOperator, vault.All)
		_, expired, err := w.v.System().CreateAdminToken(t.Context(), "old", vault.RoleAdmin, vault.All, time.Now().Add(-time.Second))
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name, token string
			says        string
		}{
			{"no token", "", "Send an admin token"},
			{"an agent's token", agent, "agent's token"},
			{"rubbish", "hello", "Send an admin token"},
			{"another token", "atm_" + strings.Repeat("A", 43), "Send an admin token"},
			{"an expired token", expired.Reveal(), "Send an admin token"},
		} {
			func() {
				defer w.as(tt.token)()
				for _, path := range []string{"/accounts", "/me", "/nothing", "/connectors/metadata"} {
					a := w.want(401, "UNAUTHORIZED", "GET", path, "")
					if !strings.Contains(a.str("detail"), tt.says) || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
						t.Errorf("%s at %s = %v %s", tt.name, path, a.header, a.raw)
					}
				}
			}()
		}
		w.token = viewer
		w.want(200, "", "GET", "/accounts", "")
		w.want(403, "INVALID_PERMISSIONS", "POST", "/agents", `{"name":"x"}`)
		w.want(403, "INVALID_PERMISSIONS", "GET", "/tokens", "")
		w.token = operator
		w.want(201, "", "POST", "/agents", `{"name":"x"}`)
		w.want(403, "INVALID_PERMISSIONS", "POST", "/tokens", `{"name":"me-too","role":"admin"}`)
		w.want(403, "INVALID_PERMISSIONS", "POST", "/webhooks", `{"url":"https://x.example","events":["*"]}`)
		if got := w.want(200, "", "GET", "/me", ""); got.str("role") != "operator" || got.str("name") != "o" {
			t.Errorf("/me = %s", got.raw)
		}
	})
}

// TestOrganisationTokens: a token of one organisation sees nothing of another.
func TestOrganisationTokens(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.token = w.admin("acme", vault.RoleAdmin, "acme")
		acct, agent := w.account("mine"), w.agent("bot")
		grant := w.want(201, "", "POST", "/agents/"+agent+"/grants", `{"account_id":"`+acct+`","scopes":["read"]}`).str("id")
		w.want(403, "INVALID_PERMISSIONS", "POST", "/connectors", `{"name":"x","hosts":["x.example"]}`)
		w.want(403, "INVALID_PERMISSIONS", "GET", "/status", "")
		w.want(403, "ORGANISATION_MISMATCH", "POST", "/tokens", `{"name":"y","role":"viewer","organisation":"*"}`)
		if l := w.want(200, "", "GET", "/agents", ""); l.len("items") != 1 {
			t.Errorf("agents of acme = %s, want its own alone", l.raw)
		}

		w.token = w.admin("other", vault.RoleAdmin, "other")
		for _, path := range []string{"/accounts/" + acct, "/accounts/" + acct + "/status", "/agents/" + agent, "/agents/" + agent + "/grants", "/agents/" + agent + "/grants/" + grant, "/agents/file:local"} {
			a := w.do("GET", path, "")
			if a.status != 404 {
				t.Errorf("GET %s by another organisation = %d, want 404", path, a.status)
			}
		}
		w.want(404, "ACCOUNT_NOT_FOUND", "PATCH", "/accounts/"+acct, `{"name":"x"}`)
		w.want(404, "ACCOUNT_NOT_FOUND", "POST", "/accounts/"+acct+"/suspend", "")
		w.want(404, "ACCOUNT_NOT_FOUND", "PUT", "/accounts/"+acct+"/credentials", `{"credentials":{"token":"good"}}`)
		w.want(404, "AGENT_NOT_FOUND", "DELETE", "/agents/"+agent, "")
		w.want(404, "GRANT_NOT_FOUND", "DELETE", "/agents/"+agent+"/grants/"+grant, "")
		w.want(403, "ORGANISATION_MISMATCH", "POST", "/accounts", `{"connector":"hub","organisation":"acme","test":false,"credentials":{"token":"x"}}`)
		own := w.agent("bot")
		w.want(404, "ACCOUNT_NOT_FOUND", "POST", "/agents/"+own+"/grants", `{"account_id":"`+acct+`","scopes":["read"]}`)
		for _, path := range []string{"/accounts?organisation=acme", "/grants", "/audit?organisation=acme", "/webhooks"} {
			if l := w.want(200, "", "GET", path, ""); l.len("items") != 0 {
				t.Errorf("GET %s by another organisation = %s", path, l.raw)
			}
		}

		// The operator sees both, and joins neither to the other.
		w.token = w.admin("ops", vault.RoleAdmin, vault.All)
		w.want(403, "ORGANISATION_MISMATCH", "POST", "/agents/"+own+"/grants", `{"account_id":"`+acct+`","scopes":["read"]}`)
		w.want(403, "ORGANISATION_MISMATCH", "POST", "/agents/file:local/grants", `{"account_id":"`+acct+`","scopes":["read"]}`)
	})
}

// TestBrowsersAreRefused: what a page in somebody's browser can send.
func TestBrowsersAreRefused(t *testing.T) {
	w := newWorld(t, vaulttest.SQLite(t), func(c *admin.Config) { c.Hosts = []string{"connect.example.com"} })
	host := strings.TrimPrefix(w.server.URL, "http://")
	w.want(200, "", "GET", "/me", "")
	w.want(200, "", "GET", "/me", "", "Host", "localhost:1234")
	w.want(200, "", "GET", "/me", "", "Host", "Connect.Example.com")
	w.want(200, "", "GET", "/me", "", "Host", "[::1]:80")
	w.want(421, "HOST_NOT_ALLOWED", "GET", "/me", "", "Host", "evil.example")
	w.want(421, "HOST_NOT_ALLOWED", "GET", "/me", "", "Host", "localhost.evil.example")
	w.want(421, "HOST_NOT_ALLOWED", "GET", "/me", "", "Host", "192.168.1.1")
	w.want(200, "", "GET", "/me", "", "Origin", "http://"+host)
	w.want(200, "", "GET", "/me", "", "Sec-Fetch-Site", "same-origin")
	w.want(403, "ORIGIN_NOT_ALLOWED", "GET", "/me", "", "Origin", "https://evil.example")
	w.want(403, "ORIGIN_NOT_ALLOWED", "GET", "/me", "", "Origin", "null")
	w.want(403, "ORIGIN_NOT_ALLOWED", "GET", "/me", "", "Sec-Fetch-Site", "cross-site")
	w.want(403, "ORIGIN_NOT_ALLOWED", "POST", "/agents", `{"name":"x"}`, "Sec-Fetch-Site", "same-site")
	w.want(415, "UNSUPPORTED_MEDIA_TYPE", "POST", "/agents", `{"name":"x"}`, "Content-Type", "text/plain")
	w.want(415, "UNSUPPORTED_MEDIA_TYPE", "POST", "/agents", `name=x`, "Content-Type", "application/x-www-form-urlencoded")
	w.want(415, "UNSUPPORTED_MEDIA_TYPE", "POST", "/agents", `{"name":"x"}`, "Content-Type", "")
	a := w.do("OPTIONS", "/agents", "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST")
	if a.status < 400 || a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a preflight of another origin = %d %v", a.status, a.header)
	}
	if got := w.do("GET", "/me", "").header; got.Get("Cache-Control") != "no-store" || got.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers = %v", got)
	}
}

// TestFailuresAreLimited: and nobody who has a right token is locked out.
func TestFailuresAreLimited(t *testing.T) {
	w := newWorld(t, vaulttest.SQLite(t), nil)
	right := w.token
	limited := 0
	for i := range 60 {
		w.token = "atm_wrong"
		if a := w.do("GET", "/me", ""); a.status == 429 {
			limited++
			if a.header.Get("Retry-After") == "" {
				t.Errorf("429 without Retry-After")
			}
		} else if a.status != 401 {
			t.Errorf("a wrong token = %d", a.status)
		}
		w.token = right
		if a := w.do("GET", "/me", ""); a.status != 200 {
			t.Fatalf("after %d wrong tokens the right one = %d, want 200", i+1, a.status)
		}
	}
	if limited != 40 {
		t.Errorf("%d of 60 failures were limited, want 40", limited)
	}
	if err := w.v.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l := w.want(200, "", "GET", "/audit?code=admin_unauthorized", ""); l.len("items") != 20 {
		t.Errorf("%d failures stand in the audit, want 20", l.len("items"))
	}
}

// TestDeletedToken opens nothing any more, on the very next request.
func TestDeletedToken(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		made := w.want(201, "", "POST", "/tokens", `{"name":"temp","role":"viewer"}`)
		token := made.str("token")
		restore := w.as(token)
		w.want(200, "", "GET", "/me", "")
		restore()
		w.want(204, "", "DELETE", "/tokens/"+made.str("id"), "")
		defer w.as(token)()
		w.want(401, "UNAUTHORIZED", "GET", "/me", "")
	})
}

// TestSocket: whoever can open the socket may do everything, and nobody else.
func TestSocket(t *testing.T) {
	v := vaulttest.Open(t, vaulttest.SQLite(t))
	for _, trust := range []bool{true, false} {
		api := admin.New(admin.Config{Vault: v, Catalogue: newCatalogue(t), TrustSocket: trust})
		path := filepath.Join(t.TempDir(), "s")
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: api}
		go srv.Serve(l)
		defer srv.Close()
		client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}}}
		res, err := client.Get("http://anything/api/v1/me")
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if want := map[bool]int{true: 200, false: 401}[trust]; res.StatusCode != want {
			t.Errorf("over the socket, trust %v = %d %s, want %d", trust, res.StatusCode, b, want)
		}
	}
}

// TestEvents follows what happens on another replica too.
func TestEvents(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		w := newWorld(t, c, nil)
		other := vaulttest.Open(t, c)
		first := w.account("before")
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		open := func(last string) *bufio.Scanner {
			req, err := http.NewRequestWithContext(ctx, "GET", w.server.URL+"/api/v1/events?kind=state", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+w.token)
			req.Header.Set("Last-Event-ID", last)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { res.Body.Close() })
			if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
				t.Fatalf("GET /events = %d %v", res.StatusCode, res.Header)
			}
			in := bufio.NewScanner(res.Body)
			in.Scan() // : connected
			return in
		}
		next := func(in *bufio.Scanner) (id, data string) {
			for in.Scan() {
				if s, ok := strings.CutPrefix(in.Text(), "id: "); ok {
					id = s
				}
				if s, ok := strings.CutPrefix(in.Text(), "data: "); ok {
					return id, s
				}
			}
			t.Fatalf("the stream ended: %v", in.Err())
			return
		}
		in := open("")
		time.Sleep(100 * time.Millisecond)
		w.want(200, "", "POST", "/accounts/"+first+"/suspend", `{"reason":"lunch"}`)
		id, data := next(in)
		if !strings.Contains(data, `"code":"account.suspended"`) || !strings.Contains(data, "lunch") || !strings.Contains(data, first) {
			t.Errorf("the first event is %s", data)
		}
		if _, err := other.System().Resume(t.Context(), first, 0, vault.Reason{Code: "elsewhere"}); err != nil {
			t.Fatal(err)
		}
		if _, data = next(in); !strings.Contains(data, `"code":"account.active"`) || !strings.Contains(data, "elsewhere") {
			t.Errorf("the second event is %s", data)
		}
		if _, data := next(open(id)); !strings.Contains(data, "elsewhere") {
			t.Errorf("after %s comes %s, want the second event", id, data)
		}
	})
}

func TestPaths(t *testing.T) {
	w := newWorld(t, vaulttest.SQLite(t), nil)
	w.want(404, "NOT_FOUND", "GET", "/nothing", "")
	w.want(404, "NOT_FOUND", "GET", "/accounts//x", "")
	if a := w.want(405, "METHOD_NOT_ALLOWED", "DELETE", "/accounts", ""); !strings.Contains(a.header.Get("Allow"), "POST") {
		t.Errorf("Allow = %q", a.header.Get("Allow"))
	}
	w.want(422, "INVALID_INPUT", "GET", "/accounts?limit=0", "")
	w.want(422, "INVALID_INPUT", "GET", "/accounts?limit=501", "")
	w.want(422, "INVALID_INPUT", "GET", "/accounts?state=new", "")
	w.want(422, "INVALID_INPUT", "GET", "/accounts?after=x", "")
	w.want(422, "INVALID_INPUT", "GET", "/accounts?conector=hub", "")
	w.want(422, "INVALID_INPUT", "GET", "/connectors?after=x", "")
	w.want(422, "INVALID_INPUT", "GET", "/audit?from=yesterday", "")
	w.want(400, "BAD_REQUEST", "POST", "/agents", `{"name":`)
	w.want(413, "TOO_LARGE", "POST", "/agents", fmt.Sprintf(`{"name":"x","description":"%s"}`, strings.Repeat("x", 2<<20)))
}
