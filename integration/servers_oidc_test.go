package integration_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// oidcServer is a running oidc-provider, a certified OpenID provider: see
// node/oidc.mjs for its options and for what it serves besides.
type oidcServer struct {
	Issuer        string            `json:"issuer"`
	Authorize     string            `json:"authorization_endpoint"`
	Token         string            `json:"token_endpoint"`
	Device        string            `json:"device_authorization_endpoint"`
	Register      string            `json:"registration_endpoint"`
	Introspection string            `json:"introspection_endpoint"`
	Revocation    string            `json:"revocation_endpoint"`
	Userinfo      string            `json:"userinfo_endpoint"`
	Service       string            `json:"service"`    // takes its tokens: says sub, client_id, scope, aud
	Secrets       map[string]string `json:"clients"`    // client id → secret: basic, post, jwt, public
	ClientKey     string            `json:"client_key"` // PEM of the client jwt: ES256, kid client-key

	log *buffer
}

// oidcEvents is what happened at the provider so far.
type oidcEvents struct {
	Token           map[string]int `json:"token"`            // grant type → answers
	Refused         map[string]int `json:"refused"`          // error: reason → answers
	RevokedFamilies int            `json:"revoked_families"` // grants that ended, by revocation or reuse
	Fault           int            `json:"fault"`            // faults on request
}

// newOIDC starts the provider on a free port. It ends with the test.
func newOIDC(t testing.TB, args ...string) *oidcServer {
	t.Helper()
	integration(t)
	s := &oidcServer{log: &buffer{}}
	s.log.Write([]byte(nodeServer(t, s.log, s, "oidc.mjs", args...)))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the provider's log:\n%s", tail(s.log.String(), 20))
		}
	})
	return s
}

// nodeServer runs a script of ours below node/ until the test ends, and reads
// its first line, a JSON object, into v. Its other output goes to log.
func nodeServer(t testing.TB, log io.Writer, v any, script string, args ...string) (first string) {
	t.Helper()
	dir := os.Getenv("ATTACHE_NODE_DIR")
	if dir == "" {
		missing(t, "ATTACHE_NODE_DIR, a directory in which npm has installed the packages of node/package.json")
	}
	// The script is looked up beside its packages, where test.sh copies it.
	copyFile(t, filepath.Join("node", script), filepath.Join(dir, script))
	cmd := exec.Command(program(t, "node"), append([]string{script}, args...)...)
	cmd.Dir, cmd.Stderr = dir, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	lines := bufio.NewReader(out)
	line := make(chan string, 1)
	go func() {
		s, _ := lines.ReadString('\n')
		line <- s
		io.Copy(log, lines)
		cmd.Wait()
		close(ended)
	}()
	select {
	case first = <-line:
	case <-time.After(2 * time.Minute):
		t.Fatalf("%s says nothing within two minutes", script)
	}
	if err := json.Unmarshal([]byte(first), v); err != nil {
		time.Sleep(100 * time.Millisecond) // for its last words
		t.Fatalf("%s begins with %q: %v\n%s", script, first, err, log)
	}
	return first
}

// copyFile copies a small file, unless the copy is there already: other tests
// may be reading it.
func copyFile(t testing.TB, from, to string) {
	t.Helper()
	want := readFile(t, from)
	if b, err := os.ReadFile(to); err == nil && string(b) == want {
		return
	}
	temporary, err := os.CreateTemp(filepath.Dir(to), ".copy*")
	if err != nil {
		t.Fatal(err)
	}
	defer temporary.Close()
	if _, err := temporary.WriteString(want); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temporary.Name(), to); err != nil {
		t.Fatal(err)
	}
}

// Events asks the provider what happened so far.
func (s *oidcServer) Events(t testing.TB) (e oidcEvents) {
	t.Helper()
	res, err := http.Get(s.Issuer + "/_events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&e); err != nil {
		t.Fatal(err)
	}
	return e
}

// fault makes the next token requests fail: hang, drop or 500.
func (s *oidcServer) fault(t testing.TB, mode string, count int) {
	t.Helper()
	res, err := http.Post(fmt.Sprintf("%s/_fault?mode=%s&count=%d", s.Issuer, mode, count), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
}

// person clicks through the provider's pages without a browser.
type person struct {
	Name string // to sign in with
	Deny bool   // says no where asked for consent

	t      testing.TB
	client *http.Client
}

// newPerson has cookies of its own.
func newPerson(t testing.TB, name string) *person {
	jar, _ := cookiejar.New(nil)
	return &person{Name: name, t: t, client: &http.Client{
		Jar: jar, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// approve opens a page of the provider and does what it asks for, sign-in and
// consent, until there is no more to do. It returns where the provider then
// sends the browser, which is not followed, or nil where it ends on a page.
// That page's text is the second result.
func (p *person) approve(page string) (*url.URL, string) {
	p.t.Helper()
	start, err := url.Parse(page)
	if err != nil {
		p.t.Fatal(err)
	}
	at, body, no := start, url.Values(nil), false
	for range 20 {
		res, text := p.send(at, body)
		body = nil
		location, err := res.Location()
		if m := refreshTag.FindStringSubmatch(text); err != nil && m != nil {
			location, err = at.Parse(html.UnescapeString(m[1]))
		}
		if err == nil {
			if location.Hostname() != start.Hostname() || location.Port() != start.Port() {
				return location, text
			}
			at = location
			continue
		}
		to, fields := form(text)
		if fields == nil || no {
			return nil, text
		}
		if at, err = at.Parse(to); err != nil {
			p.t.Fatal(err)
		}
		switch {
		case fields.Get("prompt") == "login":
			fields.Set("login", p.Name)
			fields.Set("password", "any")
		case p.Deny && fields.Get("prompt") == "consent":
			at = at.JoinPath("abort")
			continue
		case p.Deny && fields.Get("confirm") != "":
			fields.Del("confirm")
			fields.Set("abort", "yes")
			no = true
		}
		body = fields
	}
	p.t.Fatalf("%s: no end after 20 pages; the last is %s", page, at)
	return nil, ""
}

// send gets a page, or posts a form to it.
func (p *person) send(at *url.URL, body url.Values) (*http.Response, string) {
	p.t.Helper()
	var res *http.Response
	var err error
	if body == nil {
		res, err = p.client.Get(at.String())
	} else {
		res, err = p.client.PostForm(at.String(), body)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res, string(b)
}

var (
	formTag = regexp.MustCompile(`<form[^>]*>`)
	action  = regexp.MustCompile(` action="([^"]*)"`)
	// A page that sends the browser on by itself.
	refreshTag = regexp.MustCompile(`<meta http-equiv="refresh" content="0; url=([^"]*)"`)
	inputTag   = regexp.MustCompile(`<input[^>]*>`)
	attr       = regexp.MustCompile(`(name|value|type)="([^"]*)"`)
)

// form finds the first form of a page: where it goes, empty for the page itself,
// and its hidden fields; nil where the page has none.
func form(page string) (to string, fields url.Values) {
	m := formTag.FindStringIndex(page)
	if m == nil {
		return "", nil
	}
	if a := action.FindStringSubmatch(page[m[0]:m[1]]); a != nil {
		to = html.UnescapeString(a[1])
	}
	fields = url.Values{}
	inside, _, _ := strings.Cut(page[m[1]:], "</form>")
	for _, tag := range inputTag.FindAllString(inside, -1) {
		attrs := map[string]string{}
		for _, a := range attr.FindAllStringSubmatch(tag, -1) {
			attrs[a[1]] = html.UnescapeString(a[2])
		}
		if attrs["type"] == "hidden" {
			fields.Set(attrs["name"], attrs["value"])
		}
	}
	return to, fields
}

// The provider is what the tests take it for: it demands PKCE, rotates refresh
// tokens, and ends the whole family when one is used twice.
func TestOIDCProvider(t *testing.T) {
	const redirect = "http://localhost:1/callback"
	s := newOIDC(t, "--redirect", redirect, "--device-interval", "1")
	token := func(v url.Values) (status int, m map[string]any) {
		t.Helper()
		v.Set("client_id", "post")
		v.Set("client_secret", s.Secrets["post"])
		res, err := http.PostForm(s.Token, v)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(&m); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, m
	}

	authorize := url.Values{"client_id": {"post"}, "response_type": {"code"}, "redirect_uri": {redirect}, "scope": {"openid read"}, "state": {"s1"}}
	if back, _ := newPerson(t, "alice").approve(s.Authorize + "?" + authorize.Encode()); back == nil || back.Query().Get("error") != "invalid_request" {
		t.Errorf("without PKCE: sent to %v, want invalid_request", back)
	}
	authorize.Set("code_challenge_method", "S256")
	authorize.Set("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM") // RFC 7636 appendix B
	back, _ := newPerson(t, "alice").approve(s.Authorize + "?" + authorize.Encode())
	if back == nil || back.Query().Get("state") != "s1" || back.Query().Get("iss") != s.Issuer {
		t.Fatalf("sent to %v, want state and iss", back)
	}
	status, first := token(url.Values{"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")},
		"redirect_uri": {redirect}, "code_verifier": {"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}})
	if status != 200 || first["refresh_token"] == nil {
		t.Fatalf("token: %d %v", status, first)
	}
	refresh := func(rt any) (int, map[string]any) {
		return token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {fmt.Sprint(rt)}})
	}
	_, second := refresh(first["refresh_token"])
	if second["refresh_token"] == first["refresh_token"] {
		t.Errorf("the refresh token was not rotated")
	}
	if status, m := refresh(first["refresh_token"]); status != 400 || m["error"] != "invalid_grant" {
		t.Errorf("a used refresh token: %d %v", status, m)
	}
	if status, m := refresh(second["refresh_token"]); status != 400 || m["error"] != "invalid_grant" {
		t.Errorf("the newest refresh token of a family that ended: %d %v", status, m)
	}
	if e := s.Events(t); e.RevokedFamilies != 1 || e.Token["authorization_code"] != 1 {
		t.Errorf("events %+v, want one family ended", e)
	}

	deny := newPerson(t, "alice")
	deny.Deny = true
	if back, _ := deny.approve(s.Authorize + "?" + authorize.Encode()); back == nil || back.Query().Get("error") != "access_denied" {
		t.Errorf("denied: sent to %v, want access_denied", back)
	}

	// RFC 8628: pending, too fast, approved.
	res, err := http.PostForm(s.Device, url.Values{"client_id": {"public"}, "scope": {"openid read"}})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var device map[string]any
	json.NewDecoder(res.Body).Decode(&device)
	var got []string
	poll := func() {
		res, err := http.PostForm(s.Token, url.Values{"client_id": {"public"}, "grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {fmt.Sprint(device["device_code"])}})
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var m map[string]any
		json.NewDecoder(res.Body).Decode(&m)
		got = append(got, fmt.Sprint(m["error"]))
	}
	poll()
	poll()
	if _, page := newPerson(t, "bob").approve(fmt.Sprint(device["verification_uri_complete"])); !strings.Contains(page, "Success") {
		t.Errorf("the device's page ends with %s", clip(page))
	}
	poll()
	if want := []string{"authorization_pending", "slow_down", "<nil>"}; !slices.Equal(got, want) {
		t.Errorf("polls = %q, want %q", got, want)
	}
}
