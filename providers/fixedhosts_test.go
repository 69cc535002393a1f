package providers_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/secret"
)

// TestWhereClientsAreSent: of every built-in connector it is known to which hosts
// its OAuth client goes, or that whoever enters one must say so, because an
// account's field names the host.
func TestWhereClientsAreSent(t *testing.T) {
	all, err := providers.CompileAll(providers.BuiltIn(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		hosts, open := c.FixedHosts(secret.Values{})
		for _, h := range hosts {
			if i := strings.LastIndexByte(h, '*'); i >= 0 && strings.Count(h[i:], ".") < 2 {
				t.Errorf("%s: a client would go to %s", c.Key, h)
			}
		}
		if len(open) == 0 {
			continue
		}
		if _, err := c.FixHosts(secret.Values{}, nil); err == nil {
			t.Errorf("%s: an account decides (%v), and nobody is asked", c.Key, open)
		}
		if got, err := c.FixHosts(secret.Values{}, []string{"https://Login.example.com/"}); err != nil || !slices.Equal(got, []string{"login.example.com"}) {
			t.Errorf("%s: FixHosts of a host that was named = %v, %v", c.Key, got, err)
		}
	}
	for key, want := range map[string]string{
		"looker": "", "mastodon": "", "exact-online": "", "auth0": "", // an account decides
		"zendesk": "*.zendesk.com", "shopify": "*.myshopify.com", "paypal": "api-m.paypal.com api-m.sandbox.paypal.com",
		"zoho": "accounts.zoho.com accounts.zoho.com.au accounts.zoho.com.cn accounts.zoho.eu accounts.zoho.in accounts.zoho.jp accounts.zoho.sa accounts.zohocloud.ca",
	} {
		i := slices.IndexFunc(all, func(c *providers.Connector) bool { return c.Key == key })
		if hosts, _ := all[i].FixedHosts(secret.Values{}); strings.Join(hosts, " ") != want {
			t.Errorf("%s: hosts = %v, want %q", key, hosts, want)
		}
	}
}

// TestCustomConnectorsNameTheirOwn: below a suffix where anybody gets a name, only
// the catalogue may say that the vendor answers.
func TestCustomConnectorsNameTheirOwn(t *testing.T) {
	for url, want := range map[string]string{
		"https://login.example.com/t": "login.example.com", "https://{fields.x}.example.com/t": "*.example.com", "https://{app.x}.example.com/t": "acme.example.com",
		"https://{fields.x}.github.io/t": "", "https://{fields.x}.co.uk/t": "", "https://login.{fields.x}/t": "", "https://login.example.com.{fields.x}/t": "", "{account.x}/t": "", "https://login{fields.x}/t": "",
	} {
		d, err := providers.Parse("svc.yaml", []byte("key: svc\nhosts: [svc.example.com]\nauth: {o: {type: oauth2, grant_type: client_credentials, token_url: '"+url+"', fields: {x: {}}}}\n"))
		if err != nil {
			t.Fatal(err)
		}
		c, err := providers.Compile(d)
		if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		hosts, open := c.FixedHosts(secret.Values{"x": secret.New("acme")})
		if strings.Join(hosts, " ") != want || (len(open) > 0) != (want == "") {
			t.Errorf("%s: hosts = %v, open = %v, want %q", url, hosts, open, want)
		}
	}
}

func TestLinksForPeopleAreHTTPS(t *testing.T) {
	for _, link := range []string{"http://x.example", "javascript:alert(1)", "//x.example", "https://u:p@x.example", "data:text/html,x", "x"} {
		for _, yaml := range []string{"docs: '" + link + "'\nauth: {o: {type: credentials, fields: {k: {secret: true}}}}", "auth: {o: {type: credentials, help: '" + link + "', fields: {k: {secret: true}}}}"} {
			d, err := providers.Parse("svc.yaml", []byte("key: svc\nhosts: [svc.example.com]\n"+yaml+"\n"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := providers.Compile(d); err == nil {
				t.Errorf("%s compiles", yaml)
			}
		}
	}
}
