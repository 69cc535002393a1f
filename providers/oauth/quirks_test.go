package oauth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/providers/strictyaml"
)

// quirkCase is one case of testdata/quirks: a connector's YAML, what is asked of
// it, the requests that it must send, byte for byte, and what it must understand.
type quirkCase struct {
	Name  string    `yaml:"name"`
	Spec  yaml.Node `yaml:"spec"`
	Given given     `yaml:"given"`
	// Sends are the exchanges in order.
	Sends []struct {
		Request string     `yaml:"request"`
		Answer  cannedText `yaml:"answer"`
	} `yaml:"sends"`
	Want want `yaml:"want"`
}

type given struct {
	Do           string            `yaml:"do"` // token (when empty), authorize, callback, device, revoke, oauth1
	App          map[string]string `yaml:"app"`
	Fields       map[string]string `yaml:"fields"`
	Account      map[string]string `yaml:"account"`
	Code         string            `yaml:"code"`
	Verifier     string            `yaml:"verifier"`
	RedirectURI  string            `yaml:"redirect_uri"`
	RefreshToken string            `yaml:"refresh_token"`
	Token        string            `yaml:"token"`
	TokenSecret  string            `yaml:"token_secret"`
	DeviceCode   string            `yaml:"device_code"`
	Scopes       []string          `yaml:"scopes"`
	Query        string            `yaml:"query"` // of the callback
}

type cannedText struct {
	Status  int               `yaml:"status"`
	Type    string            `yaml:"type"`
	Headers map[string]string `yaml:"headers"`
	Body    string            `yaml:"body"`
}

type want struct {
	Compile      string            `yaml:"compile"` // part of Compile's error
	Error        string            `yaml:"error"`   // part of the error
	Invalid      bool              `yaml:"invalid_grant"`
	Token        string            `yaml:"token"`
	Expires      string            `yaml:"expires"` // from now
	RefreshToken string            `yaml:"refresh_token"`
	RefreshGone  bool              `yaml:"refresh_gone"`
	RefreshIn    string            `yaml:"refresh_expires"`
	Scopes       []string          `yaml:"scopes"`
	Metadata     map[string]string `yaml:"metadata"`
	Fields       map[string]string `yaml:"fields"`
	Margin       string            `yaml:"margin"`
	URL          string            `yaml:"url"`
	Interval     string            `yaml:"interval"`
	Code         string            `yaml:"code"`
}

func TestQuirks(t *testing.T) {
	files, err := filepath.Glob("testdata/quirks/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata/quirks")
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		dec := yaml.NewDecoder(strings.NewReader(string(src)))
		dec.KnownFields(true)
		var cases []quirkCase
		if err := dec.Decode(&cases); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, c := range cases {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml")+"/"+c.Name, func(t *testing.T) { c.run(t) })
		}
	}
}

func (c *quirkCase) run(t *testing.T) {
	var spec struct {
		oauth.Spec `yaml:",inline"`
	}
	if err := strictyaml.Decode(&c.Spec, &spec); err != nil {
		t.Fatalf("decoding the spec: %v", err)
	}
	cfg, err := oauth.Compile(spec.Spec)
	if c.Want.Compile != "" {
		if err == nil || !strings.Contains(err.Error(), c.Want.Compile) {
			t.Fatalf("Compile() = %v, want an error with %q", err, c.Want.Compile)
		}
		return
	}
	if err != nil {
		t.Fatalf("Compile() = %v", err)
	}
	wire := &wire{t: t, c: c}
	got, err := c.do(cfg, wire)
	if wire.next != len(c.Sends) {
		t.Errorf("requests = %d, want %d", wire.next, len(c.Sends))
	}
	if c.Want.Error != "" {
		if err == nil || !strings.Contains(err.Error(), c.Want.Error) {
			t.Fatalf("error = %v, want one with %q", err, c.Want.Error)
		}
		if got := errors.Is(err, oauth.ErrInvalidGrant); got != c.Want.Invalid {
			t.Errorf("Is(ErrInvalidGrant) = %v, want %v", got, c.Want.Invalid)
		}
		return
	}
	if err != nil {
		t.Fatalf("error = %v, want none", err)
	}
	got.Margin, got.Compile = c.Want.Margin, ""
	if m := cfg.Margin(); c.Want.Margin != "" && m.String() != c.Want.Margin {
		t.Errorf("Margin() = %v, want %v", m, c.Want.Margin)
	}
	if g, w := dump(*got), dump(c.Want); g != w {
		t.Errorf("got:\n%s\nwant:\n%s", g, w)
	}
}

func dump(w want) string {
	b, _ := yaml.Marshal(w)
	return string(b)
}

func values(m map[string]string) secret.Values {
	vs := secret.Values{}
	for k, v := range m {
		vs[k] = secret.New(v)
	}
	return vs
}

// do runs the case and describes what came of it as a want.
func (c *quirkCase) do(cfg *oauth.Config, w *wire) (*want, error) {
	g := &c.Given
	app := g.App
	if app == nil {
		app = map[string]string{"client_id": "my-id", "client_secret": "my-secret"}
	}
	r := oauth.Request{
		HTTP: w, App: values(app), Fields: values(g.Fields), Account: g.Account, Scopes: g.Scopes, Now: clock,
		Code: secret.New(g.Code), Verifier: secret.New(g.Verifier), RedirectURI: g.RedirectURI,
		RefreshToken: secret.New(g.RefreshToken), DeviceCode: secret.New(g.DeviceCode),
		Token: secret.New(g.Token), TokenSecret: secret.New(g.TokenSecret),
	}
	ctx := context.Background()
	switch g.Do {
	case "authorize":
		u, err := cfg.AuthorizeURL(oauth.Authorization{
			App: r.App, Fields: r.Fields, Account: r.Account, RedirectURI: g.RedirectURI, State: "st",
			Verifier: r.Verifier, Scopes: r.Scopes,
		})
		return &want{URL: uuidText.ReplaceAllString(u, "<uuid>")}, err
	case "callback":
		q, err := url.ParseQuery(g.Query)
		if err != nil {
			return nil, err
		}
		cb, err := cfg.Callback(q)
		if err != nil {
			return nil, err
		}
		return &want{Code: cb.Code.Reveal(), Metadata: cb.Metadata}, nil
	case "device":
		d, err := cfg.AuthorizeDevice(ctx, r)
		if err != nil {
			return nil, err
		}
		return &want{Code: d.UserCode, URL: d.VerificationURI, Token: d.Code.Reveal(), Expires: d.Expiry.Sub(now).String(), Interval: d.Interval.String()}, nil
	case "revoke":
		return &want{}, cfg.Revoke(ctx, r)
	}
	tok, err := cfg.Token(ctx, r)
	if err != nil {
		return nil, err
	}
	return describe(tok), nil
}

func describe(tok *oauth.Token) *want {
	w := &want{
		Token: tok.Credential.Token.Reveal(), RefreshToken: tok.RefreshToken.Reveal(), RefreshGone: tok.RefreshTokenGone,
		Scopes: tok.Credential.Scopes, Metadata: tok.Metadata,
	}
	if !tok.Credential.Expiry.IsZero() {
		w.Expires = tok.Credential.Expiry.Sub(now).String()
	}
	if !tok.RefreshExpiry.IsZero() {
		w.RefreshIn = tok.RefreshExpiry.Sub(now).String()
	}
	for name, v := range tok.Credential.Fields {
		if w.Fields == nil {
			w.Fields = map[string]string{}
		}
		w.Fields[name] = v.Reveal()
	}
	return w
}

// wire is a Doer that compares requests with those of a case.
type wire struct {
	t    *testing.T
	c    *quirkCase
	next int
}

func (w *wire) Do(req *http.Request) (*http.Response, error) {
	if w.next >= len(w.c.Sends) {
		w.t.Errorf("an unexpected request:\n%s", onWire(req))
		return nil, errors.New("unexpected")
	}
	one := w.c.Sends[w.next]
	w.next++
	if got, want := onWire(req), strings.TrimSpace(one.Request); got != want {
		w.t.Errorf("request %d:\n%s\nwant:\n%s", w.next, got, want)
	}
	resp := &http.Response{StatusCode: one.Answer.Status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(one.Answer.Body)), Request: req}
	if resp.StatusCode == 0 {
		resp.StatusCode = 200
	}
	media := one.Answer.Type
	if media == "" {
		media = "application/json"
	}
	resp.Header.Set("Content-Type", media)
	for name, v := range one.Answer.Headers {
		resp.Header.Set(name, v)
	}
	return resp, nil
}

var (
	jwtText  = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+`)
	uuidText = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)
)

// onWire writes a request as text, without the headers that all of them have.
func onWire(req *http.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", req.Method, req.URL)
	for _, name := range slices.Sorted(maps.Keys(req.Header)) {
		v := strings.Join(req.Header[name], ", ")
		if name == "Accept" && v == "application/json" || name == "User-Agent" && v == "attache" {
			continue
		}
		fmt.Fprintf(&b, "%s: %s\n", name, v)
	}
	body, _ := io.ReadAll(req.Body)
	if len(body) > 0 {
		fmt.Fprintf(&b, "\n%s", body)
	}
	s := jwtText.ReplaceAllString(b.String(), "<jwt>")
	return strings.TrimSpace(uuidText.ReplaceAllString(s, "<uuid>"))
}
