package providers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
)

const places = `key: shop
hosts: [files.shop.example]
environments:
  production: {title: Live, hosts: [api.shop.example], base_url: https://api.shop.example}
  sandbox:
    title: Tests
    hosts: [api.sandbox.shop.example]
    base_url: https://api.sandbox.shop.example
    authorize_url: https://sandbox.shop.example/authorize
    token_url: https://sandbox.shop.example/token
    test: {get: /sandbox}
  own: {title: Your own, fields: {host: {title: Host, format: host}}, hosts: ["{fields.host}"], base_url: "https://{fields.host}"}
auth:
  oauth: {type: oauth2, authorize_url: https://shop.example/authorize, token_url: https://shop.example/token, scopes: [a]}
  key: {type: credentials, fields: {key: {secret: true}}, sign: bearer}
test: {get: /me}
`

// An account belongs to one environment: its hosts, its URLs, its test, and none
// of another's.
func TestEnvironments(t *testing.T) {
	c := compile(t, places)
	hosts := map[string]string{"production": "api.shop.example", "sandbox": "api.sandbox.shop.example", "own": "shop.customer.example"}
	for chosen, own := range map[string]string{"": "production", "production": "production", "sandbox": "sandbox", "own": "own"} {
		fields := secret.Values{}
		if chosen != "" {
			fields["environment"] = secret.New(chosen)
		}
		if chosen == "own" {
			fields["host"] = secret.New("shop.customer.example:8443")
		}
		v := &expr.Vars{Cred: &secret.Credential{Fields: fields}}
		for name, host := range hosts {
			port := "443"
			if name == "own" {
				port = "8443"
			}
			if got := c.HostFor(host, port, "/", v) != nil; got != (name == own) {
				t.Errorf("environment %q: %s allowed = %v, want %v", chosen, host, got, name == own)
			}
		}
		if c.HostFor("files.shop.example", "443", "/", v) == nil {
			t.Errorf("environment %q: the host of all is refused", chosen)
		}
		u, err := c.Origin(v)
		if err != nil || u.Hostname() != hosts[own] {
			t.Errorf("environment %q: Origin = %v, %v; want %s", chosen, u, err, hosts[own])
		}
		o, _ := c.Option("oauth")
		in := o.For(fields)
		auth, err := in.OAuth.AuthorizeURL(oauth.Authorization{App: secret.Values{"client_id": secret.New("c")}, Fields: fields, RedirectURI: "https://x.example/cb", State: "s", Verifier: oauth.NewVerifier()})
		want := "https://shop.example/authorize"
		if own == "sandbox" {
			want = "https://sandbox.shop.example/authorize"
		}
		if err != nil || !strings.HasPrefix(auth, want+"?") {
			t.Errorf("environment %q: AuthorizeURL = %s, %v; want %s", chosen, auth, err, want)
		}
		if test := c.TestFor(in); (test.Get == "/sandbox") != (own == "sandbox") {
			t.Errorf("environment %q: test %s", chosen, test.Get)
		}
	}
	if sent, open := c.FixedHosts(secret.Values{}); strings.Join(sent, " ") != "sandbox.shop.example shop.example" || len(open) > 0 {
		t.Errorf("FixedHosts = %v, %v; want those of every environment", sent, open)
	}
}

func TestEnvironmentsAsk(t *testing.T) {
	o, _ := compile(t, places).Option("key")
	for _, c := range []struct{ environment, host, want string }{
		{"", "", ""}, {"sandbox", "", ""}, {"own", "shop.example.net", ""},
		{"own", "", "field host is missing, which environment own asks for"},
		{"sandbox", "shop.example.net", "field host is for environment own"},
		{"staging", "", "must be one of production, sandbox, own"},
	} {
		in := secret.Values{"key": secret.New("k")}
		for name, v := range map[string]string{"environment": c.environment, "host": c.host} {
			if v != "" {
				in[name] = secret.New(v)
			}
		}
		got, err := o.Validate(in)
		if c.want == "" && (err != nil || got.Get("environment").IsZero()) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("environment %q, host %q: %v, want %q", c.environment, c.host, err, c.want)
		}
	}
}

func TestEnds(t *testing.T) {
	c := compile(t, withHosts("a", "a.example")+`checked: 2026-11-29
headers: {X-Version: "2025-10"}
ends:
  - {version: "2025-10", date: 2027-02-01, source: https://a.example/news, instead: send 2026-10}
  - {option: key, date: 2026-12-31, source: https://a.example/news}
`)
	day := func(s string) time.Time { d, _ := time.Parse(time.DateOnly, s); return d }
	for until, want := range map[string]int{"2026-12-30": 0, "2026-12-31": 1, "2027-02-01": 2} {
		if got := c.Ending(day(until)); len(got) != want {
			t.Errorf("Ending(%s) = %v, want %d", until, got, want)
		}
	}
	if got := c.Ending(day("2030-01-01"), "other"); len(got) != 1 || got[0].Version == "" {
		t.Errorf("Ending of another option = %v, want the version alone", got)
	}
	if got := c.Ending(day("2030-01-01"))[0].String(); got != "option key ends on 2026-12-31 (https://a.example/news)" {
		t.Errorf("String = %q", got)
	}
}

// What services say to a wrong key.
func TestTestsJudge(t *testing.T) {
	for _, c := range []struct {
		ok, body string
		status   int
		want     bool
	}{
		{"answer.json.valid == true", `{"valid":true}`, 200, true},
		{"answer.json.valid == true", `{"valid":false}`, 200, false},
		{"answer.json.valid == true", `{}`, 200, false},
		{"answer.json.valid == true", `<html>`, 200, false},
		{"answer.json.valid == true", `{"valid":true}`, 401, false},
		{`answer.json.status == "1"`, `{"status":"0","result":"NOTOK"}`, 200, false},
		{`int(answer.json.Credits) >= 0`, `{"Credits":"-1"}`, 200, false},
		{`int(answer.json.Credits) >= 0`, `{"Credits":"12"}`, 200, true},
		{`size(answer.json.error) == 0`, `{"error":["EAPI:Invalid key"]}`, 200, false},
		{`size(answer.json.error) == 0`, `{"error":[],"result":{}}`, 200, true},
		{`answer.text.contains("TokenValid")`, `{"code":"TokenValid"}`, 200, true},
		{"", `anything`, 200, true},
		{"", ``, 401, false},
	} {
		src := withHosts("a", "a.example") + "test: {get: /me"
		if c.ok != "" {
			src += ", ok: '" + c.ok + "'"
		}
		con := compile(t, src+"}\n")
		if got := con.Test.Proves(c.status, []byte(c.body)); got != c.want {
			t.Errorf("%s: Proves(%d, %s) = %v, want %v", c.ok, c.status, c.body, got, c.want)
		}
	}
}

func TestMistakesOfTheCatalogueAreNamed(t *testing.T) {
	const base = "key: a\nhosts: [a.example]\n"
	const key = "auth: {t: {type: credentials, fields: {k: {secret: true}}, sign: bearer}}\n"
	for name, c := range map[string]struct{ src, want string }{
		"an end that is no date":        {base + key + "ends:\n  - {date: soon, source: https://a.example}\n", `test.yaml:5:12: "soon" is no date`},
		"a day that is not":             {base + key + "checked: 2026-02-30\n", `test.yaml:4:10: "2026-02-30" is no date`},
		"an end without a source":       {base + key + "ends: [{date: 2026-12-01}]\n", "source is missing"},
		"an end without a date":         {base + key + "ends: [{source: https://a.example}]\n", "date is missing"},
		"an end of two things":          {base + key + "ends: [{date: 2026-12-01, source: https://a.example, option: t, url: a.example}]\n", "want one of"},
		"an end of no option":           {base + key + "ends: [{date: 2026-12-01, source: https://a.example, option: x}]\n", "x does not stand in this connector"},
		"an end of no version":          {base + key + "ends: [{date: 2026-12-01, source: https://a.example, version: v9}]\n", "v9 does not stand"},
		"environments with one host":    {base + key + "environments:\n  x: {hosts: [b.example]}\n  y: {hosts: [B.example.]}\n", "test.yaml:6:3: environment y: host B.example. is in environment x too"},
		"a wildcard over another":       {base + key + "environments:\n  x: {hosts: [eu.b.example]}\n  y: {hosts: [{host: '*.b.example', wildcard: vendor, reason: x}]}\n", "is in environment x too"},
		"one below another's path":      {base + key + "environments:\n  x: {hosts: [b.example/v1/]}\n  y: {hosts: [b.example]}\n", "is in environment x too"},
		"one with a host of all":        {base + key + "environments:\n  x: {hosts: [a.example]}\n  y: {hosts: [b.example]}\n", "among the connector's hosts too"},
		"environments with one URL":     {base + key + "environments:\n  x: {base_url: https://a.example}\n  y: {base_url: https://a.example}\n", "test.yaml:6:3: environment y: has the base_url of environment x"},
		"an environment of everybody":   {base + key + "environments:\n  x: {hosts: [{host: '*.github.io', wildcard: vendor, reason: x}]}\n  y: {hosts: [b.example]}\n", "everybody can have a name below github.io"},
		"one environment":               {base + key + "environments:\n  x: {hosts: [b.example]}\n", "one alone is no choice"},
		"an environment of nothing":     {base + key + "environments:\n  x: {title: X}\n  y: {hosts: [b.example]}\n", "nothing tells it from the others"},
		"its field twice":               {base + "auth: {t: {type: credentials, fields: {environment: {}, k: {secret: true}}, sign: bearer}}\nenvironments:\n  x: {hosts: [b.example]}\n  y: {hosts: [c.example]}\n", "field environment is one that environments ask for"},
		"true of everything":            {base + key + "test:\n  get: /me\n  ok: 'true'\n", "true of every answer"},
		"true of a refusal":             {base + key + "test: {get: /me, ok: 'answer.status < 600'}\n", "true of every answer"},
		"a condition of the account":    {base + key + "test: {get: /me, ok: 'fields.k == answer.text'}\n", "only answer.status"},
		"a condition that is none":      {base + key + "test: {get: /me, ok: 'answer.json.x +'}\n", "test.yaml:4:7: test: ok: 1:16"},
		"a condition without a verdict": {base + key + "test: {get: /me, ok: 'size(answer.text)'}\n", "want true or false"},
		"passed by a wrong key":         {base + key + "test: {get: /me, wrong: {status: 200, body: '{\"ok\":false}'}}\n", "test.yaml:4:7: test: the answer to a wrong key"},
		"the wrong key's word":          {base + key + "test: {get: /me, ok: 'has(answer.json.ok)', wrong: {status: 200, body: '{\"ok\":false}'}}\n", "the answer to a wrong key"},
		"two tests":                     {base + key + "test: {get: /me, post: /me}\n", "want one of get, post, and none"},
		"none and one":                  {base + key + "test: {none: because, expect: 200}\n", "none stands alone"},
		"the base URL's field":          {base + key + "base_url: https://{fields.region}.a.example\n", "base_url needs {fields.region}, and auth option t does not ask"},
		"an example that is refused":    {base + "auth: {t: {type: credentials, fields: {k: {pattern: '^[a-z]+$', examples: [us-east-1]}}, sign: bearer}}\n", `"us-east-1" does not match`},
		"a default that is refused":     {base + "auth: {t: {type: credentials, fields: {k: {enum: [eu, us], default: de}}, sign: bearer}}\n", `"de" must be one of`},
		"a page that is none":           {base + "auth: {t: {type: credentials, key_page: a.example, fields: {k: {}}, sign: bearer}}\n", "key_page: want an https URL"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := providers.Parse("test.yaml", []byte(c.src))
			if err == nil {
				_, err = providers.Compile(d)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "test.yaml") {
				t.Errorf("error = %v, want one with %q and the file's name", err, c.want)
			}
		})
	}
}
