package oauth_test

import (
	"errors"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/providers/strictyaml"
)

// option is how a connector's option holds a Spec.
type option struct {
	oauth.Spec `yaml:",inline"`
}

// compile decodes and compiles a Spec written in YAML.
func compile(src string) (*oauth.Config, error) {
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(src), &n); err != nil {
		return nil, err
	}
	var o option
	if err := strictyaml.Decode(n.Content[0], &o); err != nil {
		return nil, err
	}
	return oauth.Compile(o.Spec)
}

func TestCompileRefuses(t *testing.T) {
	const cc = "grant_type: client_credentials\ntoken_url: https://auth.example/token\n"
	for name, c := range map[string]struct{ src, want string }{
		"grant type":          {"grant_type: password", `grant_type "password" is not one of authorization_code, aws_iam, client_credentials, device_code`},
		"no token_url":        {"grant_type: client_credentials", "token_url is missing: grant_type client_credentials needs it"},
		"no authorize_url":    {"token_url: https://auth.example/token", "authorize_url is missing"},
		"http":                {"grant_type: client_credentials\ntoken_url: http://auth.example/token", "token_url: http:// would send secrets in the clear; use https://"},
		"http elsewhere":      {cc + "revoke_url: http://auth.example/r", "revoke_url: http://"},
		"no scheme":           {"grant_type: client_credentials\ntoken_url: auth.example/token", "token_url: want https://HOST/PATH"},
		"other scheme":        {"grant_type: client_credentials\ntoken_url: ftp://auth.example/token", "token_url: want https://HOST/PATH"},
		"no host":             {"grant_type: client_credentials\ntoken_url: https:///token", "want a host name"},
		"user info":           {"grant_type: client_credentials\ntoken_url: https://u:p@auth.example/token", "want a host name"},
		"space":               {"grant_type: client_credentials\ntoken_url: 'https://auth.example/to ken'", "spaces"},
		"odd host":            {"grant_type: client_credentials\ntoken_url: 'https://auth_%.example/'", "want a host name"},
		"fragment":            {"grant_type: client_credentials\ntoken_url: https://auth.example/token#x", "no #fragment"},
		"template":            {"grant_type: client_credentials\ntoken_url: 'https://{fields.x/token'", "token_url: in"},
		"template in params":  {cc + "token_params: {a: '{nonsense'}", "token: parameter a:"},
		"template in headers": {cc + "token_headers: {A: '{nonsense'}", "token: header A:"},
		"header name":         {cc + "token_headers: {'A B': x}", `"A B" is not a header name`},
		"token_auth":          {cc + "token_auth: digest", `token: client authentication "digest" is not one of basic, basic_or_none, basic_plain, bearer`},
		"two ways":            {cc + "token_auth: post\nheader_as_payload: on", "header_as_payload true means token_auth basic"},
		"two other ways":      {cc + "token_auth: basic\nheader_as_payload: off", "header_as_payload false means token_auth post"},
		"content_type":        {cc + "content_type: xml", `token: content_type "xml" is not one of application/json`},
		"GET with JSON":       {cc + "token_method: GET\ncontent_type: json", "a GET has no JSON body"},
		"method":              {cc + "token_method: FETCH", `method "FETCH" is not one of`},
		"nested in a form":    {cc + "token_params: {a: {b: c}}", "a nested value needs content_type json"},
		"pkce":                {cc + "pkce: maybe", `pkce "maybe" is not one of required, supported, off`},
		"pkce_encoding":       {cc + "pkce_encoding: base32", `pkce_encoding "base32"`},
		"format":              {cc + "response: {format: yaml}", `token: response.format "yaml" is not one of form, json`},
		"status":              {cc + "response: {status: [200, 302]}", "response.status 302 is not a status of success"},
		"unit":                {cc + "response: {expires_unit: days}", `response.expires_unit "days"`},
		"zero":                {cc + "response: {expires_zero: soon}", `response.expires_zero "soon" is not never`},
		"unknown key":         {cc + "tokens_url: x", `line 3: unknown key "tokens_url"`},
		"unknown inner key":   {cc + "response: {acces_token: x}", `line 3: unknown key "acces_token"`},
		"unknown step key":    {"grant_type: obtain\nobtain:\n  - uri: x", `line 3: unknown key "uri"`},
		"key twice":           {cc + "token_auth: post\ntoken_auth: post", "stands twice"},
		"duration":            {cc + "response: {lifetime: 3600}", "line 3: want a duration such as 90s"},
		"negative duration":   {cc + "response: {lifetime: -1h}", "want a duration"},
		"scopes":              {cc + "scopes: {a: b}", "line 3: want a list or a string"},
		"body and params":     {"grant_type: obtain\nobtain: {url: 'https://a.example/', body: x, content_type: text/xml, params: {a: b}}", "a body stands for itself"},
		"body, no media":      {"grant_type: obtain\nobtain: {url: 'https://a.example/', body: x}", "a body stands for itself"},
		"pick twice":          {"grant_type: obtain\nobtain: {get: 'https://a.example/', pick: {a: b}, response: {capture: {a: b}}}", "pick and response.capture are the same"},
		"step without URL":    {"grant_type: obtain\nobtain: {params: {a: b}}", "obtain[0].url is missing"},
		"exchange":            {"grant_type: token_exchange\ntoken_url: https://auth.example/t\nexchange: {actor_token_type: jwt}", "exchange.actor_token_type needs actor_token"},
		"assertion":           {cc + "assertion: {alg: RS1}", `assertion.alg "RS1" is not one of`},
		"oauth1":              {"request_token_url: https://a.example/r\nauthorize_url: https://a.example/a\ntoken_url: https://a.example/t\noauth1_signature: md5", `oauth1_signature "md5"`},
		"oauth1 in a form":    {"request_token_url: https://a.example/r\nauthorize_url: https://a.example/a\ntoken_url: https://a.example/t\ncontent_type: form", "content_type must be query"},
		"certificate":         {cc + "client_certificate: {key: x}", "client_certificate needs certificate and key"},
		"request":             {cc + "token_headers: {A: '{request.method}'}", "{request…} is not known"},
		"google":              {"grant_type: gcs_service_account\ngoogle: {self_signed: true}", "google.self_signed needs google.audience or scopes"},
		"google subject":      {"grant_type: gcs_service_account\nscopes: a\ngoogle: {self_signed: true, subject: b}", "google.subject needs a token request"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := compile(c.src)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("compiling\n%s\n= %v, want an error with %q", c.src, err, c.want)
			}
		})
	}
}

func TestYAMLForms(t *testing.T) {
	for _, src := range []string{
		"grant_type: client_credentials\ntoken_url: https://a.example/t\nscopes: a b\nheader_as_payload: on",
		"grant_type: client_credentials\ntoken_url: https://a.example/t\nscopes: [a, b]\nheader_as_payload: off",
		"grant_type: client_credentials\ntoken_url: https://a.example/t\ncontent_type: application/json\ntoken_params: {n: 1, b: true, s: x}",
		"grant_type: client_credentials\ntoken_url: https://a.example:9443/t\nresponse: {status: [200, 201], token_type: any, margin: 1m30s}",
		"authorize_url: https://a.example/a\ntoken_url: '{fields.base}/t'\nresolve: {get: 'https://a.example/me', pick: {id: id}}",
		"authorize_url: https://a.example/a\ntoken_url: 'https://[2001:db8::1]:8443/t'",
	} {
		if _, err := compile(src); err != nil {
			t.Errorf("compiling\n%s\n= %v", src, err)
		}
	}
}

func TestAllowHTTP(t *testing.T) {
	s := oauth.Spec{GrantType: "client_credentials", TokenURL: "http://127.0.0.1:1/t", AllowHTTP: true}
	if _, err := oauth.Compile(s); err != nil {
		t.Errorf("Compile() with AllowHTTP = %v", err)
	}
}

// TestURLValues puts hostile values into each part of a URL.
func TestURLValues(t *testing.T) {
	for _, c := range []struct{ url, value, want string }{
		{"https://{fields.x}.example.com/t", "acme", "https://acme.example.com/t"},
		{"https://{fields.x}.example.com/t", "a.b-c", "https://a.b-c.example.com/t"},
		{"https://{fields.x}/t", "host.example:8443", "https://host.example:8443/t"},
		{"https://{fields.x}.example.com/t", "evil.example/", ""},
		{"https://{fields.x}.example.com/t", "evil.example?", ""},
		{"https://{fields.x}.example.com/t", "evil.example#", ""},
		{"https://{fields.x}.example.com/t", "evil.example\\", ""},
		{"https://{fields.x}.example.com/t", "evil@evil.example", ""},
		{"https://{fields.x}.example.com/t", "evil.example:443", ""},
		{"https://{fields.x}.example.com/t", "a%2fb", ""},
		{"https://{fields.x}.example.com/t", "a b", ""},
		{"https://{fields.x}.example.com/t", "a\r\nb", ""},
		{"https://{fields.x}.example.com/t", ".", ""},
		{"https://{fields.x}.example.com/t", ".a", ""},
		{"https://{fields.x}.example.com/t", "a..b", ""},
		{"https://{fields.x}.example.com/t", "éa", ""},
		{"https://{fields.x}.example.com/t", "[::1]", ""},
		{"https://{fields.x}/t", "", ""},
		{"https://api.example/{fields.x}/t", "acme", "https://api.example/acme/t"},
		{"https://api.example/{fields.x}/t", "a/../b?c#d", "https://api.example/a%2F..%2Fb%3Fc%23d/t"},
		{"https://api.example/{fields.x}/t", "..", ""},
		{"https://api.example/{fields.x}/t", "%2e%2E", "https://api.example/%252e%252E/t"},
		{"https://api.example/{fields.x}{fields.x}/t", ".", ""},
		{"https://api.example/t?a={fields.x}&b=1", "x&b=2#", "https://api.example/t?a=x%26b%3D2%23&b=1"},
		{"{fields.x}/t", "https://self.example", "https://self.example/t"},
		{"{fields.x}/t", "https://self.example:8443/jira/", "https://self.example:8443/jira/t"},
		{"{fields.x}/t", "http://self.example", ""},
		{"{fields.x}/t", "self.example", ""},
		{"{fields.x}/t", "https://u@self.example", ""},
		{"{fields.x}/t", "https://self.example/../x", ""},
		{"{fields.x}/t", "https://self.example/?", ""},
		{"{fields.x}/t", "https://self.example#", ""},
		{"{fields.x}/t", "https://", ""},
		{"{fields.x}/t", "https:///x", ""},
		{"{fields.x}/t", "javascript:alert(1)//", ""},
		{"{fields.x}/t", "file:///etc/passwd", ""},
	} {
		t.Run(c.url+" "+c.value, func(t *testing.T) {
			cfg, err := oauth.Compile(oauth.Spec{GrantType: "client_credentials", TokenURL: c.url, TokenAuth: "off"})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			w := recorder(func(u string) { got = u })
			_, err = cfg.Token(t.Context(), oauth.Request{HTTP: w, Fields: secret.Values{"x": secret.New(c.value)}})
			if got != c.want {
				t.Errorf("asked %q, want %q", got, c.want)
			}
			var e *oauth.Error
			if c.want == "" && (err == nil || errors.As(err, &e) || len(c.value) > 8 && strings.Contains(err.Error(), c.value)) {
				t.Errorf("error = %v, want one that does not quote the value", err)
			}
		})
	}
}

func TestFields(t *testing.T) {
	c, err := compile(`
grant_type: obtain
obtain:
  - {url: "https://{fields.host}/nonce", params: {user: "{fields.user}", pin: "{hex(hmac_sha256(fields.pin, 'x'))}"}, response: {fields: {challenge: nonce}}}
  - {url: "https://{fields.host}/login", params: {answer: "{fields.challenge}", app: "{app.client_id}"}}
refresh: {url: "https://{fields.host}/refresh", params: {r: "{fields.refresh_token}"}}
`)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.Fields(), " "); got != "host pin user" {
		t.Errorf("Fields() = %q, want host pin user", got)
	}
}
