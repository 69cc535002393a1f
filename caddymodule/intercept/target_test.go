package intercept_test

import (
	"bufio"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/caddymodule/intercept"
)

// connectRequest is a CONNECT as net/http reads it from the wire.
func connectRequest(t *testing.T, target, headers string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("CONNECT " + target + " HTTP/1.1\r\nHost: other.example:1\r\n" + headers + "\r\n")))
	if err != nil {
		t.Fatalf("reading CONNECT %s: %v", target, err)
	}
	return r
}

func TestParseTarget(t *testing.T) {
	for _, test := range []struct{ target, host, port string }{
		{"api.example.com:443", "api.example.com", "443"},
		{"API.Example.COM:8443", "api.example.com", "8443"},
		{"api.example.com.:443", "api.example.com", "443"},
		{"api.example.com:0443", "api.example.com", "443"},
		{"xn--bcher-kva.example:443", "xn--bcher-kva.example", "443"},
		{"bücher.example:443", "xn--bcher-kva.example", "443"},
		{"my_bucket.s3.amazonaws.com:443", "my_bucket.s3.amazonaws.com", "443"},
		{"r3---sn-abc.example:443", "r3---sn-abc.example", "443"},
		{"192.0.2.7:65535", "192.0.2.7", "65535"},
		{"[2001:DB8::7]:1", "2001:db8::7", "1"},
		{"[::ffff:192.0.2.7]:443", "192.0.2.7", "443"},
		{"localhost:8080", "localhost", "8080"},
	} {
		host, port, err := intercept.ParseTarget(connectRequest(t, test.target, ""))
		if host != test.host || port != test.port || err != nil {
			t.Errorf("ParseTarget(%s) = %q, %q, %v, want %q, %q", test.target, host, port, err, test.host, test.port)
		}
	}
}

func TestParseTargetRefuses(t *testing.T) {
	for _, test := range []struct{ target, headers, want string }{
		{"api.example.com", "", "no port"},
		{"api.example.com:", "", "empty port"},
		{"api.example.com:0", "", "1 to 65535"},
		{"api.example.com:65536", "", "1 to 65535"},
		{"user:hunter2@api.example.com:443", "", "user information"},
		{"api.example.com:443/path", "", "host:port alone"},
		{"api.example.com:443?query", "", "host:port alone"},
		{"/path", "", "host:port alone"},
		{"[fe80::1%25eth0]:443", "", "IPv6"},
		{"..:443", "", "host name"},
		{"a..example:443", "", "host name"},
		{"0x7f.1:443", "", "IPv4"},
		{"2130706433:443", "", "IPv4"},
		{"api.example.com:443", "Content-Length: 5\r\n", "no content"},
		{"api.example.com:443", "Transfer-Encoding: chunked\r\n", "no content"},
	} {
		host, port, err := intercept.ParseTarget(connectRequest(t, test.target, test.headers))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("ParseTarget(%s) = %q, %q, %v, want an error with %q", test.target, host, port, err, test.want)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("ParseTarget(%s) repeats the password: %v", test.target, err)
		}
	}
}

// Over HTTP/2 the authority comes as it is, without net/url in between.
func TestParseTargetRefusesUserInformationOverHTTP2(t *testing.T) {
	r := &http.Request{Method: http.MethodConnect, ProtoMajor: 2, ContentLength: -1, Host: "user:hunter2@api.example.com:443", URL: &url.URL{Host: "user:hunter2@api.example.com:443"}}
	_, _, err := intercept.ParseTarget(r)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("ParseTarget = %v, want an error without the password", err)
	}
}

func TestIsConnect(t *testing.T) {
	for _, test := range []struct {
		name string
		r    http.Request
		want bool
	}{
		{"GET", http.Request{Method: "GET", ProtoMajor: 1}, false},
		{"HTTP/1.1", http.Request{Method: "CONNECT", ProtoMajor: 1, Proto: "HTTP/1.1"}, true},
		{"HTTP/2", http.Request{Method: "CONNECT", ProtoMajor: 2, Proto: "HTTP/2.0"}, true},
		{"WebSocket over HTTP/2", http.Request{Method: "CONNECT", ProtoMajor: 2, Proto: "HTTP/2.0", Header: http.Header{":protocol": {"websocket"}}}, false},
		{"HTTP/3", http.Request{Method: "CONNECT", ProtoMajor: 3, Proto: "HTTP/3.0"}, true},
		{"WebSocket over HTTP/3", http.Request{Method: "CONNECT", ProtoMajor: 3, Proto: "websocket"}, false},
	} {
		if got := intercept.IsConnect(&test.r); got != test.want {
			t.Errorf("IsConnect(%s) = %v, want %v", test.name, got, test.want)
		}
	}
}
