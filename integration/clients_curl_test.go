package integration_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// curl runs curl without a progress meter and prints after the body the
// status and the HTTP version of the last answer.
func (a *attache) curl(t testing.TB, args ...string) result {
	t.Helper()
	return client{}.run(t, "curl", append([]string{"-sS", "--max-time", "30", "-w", "\n%{http_code} %{http_version}"}, args...)...)
}

// checkCurl compares the body and the status line of curl's output.
func checkCurl(t testing.TB, r result, want string) {
	t.Helper()
	if got := strings.TrimSpace(r.Stdout); r.Code != 0 || got != want {
		t.Errorf("curl printed %q, want %q: %v", got, want, r)
	}
}

// Every door, with each version of HTTP on each leg.
func TestCurl(t *testing.T) {
	d := newDemo(t)
	port := d.Addr[strings.LastIndex(d.Addr, ":"):]
	ok := func(version string) string { return authenticated + "\n200 " + version }
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"absolute form", []string{"-x", d.URL, "http://demo.test/whoami"}, ok("1.1")},
		{"absolute form in HTTP/1.0", []string{"-0", "-x", d.URL, "http://demo.test/whoami"}, ok("1")},
		{"CONNECT and HTTP/1.1", []string{"-x", d.URL, "--cacert", d.CA, "--http1.1", "https://demo.test/whoami"}, ok("1.1")},
		{"CONNECT and HTTP/2", []string{"-x", d.URL, "--cacert", d.CA, "--http2", "https://demo.test/whoami"}, ok("2")},
		{"CONNECT and plain HTTP", []string{"-x", d.URL, "--proxytunnel", "http://demo.test/whoami"}, ok("1.1")},
		{"CONNECT in HTTP/1.0", []string{"-x", d.URL, "--proxy1.0", d.Addr, "--cacert", d.CA, "https://demo.test/whoami"}, ok("2")},
		{"base URL", []string{d.URL + "/demo/whoami"}, ok("1.1")},
		{"base URL in HTTP/2", []string{"--http2-prior-knowledge", d.URL + "/demo/whoami"}, ok("2")},
		{"host name", []string{"--resolve", "demo.localhost" + port + ":127.0.0.1", "http://demo.localhost" + port + "/whoami"}, ok("1.1")},
		{"credentials of the agent's own", []string{"-H", "Authorization: Bearer mine", "-H", "Cookie: a=b", d.URL + "/demo/whoami"}, ok("1.1")},
		{"POST", []string{"-d", `{"a":1.0}`, "-x", d.URL, "--cacert", d.CA, "https://demo.test/whoami"}, ok("2")},
		{"without the proxy", []string{"--cacert", d.Trust.File(t), d.Service.URL + "/whoami"}, `{"authenticated":false}` + "\n401 2"},
	} {
		t.Run(c.name, func(t *testing.T) { checkCurl(t, d.curl(t, c.args...), c.want) })
	}
}

// What reaches the service is what the agent sent, with the credential and
// nothing else.
func TestRequestUntouched(t *testing.T) {
	d := newDemo(t)
	for _, c := range []struct{ name, url string }{
		{"base URL", d.URL + "/demo"},
		{"absolute form", "http://demo.test"},
		{"CONNECT", "https://demo.test"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d.Service.forget()
			const path = "/whoami/%41%2Fb?b=%20&a=+&a=1&=&c"
			const body = `{"n":1.00, "big":12345678901234567890, "s":"\u00e9"}`
			r := d.curl(t, "-x", d.URL, "--noproxy", "127.0.0.1", "--cacert", d.CA, "--path-as-is", "-H", "X-Odd_Name: ", "-H", "X-Agent: 1",
				"-H", "Accept-Encoding: br", "-H", "Authorization: Bearer attache", "-H", "Content-Type: application/json", "-d", body, c.url+path)
			got := d.Service.last(t)
			if got.URI != path {
				t.Errorf("URI = %q, want %q", got.URI, path)
			}
			if got.Host != "demo.test" {
				t.Errorf("Host = %q, want demo.test", got.Host)
			}
			if got.Header.Get("Content-Length") != fmt.Sprint(len(body)) {
				t.Errorf("Content-Length = %q, want %d", got.Header.Get("Content-Length"), len(body))
			}
			want := http.Header{"Authorization": {"Bearer " + demoToken}, "X-Agent": {"1"}, "Accept-Encoding": {"br"},
				"Content-Type": {"application/json"}, "Accept": {"*/*"}}
			for k, v := range want {
				if fmt.Sprint(got.Header[k]) != fmt.Sprint(v) {
					t.Errorf("%s = %q, want %q", k, got.Header[k], v)
				}
			}
			for k := range got.Header {
				if want[k] == nil && k != "User-Agent" && k != "Content-Length" && k != "X-Odd_name" {
					t.Errorf("the proxy added %s: %q: %v", k, got.Header[k], r)
				}
			}
		})
	}
}

// Alt-Svc would tell the agent to go round the proxy, and cookies are a session of
// the credential's (see TestCookiesAndPagesStayApart); all else is the service's.
func TestAnswerUntouched(t *testing.T) {
	ca := newAuthority(t, "services")
	service := newService(t, ca, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Alt-Svc", `h3=":443"`)
		w.Header().Set("X-Service", "yes")
		w.Header()["Set-Cookie"] = []string{"a=1; Secure", "b=2"}
		w.Header().Set("Content-Encoding", "br")
		w.Write([]byte{0x0b, 0x02, 0x80, 'h', 'e', 'l', 'l', 'o', 0x03})
	}), "demo.test")
	a := newAttache(t, setup{
		Attache: connector("demo", "demo.test", service, "bearer {fields.key}", "DEMO_TOKEN") + agentLocal("demo"),
		Env:     []string{"DEMO_TOKEN=" + demoToken}, Trust: []*authority{ca},
	})
	for name, args := range map[string][]string{
		"base URL": {a.URL + "/demo/"},
		"CONNECT":  {"-x", a.URL, "--cacert", a.CA, "https://demo.test/"},
	} {
		t.Run(name, func(t *testing.T) {
			r := client{}.run(t, "curl", append([]string{"-sS", "-i"}, args...)...)
			lower := strings.ToLower(r.Stdout)
			for _, want := range []string{"x-service: yes", "content-encoding: br", "hello"} {
				if !strings.Contains(lower, want) {
					t.Errorf("the answer lacks %q: %v", want, r)
				}
			}
			for _, bad := range []string{"alt-svc", "x-forwarded", "set-cookie"} {
				if strings.Contains(lower, bad) {
					t.Errorf("the answer has %q: %v", bad, r)
				}
			}
		})
	}
}
