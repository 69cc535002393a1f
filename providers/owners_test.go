package providers

import (
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/secret"
)

// No connector of one's own and no account has a host that belongs to everybody.
func TestHostsHaveAnOwner(t *testing.T) {
	for host, refused := range map[string]bool{
		"com": true, "co.uk": true, "xn--p1ai": true, "COM.": true, "{host: '*.github.io', wildcard: vendor, reason: x}": true, "{host: '*.myshopify.com', wildcard: vendor, reason: x}": true,
		"{host: 'a-*.github.io', wildcard: vendor, reason: x}": true, "{host: '*.co.uk', wildcard: vendor, reason: x}": true, "http://com": true, "https://com:8443/v1": true,
		"me.github.io": false, "github.io": false, "s3.amazonaws.com": false, "billing": false, "localhost": false, "127.0.0.1": false, "{host: '*.me.github.io', wildcard: vendor, reason: x}": false,
		"{host: '*.example.com', wildcard: vendor, reason: x}": false,
	} {
		d, err := Parse("x.yaml", []byte("key: x\nhosts: ["+host+"]\nauth: {key: {type: credentials, fields: {key: {secret: true}}}}\n"))
		if err == nil {
			_, err = Compile(d)
		}
		if (err != nil) != refused {
			t.Errorf("hosts: [%s]: %v, want refused %v", host, err, refused)
		}
	}
	d, err := Parse("x.yaml", []byte("key: x\nhosts: ['{fields.host}']\nauth: {key: {type: credentials, fields: {host: {format: host}, key: {secret: true}}}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	for host, refused := range map[string]bool{"com": true, "https://CO.UK/": true, "org:8443": true, "git.example.com": false, "git": false, "127.0.0.1:8080": false, "[::1]": false} {
		_, err := c.Options[0].Validate(secret.Values{"host": secret.New(host), "key": secret.New("k-0123456789")})
		if (err != nil && strings.Contains(err.Error(), "registries")) != refused {
			t.Errorf("an account's host %s: %v, want refused %v", host, err, refused)
		}
	}
}

// Words of a connector's author steer no terminal.
func TestTextsOfConnectorsAreCleaned(t *testing.T) {
	d, err := Parse("x.yaml", []byte(`{key: x, title: "X\u001b[2J\u202e", category: "c\u009b", hosts: [{host: "*.x.example", wildcard: vendor, reason: "why\u2066"}],
		auth: {key: {type: credentials, title: "T\u001b", fields: {key: {title: "K\u200f", description: "a\nb\u001b", secret: true}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	o := d.Auth[0]
	for got, want := range map[string]string{d.Title: "X[2J", d.Category: "c", d.Hosts[0].Reason: "why", o.Title: "T", o.Fields[0].Title: "K", o.Fields[0].Description: "a\nb"} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
