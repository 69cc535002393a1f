package admin_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/oauth/oauthtest"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
	attache "github.com/attache-proxy/attache/sdk/go"
)

// examples are the blocks of docs/libraries.md in a language, about the connector and the
// callback of these tests.
func examples(t *testing.T, language string) (out []string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/libraries.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(page), "```"+language+"\n")[1:] {
		text, _, _ := strings.Cut(block, "```")
		out = append(out, strings.NewReplacer("google-calendar", "cal", "https://app.example.com/back", "https://app.example/back").Replace(text))
	}
	return out
}

// TestLibraries runs the examples of docs/libraries.md with each library against the API.
func TestLibraries(t *testing.T) {
	f := newFlows(t, vaulttest.SQLite(t), oauthtest.Options{})
	sdk, err := filepath.Abs("../../sdk")
	if err != nil {
		t.Fatal(err)
	}
	run := func(t *testing.T, program, name, text, want string) {
		t.Helper()
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("no %s here", program)
		}
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, file)
		// An agent's proxy in the environment is no way to this machine.
		cmd.Env = append(os.Environ(), "ATTACHE_ADMIN="+f.server.URL, "ATTACHE_ADMIN_TOKEN="+f.token, "PYTHONPATH="+filepath.Join(sdk, "python"), "PYTHONDONTWRITEBYTECODE=1",
			"HTTP_PROXY=http://127.0.0.1:1", "http_proxy=http://127.0.0.1:1", "no_proxy=", "NO_PROXY=")
		out, err := cmd.CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%v:\n%s\nwant:\n%s", err, out, want)
		}
	}
	walked := "active True\nnorth\ntest_\nNOT_TEST_MODE 409\n"
	t.Run("TypeScript", func(t *testing.T) {
		person := `async function person(at) {
  const res = await fetch(at + '&login_hint=ann', { redirect: 'manual' });
  return Object.fromEntries(new URL(res.headers.get('location')).searchParams);
}
`
		text := strings.ReplaceAll(examples(t, "js")[0], "'attache-client'", "'file://"+sdk+"/typescript/index.js'")
		run(t, "node", "example.mjs", text+person, strings.ReplaceAll(walked, "True", "true"))
	})
	t.Run("Python", func(t *testing.T) {
		person := `
import urllib.error, urllib.parse, urllib.request
def person(at):
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_): return None
    try:
        urllib.request.build_opener(Stay, urllib.request.ProxyHandler({})).open(at + "&login_hint=ann")
    except urllib.error.HTTPError as err:
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(err.headers["Location"]).query))
`
		blocks := examples(t, "python")
		run(t, "python3", "example.py", person+blocks[0], walked)
		run(t, "python3", "example_async.py", blocks[1], "3 3\n")
	})
	t.Run("Go", func(t *testing.T) {
		// The block is the body below; that it is the same is part of the test.
		source, err := os.ReadFile("libraries_test.go")
		if err != nil {
			t.Fatal(err)
		}
		if block := examples(t, "go")[0]; !strings.Contains(strings.ReplaceAll(string(source), "\n\t", "\n"), strings.TrimPrefix(block, "c, err := attache.New(attache.Config{}) // ATTACHE_ADMIN, ATTACHE_ADMIN_TOKEN\n")) {
			t.Errorf("docs/libraries.md has another example:\n%s", block)
		}
		t.Setenv("ATTACHE_ADMIN", f.server.URL)
		t.Setenv("ATTACHE_ADMIN_TOKEN", f.token)
		if err := inGo(t.Context(), visits); err != nil {
			t.Error(err)
		}
	})
}

func inGo(ctx context.Context, person func(at string) (code, state string)) error {
	c, err := attache.New(attache.Config{}) // ATTACHE_ADMIN, ATTACHE_ADMIN_TOKEN
	if err != nil {
		return err
	}
	a, err := c.Accounts.Create(ctx, attache.NewAccount{Connector: "cal", Option: "oauth", Name: "go", Scopes: []string{"calendar.readonly"}})
	if err != nil {
		return err
	}
	begun, err := c.Accounts.GetAuthURL(ctx, a.ID, &attache.Authorize{RedirectURI: "https://app.example/back", State: "7f9c2ba4e88f827d"})
	if err != nil {
		return err
	}
	code, state := person(begun.AuthorizationURL) // their browser, and your callback
	if a, err = c.Accounts.ExchangeCode(ctx, a.ID, code, state); err != nil {
		return err
	}
	if _, err := c.Accounts.GetTestTokens(ctx, a.ID); attache.Is(err, attache.CodeNotTestMode) {
		fmt.Println(a.State, "NOT_TEST_MODE")
		return nil
	}
	return errors.New("an account that is not in test mode showed its tokens")
}

func visits(at string) (code, state string) {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Get(as(at, "ann"))
	if err != nil {
		return "", ""
	}
	res.Body.Close()
	u, err := url.Parse(res.Header.Get("Location"))
	if err != nil {
		return "", ""
	}
	return u.Query().Get("code"), u.Query().Get("state")
}

// TestLibrariesRefuse: what would send the token elsewhere, or ask for another path.
func TestLibrariesRefuse(t *testing.T) {
	for _, origin := range []string{"http://connect.example.com", "http://10.0.0.1:8081", "ftp://127.0.0.1", "nothing", "http://127.0.0.1.example.com"} {
		if _, err := attache.New(attache.Config{Origin: origin, Token: "x"}); err == nil {
			t.Errorf("New(%s) = nil", origin)
		}
	}
	t.Setenv("ATTACHE_ADMIN_TOKEN", "")
	if _, err := attache.New(attache.Config{}); err == nil {
		t.Error("a client without a token")
	}
	w := newWorld(t, vaulttest.SQLite(t), nil)
	c, err := attache.New(attache.Config{Origin: w.server.URL, Token: w.token + "\n"})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"", ".", ".."} {
		if _, err := c.Accounts.Get(t.Context(), id); err == nil {
			t.Errorf("Get(%q) = nil", id)
		}
	}
	if _, err := c.Accounts.Get(t.Context(), "../agents"); !attache.Is(err, attache.CodeAccountNotFound) && !attache.Is(err, attache.CodeNotFound) {
		t.Errorf("Get of a path = %v", err)
	}
	if _, err := c.Accounts.Get(t.Context(), "acc_none"); !attache.Is(err, attache.CodeAccountNotFound) {
		t.Errorf("an account that is not there = %v", err)
	}
}
