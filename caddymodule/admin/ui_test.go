package admin_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

func TestDashboardFiles(t *testing.T) {
	w := newWorld(t, vaulttest.SQLite(t), nil)
	for path, kind := range map[string]string{"/ui/": "text/html", "/ui/app.js": "text/javascript", "/ui/style.css": "text/css"} {
		res, err := http.Get(w.server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		policy := res.Header.Get("Content-Security-Policy")
		if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), kind) || !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || len(b) < 100 {
			t.Errorf("GET %s = %d %v", path, res.StatusCode, res.Header)
		}
		if !strings.Contains(policy, "require-trusted-types-for 'script'") || !strings.Contains(policy, "trusted-types 'none'") {
			t.Errorf("GET %s: the policy lets text be made markup: %s", path, policy)
		}
		if res.Header.Get("ETag") == "" || res.Header.Get("Content-Encoding") != "" && !res.Uncompressed {
			t.Errorf("GET %s = %v", path, res.Header)
		}
	}
	// All that the first paint needs is small, as it is sent.
	sent := 0
	for _, path := range []string{"/ui/", "/ui/app.js", "/ui/style.css", "/ui/icon.svg"} {
		req, _ := http.NewRequest("GET", w.server.URL+path, nil)
		req.Header.Set("Accept-Encoding", "gzip")
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		sent += len(b)
	}
	if sent < 10_000 || sent > 100_000 {
		t.Errorf("the first paint takes %d bytes, want at most 100 000", sent)
	}
	for path, want := range map[string]int{"github.svg": 200, "nobody-knows-it.svg": 200, "..%2fapp.js": 404, "%3Cb%3E.svg": 404, "github": 404} {
		res, err := http.Get(w.server.URL + "/ui/logos/" + path)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != want || !strings.Contains(res.Header.Get("Content-Security-Policy"), "default-src 'none'") || want == 200 &&
			(res.Header.Get("Content-Type") != "image/svg+xml" || !strings.Contains(res.Header.Get("Cache-Control"), "max-age") || !strings.HasPrefix(string(b), "<svg")) {
			t.Errorf("GET /ui/logos/%s = %d %v", path, res.StatusCode, res.Header)
		}
	}
	err := filepath.WalkDir("ui/src", func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		for _, bad := range []string{"innerHTML", "InnerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "new Function", "localStorage", "http://localhost"} {
			if strings.Contains(string(b), bad) {
				t.Errorf("%s has %s: it makes markup of text, or keeps what it should not", name, bad)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequest("GET", w.server.URL+"/ui/", nil)
	req.Host = "evil.example"
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 421 {
		t.Errorf("the dashboard by another host name = %d, want 421", res.StatusCode)
	}
}

// TestDashboard does with a real browser what a person does first.
func TestDashboard(t *testing.T) {
	w := newWorld(t, vaulttest.SQLite(t), nil)
	b := openBrowser(t, w.server.URL+"/ui/")
	b.see("Sign in")
	b.fill("Admin token", "atm_wrong")
	b.click("Sign in")
	b.see("That token does not open this.")
	b.noComplaints("status of 401")
	b.fill("Admin token", w.token)
	b.click("Sign in")
	b.see("First steps")
	b.see("root · admin")

	// A name that is markup stays text.
	const evil = `<img src=x onerror=document.title='owned'>`
	b.choose("hubb", "Hub") // with a typing error
	b.fill("Name", evil)
	b.fill("Token", "bad-secret")
	b.click("Connect")
	b.see("does not take")
	b.noComplaints("status of 422")
	b.fill("Token", "good-browser-secret-1234")
	b.click("Connect")
	b.see("hub: " + evil)
	b.see("…1234")
	b.see("Active")
	if got := b.eval("document.title"); got != "hub: "+evil+" · Attaché" {
		t.Errorf("the title is %q: a name was run", got)
	}
	if got := b.eval("document.activeElement.tagName"); got != "H1" {
		t.Errorf("after going to a page the focus is on %s", got)
	}
	b.click("Pause")
	b.see("Paused")
	b.click("Resume")
	b.see("It is active.")

	b.click("Agents")
	b.see("New agent")
	b.fill("New agent", "research")
	b.click("Create")
	b.see("It is shown this once")
	token := b.eval("document.querySelector('.once input').value")
	if !vault.LooksLikeAgentToken(token) {
		t.Errorf("the page shows %q as the token", token)
	}
	b.click("Done")
	b.see("May use")
	b.waitFor("[...document.querySelectorAll('option')].some((o) => o.textContent.startsWith('hub: '))", "to offer the account")
	b.click("Give access")
	b.see("Remove access")
	if l := w.want(200, "", "GET", "/grants", ""); l.len("items") != 2 { // one is the file's
		t.Errorf("grants = %s", l.raw)
	}
	b.click("Connectors")
	b.see("Desk")
	b.eval("[...document.querySelectorAll('main a')].find((e) => e.textContent.includes('Desk')).click()")
	b.see("Ways to connect")
	b.click("Audit")
	b.see("Grant created")
	b.tick("Follow")
	b.seesLive(w)

	if where := b.eval("JSON.stringify([document.cookie, localStorage.length])"); where != `["",0]` {
		t.Errorf("the page keeps something in %s", where)
	}
	b.click("Sign out")
	b.see("Admin token")
	if b.eval("sessionStorage.length") != "0" {
		t.Errorf("signing out leaves the token")
	}
	b.noComplaints()
}
