package providers_test

import (
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers"
)

// Plain HTTP to token endpoints goes to hosts that were named, and to no others.
func TestAllowHTTPTo(t *testing.T) {
	for option, want := range map[string]bool{
		"{token_url: 'http://127.0.0.1:4400/token'}":                                         true,
		"{token_url: 'https://as.example/token'}":                                            true,
		"{token_url: 'http://as.example/token'}":                                             false,
		"{token_url: 'http://127.0.0.1:4400/token', revoke_url: 'http://as.example/revoke'}": false,
		"{token_url: 'http://127.0.0.1:4400/token', then: [{get: 'http://as.example/x'}]}":   false,
		"{token_url: 'http://127.0.0.1:4400/token', refresh: {url: 'http://as.example/x'}}":  false,
		"{token_url: 'http://127.0.0.1.as.example/token'}":                                   false,
		"{token_url: 'http://127.0.0.1@as.example/token'}":                                   false,
		"{token_url: 'http://{fields.host}/token', fields: {host: {}}}":                      false,
		"{token_url: 'http://127.0.0.1{fields.host}/token', fields: {host: {}}}":             false,
	} {
		src := "key: svc\nhosts: [svc.example]\nauth: {a: " + strings.Replace(option, "{", "{type: oauth2, grant_type: client_credentials, ", 1) + "}\n"
		d, err := providers.Parse("svc.yaml", []byte(src))
		if err != nil {
			t.Fatalf("%s: %v", option, err)
		}
		d.AllowHTTPTo(func(host string) bool { return host == "127.0.0.1" })
		if _, err = providers.Compile(d); (err == nil) != want {
			t.Errorf("%s: Compile = %v, want it to be allowed: %v", option, err, want)
		}
	}
}
