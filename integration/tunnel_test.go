package integration_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// echoServer is a TCP service that is no HTTP: opaque tunnels carry anything.
func echoServer(t testing.TB) (address string) {
	t.Helper()
	l := listen(t)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(conn, conn)
				conn.(*net.TCPConn).CloseWrite()
			}()
		}
	}()
	return l.Addr().String()
}

// Hosts of no connector are tunnelled untouched: the service's own certificate
// arrives, and bytes that are no HTTP pass.
func TestOpaqueTunnel(t *testing.T) {
	integration(t)
	ca := newAuthority(t, "services")
	service := newService(t, ca, whoami(bearer("agent's own")), "localhost")
	a := newAttache(t, setup{Attache: "allow_address 127.0.0.1\nagent local"})

	t.Run("TLS", func(t *testing.T) {
		r := a.curl(t, "-x", a.URL, "--cacert", ca.File(t), "-H", "Authorization: Bearer agent's own", service.URL+"/whoami")
		checkCurl(t, r, authenticated+"\n200 2")
	})
	t.Run("not HTTP, and half-closed", func(t *testing.T) {
		conn := a.connect(t, echoServer(t))
		io.WriteString(conn, "anything")
		conn.(*net.TCPConn).CloseWrite()
		got, err := io.ReadAll(conn)
		if string(got) != "anything" || err != nil {
			t.Errorf("echo = %q, %v, want \"anything\" and the end", got, err)
		}
	})
	t.Run("data sent before the answer", func(t *testing.T) {
		conn := a.dial(t)
		address := echoServer(t)
		fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\nearly", address, address)
		readHead(t, conn)
		got := make([]byte, 5)
		if _, err := io.ReadFull(conn, got); string(got) != "early" {
			t.Errorf("echo = %q, %v, want \"early\"", got, err)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		conn := a.dial(t)
		target := fmt.Sprintf("127.0.0.1:%d", freePort(t))
		fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target)
		if status, _ := readHead(t, conn); !strings.Contains(status, " 502 ") {
			t.Errorf("CONNECT to a closed port = %s, want 502", status)
		}
	})
}

// With `unmatched deny` only the connectors' hosts are there.
func TestUnmatchedDeny(t *testing.T) {
	d := newDemo(t, func(s *setup) {
		s.Listener = "agent local\nunmatched deny"
		s.Attache += "allow_address 127.0.0.1\n"
	})
	checkCurl(t, d.curl(t, "-x", d.URL, "--cacert", d.CA, "https://demo.test/whoami"), authenticated+"\n200 2")

	conn := d.dial(t)
	target := echoServer(t)
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target)
	status, head := readHead(t, conn)
	if !strings.Contains(status, " 403 ") || !strings.Contains(strings.ToLower(head), "attache-error: no_connector") {
		t.Errorf("CONNECT to a host of no connector = %s\n%s\nwant 403 no_connector", status, head)
	}
	checkRefusal(t, d.attache, []string{"-x", d.URL, "http://" + target + "/"}, 403, "no_connector")
}

// The certificate in the tunnel is one that clients of all kinds accept: its
// chain is sent, it names one host, it lives no longer than its issuer.
func TestLeafCertificate(t *testing.T) {
	long := strings.Repeat("a", 60) + "." + strings.Repeat("b", 60) + ".demo.test" // over the 64 characters of a common name
	d := newDemo(t, func(s *setup) {
		s.Attache = strings.Replace(s.Attache, "hosts demo.test", "hosts demo.test *.demo.test\n\t\twildcard vendor ours", 1)
	})
	for _, host := range []string{"demo.test", "deep.er.demo.test", long} {
		t.Run(host, func(t *testing.T) {
			conn := tls.Client(d.connect(t, host+":443"), &tls.Config{RootCAs: pool(t, d.CA), ServerName: host})
			if err := conn.Handshake(); err != nil {
				t.Fatal(err)
			}
			chain := conn.ConnectionState().PeerCertificates
			leaf := chain[0]
			if len(leaf.DNSNames) != 1 || leaf.DNSNames[0] != host {
				t.Errorf("names of the leaf = %q, want only %s", leaf.DNSNames, host)
			}
			if len(chain) < 2 {
				t.Fatalf("a chain of %d certificates was sent, want leaf and issuer", len(chain))
			}
			if string(leaf.AuthorityKeyId) != string(chain[1].SubjectKeyId) || len(leaf.AuthorityKeyId) == 0 {
				t.Errorf("authority key id = %x, want the issuer's %x", leaf.AuthorityKeyId, chain[1].SubjectKeyId)
			}
			if leaf.NotAfter.After(chain[1].NotAfter) || leaf.NotAfter.After(time.Now().Add(25*time.Hour)) {
				t.Errorf("the leaf ends %v, its issuer %v", leaf.NotAfter, chain[1].NotAfter)
			}
			if leaf.IsCA {
				t.Error("the leaf is a CA")
			}
		})
	}
}

// silentTunnel keeps an opaque tunnel, over HTTP/1.1 and over HTTP/2, without a byte.
func silentTunnel(t *testing.T) {
	a := newAttache(t, setup{Attache: "allow_address 127.0.0.1\nagent local"})
	for name, conn := range map[string]net.Conn{"HTTP1": a.connect(t, echoServer(t)), "HTTP2": a.connectH2(t, echoServer(t))} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn.SetDeadline(time.Time{})
			time.Sleep(idle)
			io.WriteString(conn, "late")
			got := make([]byte, 4)
			if _, err := io.ReadFull(conn, got); string(got) != "late" {
				t.Errorf("echo after %v of silence = %q, %v", idle, got, err)
			}
		})
	}
}
