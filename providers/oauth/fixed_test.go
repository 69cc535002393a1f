package oauth_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
)

// listening is a Doer that hands out what any token endpoint would, and remembers
// who was asked for what.
type listening struct{ heard []string }

func (l *listening) Do(r *http.Request) (*http.Response, error) {
	body := []byte{}
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	l.heard = append(l.heard, r.URL.Host+" "+r.Header.Get("Authorization")+" "+string(body)+" "+r.URL.RawQuery)
	answer := `{"access_token":"t","token_type":"Bearer","expires_in":3600,"refresh_token":"r2","device_code":"d","user_code":"u","verification_uri":"https://login.example.com/device"}`
	if strings.Contains(r.URL.Path, "request") || r.URL.Path == "/oauth1" {
		answer = "oauth_token=a&oauth_token_secret=b&oauth_callback_confirmed=true"
	}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(answer))}, nil
}

// TestSecretsGoWhereTheyWereEnteredFor: whatever an account's field or the app's
// parameter makes of an endpoint, no request that carries what is the client's or
// the grant's goes to another host than was fixed.
func TestSecretsGoWhereTheyWereEnteredFor(t *testing.T) {
	const evil = "evil.example"
	app := func(hosts ...string) secret.Values {
		return secret.Values{"client_id": secret.New("id"), "client_secret": secret.New("s3cret"), "tenant": secret.New(evil), secret.FixedHosts: secret.Fixed(hosts)}
	}
	url := func(path string) string { return "https://{fields.host}" + path }
	for name, c := range map[string]struct {
		spec oauth.Spec
		req  oauth.Request
		do   func(*oauth.Config, oauth.Request) error
	}{
		"code":               {spec: oauth.Spec{AuthorizeURL: "https://login.example.com/a", TokenURL: url("/t")}, req: oauth.Request{Code: secret.New("code")}},
		"refresh":            {spec: oauth.Spec{GrantType: "refresh_token", TokenURL: url("/t")}, req: oauth.Request{RefreshToken: secret.New("rt")}},
		"refresh url":        {spec: oauth.Spec{GrantType: "refresh_token", TokenURL: "https://login.example.com/t", RefreshURL: url("/t")}, req: oauth.Request{RefreshToken: secret.New("rt")}},
		"client credentials": {spec: oauth.Spec{GrantType: "client_credentials", TokenURL: url("/t")}},
		"public client":      {spec: oauth.Spec{GrantType: "refresh_token", TokenURL: url("/t"), TokenAuth: "none"}, req: oauth.Request{RefreshToken: secret.New("rt")}},
		"app parameter":      {spec: oauth.Spec{GrantType: "client_credentials", TokenURL: "https://{app.tenant}/t"}},
		"captured host":      {spec: oauth.Spec{GrantType: "client_credentials", TokenURL: "{account.base}/t"}},
		"suffix":             {spec: oauth.Spec{GrantType: "client_credentials", TokenURL: "https://login.example.com.{fields.host}/t"}},
		"device poll":        {spec: oauth.Spec{GrantType: "device_code", DeviceURL: "https://login.example.com/d", TokenURL: url("/t")}, req: oauth.Request{DeviceCode: secret.New("dc")}},
		"device": {spec: oauth.Spec{GrantType: "device_code", DeviceURL: url("/d"), TokenURL: "https://login.example.com/t"},
			do: func(c *oauth.Config, r oauth.Request) error { _, err := c.AuthorizeDevice(t.Context(), r); return err }},
		"revoke": {spec: oauth.Spec{GrantType: "refresh_token", TokenURL: "https://login.example.com/t", RevokeURL: url("/r")}, req: oauth.Request{RefreshToken: secret.New("rt")},
			do: func(c *oauth.Config, r oauth.Request) error { return c.Revoke(t.Context(), r) }},
		"oauth1": {spec: oauth.Spec{RequestTokenURL: url("/request"), AuthorizeURL: "https://login.example.com/a", TokenURL: "https://login.example.com/oauth1"}, req: oauth.Request{RedirectURI: "https://us.example/cb"},
			do: func(c *oauth.Config, r oauth.Request) error {
				_, err := c.StartOAuth1(t.Context(), r, "st")
				return err
			}},
		"obtain":        {spec: oauth.Spec{GrantType: "obtain", Obtain: oauth.Steps{{URL: url("/t"), Params: oauth.Params{"k": "{app.client_secret}"}}}}},
		"obtain, basic": {spec: oauth.Spec{GrantType: "obtain", Obtain: oauth.Steps{{URL: url("/t"), Auth: "basic"}}}},
		"then":          {spec: oauth.Spec{GrantType: "client_credentials", TokenURL: "https://login.example.com/t", Then: oauth.Steps{{URL: url("/x"), Headers: map[string]string{"X": "{app.client_secret}"}}}}},
		"resolve":       {spec: oauth.Spec{GrantType: "client_credentials", TokenURL: "https://login.example.com/t", Resolve: oauth.Steps{{URL: url("/x"), Query: map[string]string{"q": "{fields.refresh_token}"}}}}, req: oauth.Request{RefreshToken: secret.New("rt")}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := oauth.Compile(c.spec)
			if err != nil {
				t.Fatal(err)
			}
			do := c.do
			if do == nil {
				do = func(c *oauth.Config, r oauth.Request) error { _, err := c.Token(t.Context(), r); return err }
			}
			try := func(host string, hosts ...string) (string, error) {
				var l listening
				r := c.req
				r.HTTP, r.App, r.Account = &l, app(hosts...), map[string]string{"base": "https://" + host}
				r.Fields = secret.Values{"host": secret.New(host), "refresh_token": c.req.RefreshToken}
				r.App["tenant"] = secret.New(host)
				err := do(cfg, r)
				return strings.Join(l.heard, "\n"), err
			}
			heard, err := try(evil, "login.example.com", "*.example.com")
			if strings.Contains(heard, evil) {
				t.Errorf("%s was sent %q (%v)", evil, heard, err)
			}
			if err == nil || !strings.Contains(err.Error(), "entered for") {
				t.Errorf("error = %v, want one that says why", err)
			}
			if heard, _ = try("login.example.com"); heard != "" {
				t.Errorf("a client without hosts was sent: %q", heard)
			}
			if heard, err = try("tenant.example.com", "login.example.com", "login.example.com.tenant.example.com", "*.example.com"); heard == "" {
				t.Errorf("nothing was sent to a host that was fixed: %v", err)
			}
		})
	}
}

func TestCheckHost(t *testing.T) {
	for pattern, ok := range map[string]bool{
		"login.example.com": true, "*.example.com": true, "auth.*.example.com": true, "login.example.com:8443": true, "[::1]:8443": true,
		"*": false, "*.com": false, "*.co.uk": false, "*.github.io": false, "login.example.*": false, "a*": false, "*.example.com/x": false, "https://x.example": false, "": false, "x y": false, "u@x.example": false,
	} {
		if err := oauth.CheckHost(pattern); (err == nil) != ok {
			t.Errorf("CheckHost(%q) = %v, want ok %v", pattern, err, ok)
		}
	}
}
