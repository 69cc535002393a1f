package integration_test

import (
	"crypto/tls"
	"io"
	"strings"
	"testing"
	"time"
)

// A service whose certificate is wrong gets no request and so no credential.
func TestUpstreamBadCertificate(t *testing.T) {
	integration(t)
	ca, stranger := newAuthority(t, "services"), newAuthority(t, "stranger")
	certificates := map[string]tls.Certificate{
		"expired":    ca.leaf(t, time.Now().Add(-time.Hour), "demo.test", "127.0.0.1"),
		"wrong name": ca.leaf(t, time.Time{}, "other.test"),
		"unknown CA": stranger.leaf(t, time.Time{}, "demo.test", "127.0.0.1"),
	}
	for name, certificate := range certificates {
		t.Run(name, func(t *testing.T) {
			service := serveCertificate(t, listen(t), whoami(bearer(demoToken)), certificate)
			a := newAttache(t, setup{
				Attache: connector("demo", "demo.test", service, "bearer {fields.key}", "DEMO_TOKEN") + agentLocal("demo"),
				Env:     []string{"DEMO_TOKEN=" + demoToken}, Trust: []*authority{ca},
			})
			checkRefusal(t, a, []string{a.URL + "/demo/whoami"}, 502, "upstream_unreachable")
			checkRefusal(t, a, []string{"-x", a.URL, "--cacert", a.CA, "https://demo.test/whoami"}, 502, "upstream_unreachable")
			if n := len(service.Requests()); n > 0 {
				t.Errorf("%d requests reached a service with a certificate that is %s", n, name)
			}
		})
	}
}

// A client that opens a tunnel and never finishes its handshake is let go, and
// does not keep others from working.
func TestClientNeverFinishesTLS(t *testing.T) {
	d := newDemo(t)
	hello := "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" // the head of a record of 512 bytes
	ended := make(chan string)
	cases := map[string]string{"a part of a ClientHello": hello, "one byte": "\x16", "garbage": "\x16\x03\x01\x00\x05hello"}
	for name, part := range cases {
		conn := d.connect(t, "demo.test:443")
		go func() {
			io.WriteString(conn, part)
			conn.SetReadDeadline(time.Now().Add(90 * time.Second))
			_, err := io.Copy(io.Discard, conn)
			if err != nil && strings.Contains(err.Error(), "timeout") {
				ended <- name + ": still open after 90 s"
				return
			}
			ended <- ""
		}()
	}
	for range 20 {
		conn := d.connect(t, "demo.test:443")
		io.WriteString(conn, hello)
		defer conn.Close()
	}
	checkCurl(t, d.curl(t, "-x", d.URL, "--cacert", d.CA, "https://demo.test/whoami"), authenticated+"\n200 2")
	for range cases {
		if s := <-ended; s != "" {
			t.Error(s)
		}
	}
}

// A client that does not trust the CA is told of in the log in words that help.
func TestClientDistrustsCA(t *testing.T) {
	d := newDemo(t)
	r := client{}.run(t, "curl", "-sS", "-x", d.URL, "https://demo.test/whoami")
	if r.Code == 0 {
		t.Fatalf("curl trusts the CA without being told: %v", r)
	}
	waitFor(t, "a line in the log about trust", func() bool { return strings.Contains(d.Log.String(), "trust") })
}
