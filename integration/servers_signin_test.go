package integration_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// People sign in to the REST API through a certified OpenID provider, and out
// again; whoever no allow line fits does not come in.
func TestSignInWithOIDCProvider(t *testing.T) {
	port := freePort(t)
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	idp := newOIDC(t, "--redirect", base+"/api/v1/session/callback")
	a := newAttache(t, setup{
		Attache: "vault sqlite {$VAULT}\n\t\tallow_address 127.0.0.1\n\t\tagent local",
		Env:     []string{"VAULT=" + t.TempDir() + "/vault.db", "OIDC_SECRET=" + idp.Secrets["basic"]},
		Sites: fmt.Sprintf(`http://:%d {
	bind 127.0.0.1
	attache_admin {
		oidc %s {
			client_id basic
			client_secret {env.OIDC_SECRET}
			allow sub ann operator acme
			allow name root admin *
		}
	}
}`, port, idp.Issuer),
	})

	ask := func(p *person, method, path, csrf string) (int, map[string]any, *http.Response) {
		t.Helper()
		req, err := http.NewRequest(method, base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if csrf != "" {
			req.Header.Set("X-CSRF-Token", csrf)
		}
		res, err := p.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		var m map[string]any
		_ = json.Unmarshal(b, &m)
		return res.StatusCode, m, res
	}
	// signIn is the person's way from our page through the provider's and back.
	signIn := func(name string) (p *person, status int, m map[string]any) {
		t.Helper()
		p = newPerson(t, name)
		_, _, res := ask(p, "GET", "/api/v1/session/sign-in", "")
		to, err := res.Location()
		if err != nil {
			t.Fatalf("signing in = %d, no redirect", res.StatusCode)
		}
		back, text := p.approve(to.String())
		if back == nil || !strings.HasPrefix(back.String(), base+"/api/v1/session/callback?") {
			t.Fatalf("the provider sent %s to %v\n%s", name, back, clip(text))
		}
		status, m, _ = ask(p, "GET", back.RequestURI(), "")
		return p, status, m
	}

	ann, status, m := signIn("ann")
	if status != http.StatusSeeOther {
		t.Fatalf("ann comes back to %d %v", status, m)
	}
	_, me, _ := ask(ann, "GET", "/api/v1/me", "")
	if me["name"] != "ann" || me["role"] != "operator" || me["organisation"] != "acme" {
		t.Errorf("ann is %v", me)
	}
	root, _, _ := signIn("root")
	if _, me, _ := ask(root, "GET", "/api/v1/me", ""); me["role"] != "admin" || me["organisation"] != "*" {
		t.Errorf("root is %v", me)
	}
	if _, status, m := signIn("eve"); status != http.StatusForbidden || m["code"] != "SIGN_IN_NOT_ALLOWED" {
		t.Errorf("eve comes back to %d %v", status, m)
	}

	if status, m, _ := ask(ann, "DELETE", "/api/v1/session", ""); status != http.StatusForbidden || m["code"] != "CSRF_TOKEN_MISSING" {
		t.Errorf("signing out without the CSRF token = %d %v", status, m)
	}
	old := cookies(ann, base)
	if status, m, _ := ask(ann, "DELETE", "/api/v1/session", fmt.Sprint(me["csrf_token"])); status != http.StatusNoContent {
		t.Errorf("signing out = %d %v", status, m)
	}
	u, _ := url.Parse(base + "/api/v1")
	ann.client.Jar.SetCookies(u, old) // somebody kept the cookie
	if status, _, _ := ask(ann, "GET", "/api/v1/me", ""); status != http.StatusUnauthorized {
		t.Errorf("after signing out GET /me = %d", status)
	}

	// Nothing of it stands in the log at debug level: no code, token or cookie.
	for _, secret := range append([]string{idp.Secrets["basic"], "atp_"}, values(old)...) {
		if strings.Contains(a.Log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

func cookies(p *person, base string) []*http.Cookie {
	u, _ := url.Parse(base + "/api/v1/me")
	return p.client.Jar.Cookies(u)
}

func values(cookies []*http.Cookie) (out []string) {
	for _, c := range cookies {
		out = append(out, c.Value)
	}
	return out
}
