package caddymodule

import (
	"testing"

	"github.com/attache-proxy/attache/caddymodule/intercept"
	"github.com/attache-proxy/attache/resolver"
)

func TestFitsTunnel(t *testing.T) {
	for _, tt := range []struct {
		tunnel, port, written, plainPort string
		want                             bool
	}{
		{"h.example", "443", "h.example", "443", true},
		{"h.example", "443", "h.example:443", "443", true},
		{"h.example", "443", "H.example:443", "443", true},
		{"h.example", "8443", "h.example", "443", true}, // no port: the tunnel's
		{"h.example", "8443", "h.example:8443", "443", true},
		{"h.example", "8443", "h.example:443", "443", false},
		{"h.example", "8443", "H.EXAMPLE", "443", false}, // not as the tunnel was asked for: then with its port
		{"h.example", "443", "other.example", "443", false},
		{"h.example", "443", "other.example:443", "443", false},
		{"h.example", "443", "h.example.", "443", true},
		{"h.example", "443", "xh.example", "443", false},
		{"::1", "443", "[::1]", "443", true},
		{"::1", "443", "[::1]:80", "443", false},
	} {
		target, err := resolver.ParseTarget(tt.written, tt.plainPort)
		if err != nil {
			t.Fatal(err)
		}
		if got := fitsTunnel(&intercept.Tunnel{Host: tt.tunnel, Port: tt.port}, tt.written, target); got != tt.want {
			t.Errorf("a tunnel to %s:%s takes Host: %s = %v, want %v", tt.tunnel, tt.port, tt.written, got, tt.want)
		}
	}
}
