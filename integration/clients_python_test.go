package integration_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// python is Debian's, which has the libraries of Debian's packages.
const python = "/usr/bin/python3"

// pythonScript is a script's absolute path: clients run in a home of their own.
func pythonScript(t testing.TB, name string) string {
	t.Helper()
	if !executable(python) {
		missing(t, python)
	}
	p, err := filepath.Abs(filepath.Join("python", name))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// trusting is the environment of a client that uses the proxy and trusts its CA,
// with the variables that Python's libraries read.
func trusting(proxy, ca string) []string {
	return []string{
		"HTTP_PROXY=" + proxy, "http_proxy=" + proxy, "HTTPS_PROXY=" + proxy, "https_proxy=" + proxy,
		"SSL_CERT_FILE=" + ca, "REQUESTS_CA_BUNDLE=" + ca, "CURL_CA_BUNDLE=" + ca,
	}
}

func TestPython(t *testing.T) {
	d := newDemo(t)
	script := pythonScript(t, "get.py")
	through := trusting(d.URL, d.CA)
	for _, c := range []struct {
		name string
		args []string
		env  []string
	}{
		{"requests/CONNECT", []string{"requests", "https://demo.test/whoami"}, through},
		{"requests/absolute form", []string{"requests", "http://demo.test/whoami"}, through},
		{"requests/base URL", []string{"requests", d.URL + "/demo/whoami"}, nil},
		{"requests/session over CONNECT", []string{"session", "https://demo.test/whoami"}, through},
		{"httpx/CONNECT", []string{"httpx", "https://demo.test/whoami"}, through},
		{"httpx/CONNECT with HTTP2 inside", []string{"httpx", "https://demo.test/whoami", "--http2"}, through},
		{"httpx/absolute form", []string{"httpx", "http://demo.test/whoami"}, through},
		{"httpx/base URL", []string{"httpx", d.URL + "/demo/whoami"}, nil},
		{"httpx/ten at once over CONNECT", []string{"httpx_async", "https://demo.test/whoami"}, through},
		{"urllib3/CONNECT", []string{"urllib3", "https://demo.test/whoami"}, through},
		{"urllib3/absolute form", []string{"urllib3", "http://demo.test/whoami"}, through},
		{"urllib3/base URL", []string{"urllib3", d.URL + "/demo/whoami"}, nil},
		{"urllib/CONNECT", []string{"urllib", "https://demo.test/whoami"}, through},
		{"urllib/base URL", []string{"urllib", d.URL + "/demo/whoami"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := client{Env: c.env}.run(t, python, append([]string{script}, c.args...)...)
			if strings.TrimSpace(r.Stdout) != authenticated || r.Code != 0 {
				t.Errorf("want %s: %v", authenticated, r)
			}
		})
	}
}

// Python's libraries read a stream as it comes, through the tunnel too.
func TestPythonStream(t *testing.T) {
	d := newDemo(t)
	script := pythonScript(t, "get.py")
	for _, library := range []string{"requests", "httpx"} {
		t.Run(library, func(t *testing.T) {
			r := client{Env: trusting(d.URL, d.CA)}.mustRun(t, python, script, library, "https://demo.test/events?n=4&every=200ms", "--stream")
			checkSpread(t, r, 4)
		})
	}
}
