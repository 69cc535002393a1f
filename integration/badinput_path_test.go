package integration_test

import (
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
)

// The base-URL door: what follows the connector's name is the service's path,
// byte for byte, or is refused.
func TestPathDoor(t *testing.T) {
	d := newDemo(t)
	for _, c := range []struct {
		target string
		uri    string // what the service sees; empty: refused with 4xx
	}{
		{"/demo/whoami", "/whoami"},
		{"/demo/", "/"},
		{"/demo", "/"},
		{"/demo?a=1", "/?a=1"},
		{"/demo/a%2Fb", "/a%2Fb"},
		{"/demo/a%2fb/%7Euser/%41", "/a%2fb/%7Euser/%41"},
		{"/demo/a//b///c", "/a//b///c"},
		{"/demo//other.test/x", "//other.test/x"},
		{"/demo/a;b=c/d", "/a;b=c/d"},
		{"/demo/%E2%82%AC", "/%E2%82%AC"},
		{"/demo/a?x=/../y", "/a?x=/../y"},
		{"/demo/http://other.test/", "/http://other.test/"},
		{"/demo/@other.test/", "/@other.test/"},
		{"/demo/../demo/whoami", ""},
		{"/demo/./whoami", ""},
		{"/demo/a/../../other/", ""},
		{"/demo/%2e%2e/other/", ""},
		{"/demo/.%2E/other/", ""},
		{"/../demo/whoami", ""},
		{"/demo%2Fwhoami", ""},
		{"/%2Fdemo/whoami", ""},
		{"//demo/whoami", ""},
		{"/DEMO/whoami", ""},
		{"/demo\\whoami", ""},
		{"/demo%00/whoami", ""},
		{"/nosuch/whoami", ""},
		{"/nosuch:account/whoami", ""},
		{"/demo:nosuch/whoami", ""},
		{"/demo:/../x", ""},
		{"/", ""},
		{"*", ""},
		{"/demo/%zz", ""},
		{"/demo/%", ""},
	} {
		t.Run(c.target, func(t *testing.T) {
			d.Service.forget()
			res := d.request(t, "GET "+c.target+" HTTP/1.1\r\nHost: "+d.Addr+"\r\nConnection: close\r\n\r\n")
			text, _ := io.ReadAll(res.Body)
			all := d.Service.Requests()
			switch {
			case c.uri == "" && (len(all) > 0 || res.StatusCode < 400 || res.StatusCode > 499):
				t.Errorf("%s = %s %s and reached the service as %v, want a refusal", c.target, res.Status, text, all)
			case c.uri != "" && (len(all) != 1 || all[0].URI != c.uri):
				t.Errorf("%s = %s %s and reached the service as %v, want %s", c.target, res.Status, text, all, c.uri)
			}
		})
	}
	checkRefusal(t, d.attache, []string{d.URL + "/nosuch/whoami"}, 404, "unknown_connector")
}

// A connector for a part of a host: its credential goes to that part only,
// however the path is written.
func TestPathPrefix(t *testing.T) {
	integration(t)
	ca := newAuthority(t, "services")
	service := newService(t, ca, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("ok")) }), "part.test")
	a := newAttache(t, setup{
		Attache: connector("part", "part.test/v2/", service, "bearer {fields.key}", "DEMO_TOKEN") + agentLocal("part"),
		Env:     []string{"DEMO_TOKEN=" + demoToken}, Trust: []*authority{ca}, Listener: "agent local\nunmatched deny",
	})
	for _, p := range []string{"/v2/x", "/v2/", "/v2", "/v1/x", "/", "/v2x", "/v2/../admin", "/v2/%2e%2e/admin", "/v2/..%2fadmin", "/v2%2f..%2fadmin",
		"/v2/..;/admin", "/v2/.%2e/admin", "//v2/x", "/V2/x", "/%76%32/x", "/v2//../../admin", "/v2/x/../../admin", "/v2\\..\\admin", "/v2/..\\admin", "/v2/..%5cadmin", "/./v2/x"} {
		for door, raw := range map[string]string{
			"base URL":      "GET /part" + p + " HTTP/1.1\r\nHost: " + a.Addr + "\r\nConnection: close\r\n\r\n",
			"absolute form": "GET https://part.test" + p + " HTTP/1.1\r\nHost: part.test\r\nConnection: close\r\n\r\n",
		} {
			t.Run(door+" "+p, func(t *testing.T) {
				service.forget()
				res := a.request(t, raw)
				for _, r := range service.Requests() {
					if r.Header.Get("Authorization") == "" {
						continue
					}
					if reached := resolved(r.URI); reached != "/v2" && !strings.HasPrefix(reached, "/v2/") {
						t.Errorf("%s = %s: the credential of /v2/ was sent with %s, which a service may read as %s", p, res.Status, r.URI, reached)
					}
				}
				if p == "/v2/x" && len(service.Requests()) != 1 {
					t.Errorf("%s = %s, and did not reach the service", p, res.Status)
				}
			})
		}
	}
}

// resolved is where the most generous service would end: escapes decoded,
// backslashes as slashes, dot segments followed.
func resolved(uri string) string {
	p, _, _ := strings.Cut(uri, "?")
	for range 2 {
		if decoded, err := url.PathUnescape(p); err == nil {
			p = decoded
		}
	}
	return path.Clean(strings.ReplaceAll(strings.ReplaceAll(p, "\\", "/"), "..;", ".."))
}

// Headers of 64 KiB: taken or refused in words, never cut, and neither leg hangs.
func TestLargeHeaders(t *testing.T) {
	d := newDemo(t)
	large := "X-Large: " + strings.Repeat("a", 64<<10) + "\r\n"
	many := strings.Repeat("X-Many: abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuv\r\n", 1000)
	for name, headers := range map[string]string{"one": large, "many": many, "1 MiB": strings.Repeat(large, 16), "8 MiB": strings.Repeat(large, 128)} {
		for door, head := range map[string]string{
			"base URL": "GET /demo/whoami HTTP/1.1\r\nHost: " + d.Addr + "\r\n",
			"CONNECT":  "CONNECT demo.test:443 HTTP/1.1\r\nHost: demo.test:443\r\n",
		} {
			t.Run(name+"/"+door, func(t *testing.T) {
				d.Service.forget()
				res := d.request(t, head+headers+"\r\n")
				if res.StatusCode != 431 && res.StatusCode != 200 && res.StatusCode != 400 {
					t.Errorf("= %s, want 200 or 431", res.Status)
				}
				for _, r := range d.Service.Requests() {
					if got := len(strings.Join(r.Header["X-Large"], "")) + len(r.Header["X-Many"]); got != 64<<10 && got != 1000 && got != 16*64<<10 {
						t.Errorf("the headers reached the service cut: %d", got)
					}
				}
			})
		}
	}
	t.Run("inside a tunnel", func(t *testing.T) {
		for _, h2 := range []bool{false, true} {
			r, _ := http.NewRequest(http.MethodGet, "https://demo.test/whoami", nil)
			r.Header.Set("X-Large", strings.Repeat("a", 64<<10))
			res, err := d.goClient(t, h2).Do(r)
			if err != nil {
				t.Errorf("HTTP/2 %v: %v, want an answer", h2, err)
				continue
			}
			res.Body.Close()
			if res.StatusCode != 431 && res.StatusCode != 200 {
				t.Errorf("HTTP/2 %v = %s, want 200 or 431", h2, res.Status)
			}
		}
	})
	checkCurl(t, d.curl(t, d.URL+"/demo/whoami"), authenticated+"\n200 1.1")
}

// Web pages must not use the accounts of an agent that needs no token: neither
// by a request of another site, nor by a name that points here.
func TestWebPages(t *testing.T) {
	d := newDemo(t)
	for name, args := range map[string][]string{
		"another origin":         {"-H", "Origin: https://evil.example", d.URL + "/demo/whoami"},
		"null origin":            {"-H", "Origin: null", d.URL + "/demo/whoami"},
		"cross-site fetch":       {"-H", "Sec-Fetch-Site: cross-site", d.URL + "/demo/whoami"},
		"a form of another site": {"-H", "Origin: https://evil.example", "-d", "a=b", d.URL + "/demo/whoami"},
	} {
		t.Run(name, func(t *testing.T) {
			d.Service.forget()
			checkRefusal(t, d.attache, args, 403, "cross_site")
			if len(d.Service.Requests()) > 0 {
				t.Error("it reached the service")
			}
		})
	}
	checkRefusal(t, d.attache, []string{"-H", "Host: evil.example", d.URL + "/demo/whoami"}, 421, "unknown_host")
	checkRefusal(t, d.attache, []string{"-H", "Host: evil.example", d.URL + "/.well-known/attache"}, 421, "unknown_host")
	t.Run("preflight is not for us to allow", func(t *testing.T) {
		r := client{}.run(t, "curl", "-sS", "-i", "-X", "OPTIONS", "-H", "Origin: https://evil.example", "-H", "Access-Control-Request-Method: POST", d.URL+"/demo/whoami")
		if strings.Contains(strings.ToLower(r.Stdout), "access-control-allow-origin") {
			t.Errorf("the proxy allows another origin: %v", r)
		}
	})
}

// Hop-by-hop headers that the agent names cannot take the credential away, nor
// bring in what the proxy adds.
func TestConnectionHeader(t *testing.T) {
	d := newDemo(t)
	for _, h := range []string{"close, Authorization", "Authorization", "keep-alive, authorization, host, content-length", "Proxy-Authorization, Attache-Account"} {
		d.Service.forget()
		r := d.curl(t, "-H", "Connection: "+h, d.URL+"/demo/whoami")
		checkCurl(t, r, authenticated+"\n200 1.1")
	}
	d.Service.forget()
	d.curl(t, "-H", "Proxy-Authorization: Basic eDp5", "-H", "Proxy-Connection: keep-alive", "-H", "Keep-Alive: 5", "-H", "X-Forwarded-For: 1.2.3.4", d.URL+"/demo/whoami")
	got := d.Service.last(t).Header
	for _, bad := range []string{"Proxy-Authorization", "Proxy-Connection", "Keep-Alive", "Via", "X-Forwarded-Proto", "X-Forwarded-Host"} {
		if v := got.Get(bad); v != "" {
			t.Errorf("%s: %s reached the service", bad, v)
		}
	}
}
