package sign_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/caddymodule/command/sign"
)

// bearer is a connector that signs whatever host the request has.
const bearer = `
key: any
hosts: ["{fields.host}"]
auth:
  token:
    type: credentials
    fields: {host: {title: Host}, token: {title: Token, secret: true}}
    sign: bearer
`

// signRaw runs attache sign over a request as it stands in a file.
func signRaw(t testing.TB, raw string) (out, notes string, err error) {
	dir := t.TempDir()
	file := filepath.Join(dir, "r")
	for name, text := range map[string]string{file: raw, filepath.Join(dir, "any.yaml"): bearer} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := sign.SignCommand{Connector: "any", Dir: dir, Fields: "-", Request: file}
	return c.Run(strings.NewReader(`{"token": "t"}`))
}

func TestSignReadsRequests(t *testing.T) {
	const auth = "Authorization: Bearer t\r\n"
	for name, tt := range map[string]struct{ raw, want string }{
		"CR LF":               {"GET /a?b=1 HTTP/1.1\r\nHost: h.example\r\n\r\n", "GET /a?b=1 HTTP/1.1\r\nHost: h.example\r\n" + auth + "\r\n"},
		"LF":                  {"GET /a HTTP/1.1\nHost: h.example\n\n", "GET /a HTTP/1.1\r\nHost: h.example\r\n" + auth + "\r\n"},
		"no empty line":       {"GET /a HTTP/1.1\nHost: h.example", "GET /a HTTP/1.1\r\nHost: h.example\r\n" + auth + "\r\n"},
		"a mark and a line":   {"\ufeff\n\nGET / HTTP/1.1\nhost:h.example:8443\n\n", "GET / HTTP/1.1\r\nHost: h.example:8443\r\n" + auth + "\r\n"},
		"whole URL":           {"GET https://h.example?a=1 HTTP/1.1\nHost: other.example\n\n", "GET /?a=1 HTTP/1.1\r\nHost: h.example\r\n" + auth + "\r\n"},
		"HTTP/2 in the line":  {"OPTIONS * HTTP/2\nhost: h.example\n\n", "OPTIONS * HTTP/1.1\r\nHost: h.example\r\n" + auth + "\r\n"},
		"a body, no length":   {"PUT / HTTP/1.1\nHost: h.example\n\nabc\n", "PUT / HTTP/1.1\r\nHost: h.example\r\n" + auth + "Content-Length: 3\r\n\r\nabc"},
		"a body with length":  {"POST / HTTP/1.1\nHost: h.example\ncontent-length: 4\n\nabc\nrest", "POST / HTTP/1.1\r\nHost: h.example\r\n" + auth + "Content-Length: 4\r\n\r\nabc\n"},
		"chunks":              {"POST / HTTP/1.1\nHost: h.example\nTransfer-Encoding: chunked\n\n3\r\nabc\r\n0\r\n\r\n", "POST / HTTP/1.1\r\nHost: h.example\r\n" + auth + "Content-Length: 3\r\n\r\nabc"},
		"folded, and twice":   {"GET / HTTP/1.1\nHost: h.example\nX-A: 1\n\t2\nx-a: 3\n\n", "GET / HTTP/1.1\r\nHost: h.example\r\n" + auth + "X-A: 1 2\r\nX-A: 3\r\n\r\n"},
		"odd path":            {"GET //a b/é/../%2F%zz?q=é HTTP/1.1\nHost: h.example\n\n", "GET //a b/é/../%2F%zz?q=é HTTP/1.1\r\nHost: h.example\r\n" + auth + "\r\n"},
		"the agent's own key": {"GET / HTTP/1.1\nHost: h.example\nAuthorization: Bearer dummy\n\n", "GET / HTTP/1.1\r\nHost: h.example\r\n" + auth + "\r\n"},
	} {
		if got, _, err := signRaw(t, tt.raw); err != nil || got != tt.want {
			t.Errorf("%s: attache sign = %v\n%q\nwant\n%q", name, err, got, tt.want)
		}
	}
	for raw, want := range map[string]string{
		"":                                   "r:1: there is no request",
		"GET /\nHost: h\n":                   "r:1: want METHOD, path and HTTP/1.1",
		"GET  HTTP/1.1\n":                    "r:1: the target begins with neither",
		"G@T / HTTP/1.1\n":                   "r:1: want METHOD",
		"GET h.example HTTP/1.1":             "r:1: the target begins with neither",
		"GET / HTTP/1.1\n x: 1\n":            "r:2: the line goes on from nothing",
		"GET / HTTP/1.1\nHost: h\nsecret":    "r:3: this is no header",
		"GET / HTTP/1.1\nHost: h\nHost: i\n": "r:3: the request has several Hosts",
		"GET / HTTP/1.1\nHost: a/b\n":        "r:2: its Host is no host name",
		"GET / HTTP/1.1\nHost: h\nContent-Length: x\n\n":            "r:4: Content-Length is no number",
		"GET / HTTP/1.1\nHost: h\nContent-Length: 2\n\na":           "the body is 1 bytes, and Content-Length says 2",
		"GET / HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\nzz": "the body is not in chunks",
	} {
		if _, _, err := signRaw(t, raw); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: attache sign = %v, want %s", raw, err, want)
		}
	}
}

// FuzzSignRequest: what is printed can be read again, and is the same then.
func FuzzSignRequest(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: h.example\r\n\r\n", "POST http://h.example/a b?c HTTP/1.1\nX: 1\n 2\n\nbody\n",
		"PUT /%zz HTTP/1.1\nHost: h:1\nTransfer-Encoding: chunked\n\n1\r\na\r\n0\r\n\r\n", "\n\nX * HTTP/\nhost:[::1]:80\n\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		once, _, err := signRaw(t, raw)
		if err != nil {
			return
		}
		if twice, _, err := signRaw(t, once); err != nil || twice != once {
			t.Errorf("of %q\n%q becomes, read again, %v\n%q", raw, once, err, twice)
		}
	})
}
