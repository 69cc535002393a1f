package client_test

import (
	"testing"

	"github.com/attache-proxy/attache/caddymodule/client"
)

func TestNoProxy(t *testing.T) {
	tests := []struct {
		current, host, want string
	}{
		{"", "api.example.com", "localhost,127.0.0.1,::1"},
		{"", "demo.localhost", "127.0.0.1,::1"},
		{"", "localhost:3000", "127.0.0.1,::1"},
		{"", "127.0.0.1:9000", "localhost,::1"},
		{"", "[::1]:9000/v1/", "localhost,127.0.0.1"},
		{"a.example, b.example", "api.example.com", "a.example,b.example,localhost,127.0.0.1,::1"},
		{"localhost,a", "x.y", "localhost,a,127.0.0.1,::1"},
		{"example.com", "api.example.com", "localhost,127.0.0.1,::1"},
		{".example.com", "api.example.com", "localhost,127.0.0.1,::1"},
		{"*.example.com", "api.example.com/v1/", "localhost,127.0.0.1,::1"},
		{"EXAMPLE.com:443", "api.example.com", "localhost,127.0.0.1,::1"},
		{"ample.com", "api.example.com", "ample.com,localhost,127.0.0.1,::1"},
		{"acme.zendesk.com", "*.zendesk.com", "localhost,127.0.0.1,::1"},
		{"com", "*.zendesk.com", "localhost,127.0.0.1,::1"},
		{"acme.zendesk.com", "{fields.subdomain}.zendesk.com", "localhost,127.0.0.1,::1"},
		{"acme.example", "{fields.host}", "acme.example,localhost,127.0.0.1,::1"},
		{"s3.eu-west-1.amazonaws.com", "s3.*.amazonaws.com", "localhost,127.0.0.1,::1"},
		{"10.0.0.0/8", "api.example.com", "10.0.0.0/8,localhost,127.0.0.1,::1"},
		{"10.0.0.0/8", "10.1.2.3", "localhost,127.0.0.1,::1"},
		{"fd00::/8,fd00::1", "fd00::1", "localhost,127.0.0.1,::1"},
	}
	for _, tt := range tests {
		r := request(t, client.Connector{Key: "c", Accounts: []string{"default"}, Hosts: []string{tt.host}})
		r.Environ = append(r.Environ, "NO_PROXY="+tt.current)
		if got := compute(t, r).Set["NO_PROXY"]; got != tt.want {
			t.Errorf("NO_PROXY=%q with the host %s = %q, want %q", tt.current, tt.host, got, tt.want)
		}
	}
	// Base URLs of a proxy with a name are called directly.
	r := request(t, openai)
	r.Proxy = parseURL(t, "http://attache:8080")
	if got, want := compute(t, r).Set["NO_PROXY"], "localhost,127.0.0.1,::1,attache"; got != want {
		t.Errorf("NO_PROXY = %q, want %q", got, want)
	}
}

func TestExactHost(t *testing.T) {
	tests := []struct {
		hosts      []string
		host, port string
		ok         bool
	}{
		{[]string{"api.example.com"}, "api.example.com", "443", true},
		{[]string{"*.example.com", "{fields.x}.example.com", "b.example.com:8443/v1/"}, "b.example.com", "8443", true},
		{[]string{"[::1]:9000"}, "::1", "9000", true},
		{[]string{"fd00::1"}, "fd00::1", "443", true},
		{[]string{"*.example.com"}, "", "", false},
		{nil, "", "", false},
	}
	for _, tt := range tests {
		c := client.Connector{Hosts: tt.hosts}
		host, port, ok := c.ExactHost()
		if host != tt.host || port != tt.port || ok != tt.ok {
			t.Errorf("ExactHost(%q) = %q, %q, %t, want %q, %q, %t", tt.hosts, host, port, ok, tt.host, tt.port, tt.ok)
		}
	}
}
