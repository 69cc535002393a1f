package head

import (
	"crypto/tls"
	"net/http"
	"slices"
	"testing"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver"
)

// Links to the service's own host, however written, come back to us.
func TestLinksComeHere(t *testing.T) {
	for _, c := range []struct{ name, value, path, host string }{ // what it becomes at /svc and at svc.localhost
		{"Location", "/a?b#c", "/svc/a?b#c", "/a?b#c"}, {"Location", "https://api.example/a%20b?x=1#f", "/svc/a%20b?x=1#f", "/a%20b?x=1#f"},
		{"Location", "https://api.example:443/a", "/svc/a", "/a"}, {"Location", "//api.example/a", "/svc/a", "/a"}, {"Location", "//API.Example.:443/a", "/svc/a", "/a"}, {"Location", "HTTPS://API.EXAMPLE", "/svc/", "/"},
		{"Location", "http://api.example/a", "/svc/a", "/a"}, {"Location", "http://api.example:80/a", "/svc/a", "/a"}, {"Location", "https://api.example//evil.example/a", "/svc//evil.example/a", "/.//evil.example/a"},
		{"Location", "https://api.example?q", "/svc/?q", "/?q"}, {"Content-Location", "//api.example/a", "/svc/a", "/a"},
		{"Location", "https://other.example/a", "https://other.example/a", "https://other.example/a"}, {"Location", "https://api.example:8443/a", "https://api.example:8443/a", "https://api.example:8443/a"},
		{"Location", "https://u@api.example/a", "https://u@api.example/a", "https://u@api.example/a"}, {"Location", "../a", "../a", "../a"}, {"Location", "ftp://api.example/a", "ftp://api.example/a", "ftp://api.example/a"}, {"Location", "https://api.example.evil.example/", "https://api.example.evil.example/", "https://api.example.evil.example/"},
		{"Link", `<https://api.example/p?page=2>; rel="next", </p?page=9>; rel="last"; title="<https://api.example/x>"`, `</svc/p?page=2>; rel="next", </svc/p?page=9>; rel="last"; title="<https://api.example/x>"`, `</p?page=2>; rel="next", </p?page=9>; rel="last"; title="<https://api.example/x>"`},
		{"Link", `<//api.example:443/p>; rel=next; title="a \" b", <https://x.example/>`, `</svc/p>; rel=next; title="a \" b", <https://x.example/>`, `</p>; rel=next; title="a \" b", <https://x.example/>`},
	} {
		for _, door := range []struct {
			name         resolver.Door
			prefix, want string
		}{{resolver.DoorPath, "/svc", c.path}, {resolver.DoorHost, "", c.host}, {resolver.DoorTunnel, "", c.value}} {
			call := &resolver.Call{Door: door.name, Prefix: door.prefix, HTTPS: true, Target: resolver.Target{Host: "api.example", Port: "443"}}
			res := &http.Response{Header: http.Header{c.name: {c.value}}}
			Fit(res, call)
			if got := res.Header.Get(c.name); got != door.want {
				t.Errorf("%s %s at door %v = %s, want %s", c.name, c.value, door.name, got, door.want)
			}
		}
	}
}

// A cookie that passes is for what was called alone, and a page of a service runs
// no scripts where all services have one origin.
func TestCookiesAndPagesStayApart(t *testing.T) {
	for _, c := range []struct{ set, tunnel, host, path, plain string }{ // plain: at the base-URL door without TLS
		{"a=1", "a=1", "a=1", "a=1; Path=/svc:x/v1", "a=1; Path=/svc:x/v1"},
		{"a=1; Path=/", "a=1; Path=/", "a=1; Path=/", "a=1; Path=/svc:x/", "a=1; Path=/svc:x/"},
		{"a=b=c ; path=/p;Domain=.example.com; HttpOnly; SECURE; Max-Age=5", "a=b=c ; HttpOnly; SECURE; Max-Age=5; Path=/p", "a=b=c ; HttpOnly; SECURE; Max-Age=5; Path=/p", "a=b=c ; HttpOnly; SECURE; Max-Age=5; Path=/svc:x/p", "a=b=c ; HttpOnly; Max-Age=5; Path=/svc:x/p"},
		{"a=1; Path=p; DOMAIN=api.example;;", "a=1", "a=1", "a=1; Path=/svc:x/v1", "a=1; Path=/svc:x/v1"},
		{"a=1; Path=/q; Path=/r", "a=1; Path=/r", "a=1; Path=/r", "a=1; Path=/svc:x/r", "a=1; Path=/svc:x/r"},
	} {
		for _, door := range []struct {
			name         resolver.Door
			prefix, want string
			tls          *tls.ConnectionState
		}{{resolver.DoorTunnel, "", c.tunnel, nil}, {resolver.DoorHost, "", c.host, &tls.ConnectionState{}}, {resolver.DoorPath, "/svc:x", c.path, &tls.ConnectionState{}}, {resolver.DoorPath, "/svc:x", c.plain, nil}} {
			for _, sandbox := range []bool{true, false} {
				call := &resolver.Call{Door: door.name, Prefix: door.prefix, Path: "/v1/me", Connector: &providers.Connector{Sandbox: sandbox}}
				res := &http.Response{Header: http.Header{"Set-Cookie": {c.set, c.set}, "Content-Security-Policy": {"default-src 'self'"}}, Request: &http.Request{TLS: door.tls}}
				Fit(res, call)
				if got := res.Header["Set-Cookie"]; !slices.Equal(got, []string{door.want, door.want}) {
					t.Errorf("%q at door %v = %q, want %q", c.set, door.name, got, door.want)
				}
				want := []string{"default-src 'self'"}
				if sandbox && door.name != resolver.DoorTunnel {
					want = append(want, "sandbox")
				}
				if got := res.Header["Content-Security-Policy"]; !slices.Equal(got, want) {
					t.Errorf("door %v, sandbox %v: Content-Security-Policy %q, want %q", door.name, sandbox, got, want)
				}
			}
		}
	}
}
