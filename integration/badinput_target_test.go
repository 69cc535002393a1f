package integration_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// request sends raw bytes to the listener and reads one answer.
func (a *attache) request(t testing.TB, raw string) *http.Response {
	t.Helper()
	conn := a.dial(t)
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	go io.WriteString(conn, raw)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("no answer to %q: %v", clip(raw), err)
	}
	return res
}

// CONNECT to what is no host and port, or none that may be reached.
func TestConnectBadTarget(t *testing.T) {
	d := newDemo(t)
	loopback := strings.TrimPrefix(d.Service.URL, "https://")
	port := loopback[strings.LastIndex(loopback, ":"):]
	for _, target := range []string{
		"demo.test", "demo.test:", "demo.test:0", "demo.test:65536", "demo.test:-1", "demo.test:+443", "demo.test:abc", "demo.test:443x",
		"demo.test:443:443", ":443", "user@demo.test:443", "user:pass@demo.test:443", "demo.test:443/path", "https://demo.test:443",
		"[::1:443", "[fe80::1%25lo]:443", "demo..test:443", ".demo.test:443", "demo test:443", "demo.test%00:443", "demo.test\\@other:443",
		loopback, "localhost" + port, "127.1" + port, "2130706433" + port, "0x7f000001" + port, "0177.0.0.1" + port, "0.0.0.0" + port, "[::]" + port,
		"[::1]" + port, "[::ffff:127.0.0.1]" + port, "[::127.0.0.1]" + port, "[64:ff9b::127.0.0.1]" + port, "127.0.0.1." + port, "①②⑦.0.0.1" + port,
		"169.254.169.254:80", "[fd00:ec2::254]:80", "10.0.0.1:80", "100.64.0.1:80", "192.168.1.1:443", "172.16.0.1:443", "224.0.0.1:80", "255.255.255.255:80",
	} {
		t.Run(target, func(t *testing.T) {
			d.Service.forget()
			res := d.request(t, "CONNECT "+target+" HTTP/1.1\r\nHost: "+target+"\r\n\r\n")
			if res.StatusCode < 400 || res.StatusCode == 407 {
				t.Errorf("CONNECT %s = %s, want a refusal", target, res.Status)
			}
			if text, _ := io.ReadAll(res.Body); res.StatusCode >= 500 && res.Header.Get("Attache-Error") == "" {
				t.Errorf("CONNECT %s = %s without an Attache-Error: %s", target, res.Status, text)
			}
			if n := len(d.Service.Requests()); n > 0 {
				t.Errorf("CONNECT %s reached the service", target)
			}
		})
	}
}

// Ways to write the name of a connector's host: all are that host. None makes
// an opaque tunnel round the connector.
func TestConnectSpellings(t *testing.T) {
	integration(t)
	ca := newAuthority(t, "services")
	service := newService(t, ca, whoami(bearer(demoToken)), "demo.test", "xn--bcher-kva.test")
	a := newAttache(t, setup{
		Attache: connector("demo", "demo.test xn--bcher-kva.test", service, "bearer {fields.key}", "DEMO_TOKEN") + agentLocal("demo"),
		Env:     []string{"DEMO_TOKEN=" + demoToken}, Trust: []*authority{ca},
	})
	for _, c := range []struct{ target, host string }{
		{"DEMO.Test:443", "demo.test"},
		{"demo.test.:443", "demo.test"},
		{"DEMO.TEST.:443", "demo.test"},
		{"demo.test:0443", "demo.test"}, // leading zeros are still a number
		{"xn--bcher-kva.test:443", "xn--bcher-kva.test"},
		{"XN--BCHER-KVA.test:443", "xn--bcher-kva.test"},
		{"bücher.test:443", "xn--bcher-kva.test"},
		{"BÜCHER.test:443", "xn--bcher-kva.test"},
	} {
		t.Run(c.target, func(t *testing.T) {
			conn := a.dial(t)
			fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", c.target, c.target)
			status, head := readHead(t, conn)
			if strings.Contains(status, " 400 ") {
				return // refused as malformed is as good
			}
			if !strings.Contains(status, " 200 ") {
				t.Fatalf("CONNECT = %s\n%s", status, head)
			}
			inner := tls.Client(conn, &tls.Config{RootCAs: pool(t, a.CA), ServerName: c.host})
			raw := exchange(inner, "GET /whoami HTTP/1.1\r\nHost: "+c.host+"\r\nConnection: close\r\n\r\n", 5*time.Second)
			if statusOf(raw) != 200 {
				t.Errorf("through the tunnel: %q, want 200", raw)
			}
		})
	}
}

// What is asked for in a tunnel is where the tunnel goes.
func TestInnerHost(t *testing.T) {
	d := newDemo(t)
	for _, host := range []string{"other.test", "127.0.0.1", "demo.test.evil.test", "xdemo.test", "demo.test:80", "", "demo.test@other.test"} {
		t.Run("HTTP1 "+host, func(t *testing.T) {
			d.Service.forget()
			raw := exchange(d.connectTLS(t, "demo.test:443", "http/1.1"), "GET /whoami HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n", 2*time.Second)
			if status := statusOf(raw); status != 421 && status != 400 {
				t.Errorf("Host %q in a tunnel to demo.test = %d, want 421 or 400: %s", host, status, raw)
			}
			if len(d.Service.Requests()) > 0 {
				t.Errorf("Host %q reached the service", host)
			}
		})
	}
	t.Run("HTTP2", func(t *testing.T) {
		d.Service.forget()
		r, _ := http.NewRequest(http.MethodGet, "https://demo.test/whoami", nil)
		r.Host = "other.test"
		res, err := d.goClient(t, true).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != 421 || len(d.Service.Requests()) > 0 {
			t.Errorf(":authority other.test in a tunnel to demo.test = %s, want 421 and nothing at the service", res.Status)
		}
	})
	t.Run("absolute form in the tunnel", func(t *testing.T) {
		d.Service.forget()
		raw := exchange(d.connectTLS(t, "demo.test:443", "http/1.1"), "GET https://other.test/whoami HTTP/1.1\r\nHost: demo.test\r\nConnection: close\r\n\r\n", 2*time.Second)
		if status := statusOf(raw); (status != 421 && status != 400) || len(d.Service.Requests()) > 0 {
			t.Errorf("= %q, want 421 or 400 and nothing at the service", raw)
		}
	})
	t.Run("CONNECT in the tunnel", func(t *testing.T) {
		d.Service.forget()
		raw := exchange(d.connectTLS(t, "demo.test:443", "http/1.1"), "CONNECT other.test:443 HTTP/1.1\r\nHost: other.test:443\r\nConnection: close\r\n\r\n", 2*time.Second)
		if status := statusOf(raw); status < 400 {
			t.Errorf("= %q, want a refusal", raw)
		}
	})
	t.Run("SNI of another host", func(t *testing.T) {
		conn := tls.Client(d.connect(t, "demo.test:443"), &tls.Config{InsecureSkipVerify: true, ServerName: "other.test"})
		if err := conn.Handshake(); err != nil {
			return // refused at once is as good
		}
		if names := conn.ConnectionState().PeerCertificates[0].DNSNames; fmt.Sprint(names) != "[demo.test]" {
			t.Errorf("a tunnel to demo.test shows a certificate for %q", names)
		}
	})
}

// Absolute form is a URL like any other: with all that a URL may hold.
func TestAbsoluteForm(t *testing.T) {
	d := newDemo(t)
	for _, c := range []struct {
		url    string
		status int // 0: any from 400 to 499
	}{
		{"http://user:pass@demo.test/whoami", 0},
		{"http://user@demo.test/whoami", 0},
		{"http://other.test@demo.test/whoami", 0},
		{"http://demo.test\\@other.test/whoami", 0},
		{"http://demo.test:99999/whoami", 0},
		{"http://demo.test:abc/whoami", 0},
		{"http:///whoami", 0},
		{"ftp://demo.test/whoami", 0},
		{"file:///etc/passwd", 0},
		{"http://127.0.0.1" + d.Service.URL[strings.LastIndex(d.Service.URL, ":"):] + "/whoami", 403},
		{"http://169.254.169.254/latest/meta-data/", 403},
		{"http://[::ffff:169.254.169.254]/latest/meta-data/", 403},
		{"http://demo.test/whoami", 200},
		{"HTTP://DEMO.test./whoami", 200},
		{"https://demo.test/whoami", 200}, // some clients ask so rather than with CONNECT
	} {
		t.Run(c.url, func(t *testing.T) {
			d.Service.forget()
			res := d.request(t, "GET "+c.url+" HTTP/1.1\r\nHost: demo.test\r\nConnection: close\r\n\r\n")
			text, _ := io.ReadAll(res.Body)
			if c.status == 0 && (res.StatusCode < 400 || res.StatusCode > 499) || c.status != 0 && res.StatusCode != c.status {
				t.Errorf("GET %s = %s %s, want %d", c.url, res.Status, text, c.status)
			}
			if n := len(d.Service.Requests()); n > 0 && c.status != 200 {
				t.Errorf("GET %s reached the service", c.url)
			}
		})
	}
}

// Host is what the URL says (RFC 9112 §3.2.2), whatever the header says.
func TestAbsoluteFormHost(t *testing.T) {
	d := newDemo(t)
	res := d.request(t, "GET http://demo.test/whoami HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n")
	if res.StatusCode != 200 {
		t.Fatalf("= %s, want 200", res.Status)
	}
	if got := d.Service.last(t).Host; got != "demo.test" {
		t.Errorf("the service was asked for Host %q, want demo.test", got)
	}
}
