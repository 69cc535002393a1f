package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"testing"

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
			keepRedirectsHere(res, call)
			if got := res.Header.Get(c.name); got != door.want {
				t.Errorf("%s %s at door %v = %s, want %s", c.name, c.value, door.name, got, door.want)
			}
		}
	}
}

func TestDropH2C(t *testing.T) {
	for _, c := range []struct {
		upgrade []string
		gone    bool
	}{{[]string{"h2c"}, true}, {[]string{"H2C"}, true}, {[]string{"websocket, h2c"}, true}, {[]string{"h2c,websocket"}, true}, {[]string{"websocket", " h2c "}, true}, {[]string{"h2c/1, x"}, true}, {[]string{"websocket"}, false}, {[]string{"TLS/1.0"}, false}, {nil, false}} {
		h := http.Header{"Connection": {"Upgrade, HTTP2-Settings"}, "Http2-Settings": {"x"}}
		if c.upgrade != nil {
			h["Upgrade"] = c.upgrade
		}
		if dropH2C(h); (len(h) == 0) != c.gone {
			t.Errorf("Upgrade %q: %v remains", c.upgrade, h)
		}
	}
}

// The head of an answer: no type of ours, and the end of a connection whose
// request may have been framed in two ways.
func TestAnswerHeads(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{w: w, r: r}
		out := v.answerWriter()
		if r.URL.Path == "/typed" {
			out.Header().Set("Content-Type", "text/x-own")
		}
		out.WriteHeader(200)
		_, _ = out.Write([]byte("<html>"))
	}))
	defer s.Close()
	for path, want := range map[string]string{"/typed": "text/x-own", "/": ""} {
		res, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("Content-Type"); got != want || len(res.Header["Content-Type"]) > 1 || res.Close {
			t.Errorf("%s: Content-Type %q, closes %v; want %q and an open connection", path, got, res.Close, want)
		}
	}
}
