package egress_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/attache-proxy/attache/resolver/egress"
)

func TestGuardCheck(t *testing.T) {
	allow, err := egress.ParseAllow([]string{"10.1.0.0/16", "127.0.0.9", "fd00:1::/32"})
	if err != nil {
		t.Fatal(err)
	}
	g := &egress.Guard{Allow: allow}
	for addr, want := range map[string]bool{
		"1.1.1.1": true, "140.82.121.6": true, "2606:4700::1111": true,
		"127.0.0.1": false, "127.9.9.9": false, "127.0.0.9": true, "::1": false, "0.0.0.0": false, "::": false,
		"10.0.0.1": false, "10.1.2.3": true, "172.16.0.1": false, "172.31.255.255": false, "172.32.0.1": true,
		"192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false, "100.100.100.200": false,
		"168.63.129.16": false, "192.0.0.192": false, "198.18.0.1": false, "224.0.0.1": false, "255.255.255.255": false,
		"fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "fd00:ec2::254": false, "fd00:1::5": true, "ff02::1": false,
		"::ffff:127.0.0.1": false, "::ffff:10.1.2.3": true, "::ffff:169.254.169.254": false, "::ffff:8.8.8.8": true,
		"64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false, "64:ff9b::808:808": true, "64:ff9b:1::1": false,
		"2002:7f00:1::": false, "2002:a9fe:a9fe::1": false, "2002:808:808::1": true,
		"2001:0:4136:e378:8000:63bf:80ff:fffe": false, // Teredo, client 127.0.0.1
		"::7f00:1":                             false, "2001:db8::1": false,
		"2a00:1450:4001:800:0:5efe:a00:1": false, // ISATAP with 10.0.0.1
	} {
		got := g.Check(netip.MustParseAddr(addr)) == nil
		if got != want {
			t.Errorf("Check(%s) lets through = %v, want %v", addr, got, want)
		}
	}
}

func TestParseAllowRefuses(t *testing.T) {
	for _, bad := range []string{"localhost", "10.0.0.0/33", ""} {
		if _, err := egress.ParseAllow([]string{bad}); err == nil {
			t.Errorf("ParseAllow(%q) = nil error, want one", bad)
		}
	}
}

// resolverWith answers every A question with the next list of addresses, so
// that a name can change between two look-ups.
func resolverWith(t *testing.T, answers ...[]string) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	var asked atomic.Int64
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				i := min(int(asked.Add(1)), len(answers)) - 1
				for _, a := range answers[i] {
					m.Answers = append(m.Answers, dnsmessage.Resource{
						Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 0},
						Body:   &dnsmessage.AResource{A: netip.MustParseAddr(a).As4()},
					})
				}
			}
			out, _ := m.Pack()
			_, _ = pc.WriteTo(out, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

func listen(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

func TestDialRefusesNameThatResolvesToLoopback(t *testing.T) {
	d := &egress.Dialer{Guard: &egress.Guard{}, Resolver: resolverWith(t, []string{"127.0.0.1"}), Timeout: 2 * time.Second}
	_, err := d.DialContext(t.Context(), "tcp", "rebind.example.:"+listen(t))
	if denied := (*egress.DeniedError)(nil); !errors.As(err, &denied) {
		t.Errorf("DialContext(name of 127.0.0.1) = %v, want a DeniedError", err)
	}
}

func TestDialTakesTheAllowedOneOfSeveral(t *testing.T) {
	allow, _ := egress.ParseAllow([]string{"127.0.0.1"})
	d := &egress.Dialer{Guard: &egress.Guard{Allow: allow}, Resolver: resolverWith(t, []string{"169.254.169.254", "127.0.0.1"}), Timeout: 5 * time.Second}
	conn, err := d.DialContext(t.Context(), "tcp", "several.example.:"+listen(t))
	if err != nil {
		t.Fatalf("DialContext = %v, want the allowed address to be dialled", err)
	}
	defer conn.Close()
	if got, _, _ := net.SplitHostPort(conn.RemoteAddr().String()); got != "127.0.0.1" {
		t.Errorf("dialled %s, want 127.0.0.1", got)
	}
}

// A name whose second answer is private is refused at the second dial: nothing
// is remembered from the first.
func TestDialChecksEachTime(t *testing.T) {
	allow, _ := egress.ParseAllow([]string{"127.0.0.2"})
	d := &egress.Dialer{Guard: &egress.Guard{Allow: allow}, Resolver: resolverWith(t, []string{"127.0.0.2"}, []string{"127.0.0.1"}), Timeout: 2 * time.Second}
	port := listen(t)
	if _, err := d.DialContext(t.Context(), "tcp", "flip.example.:"+port); errors.As(err, new(*egress.DeniedError)) {
		t.Fatalf("first dial = %v, want the guard to let it through", err)
	}
	if _, err := d.DialContext(t.Context(), "tcp", "flip.example.:"+port); !errors.As(err, new(*egress.DeniedError)) {
		t.Errorf("second dial = %v, want a DeniedError", err)
	}
}

func TestFixedIsNotChecked(t *testing.T) {
	d := &egress.Dialer{Guard: &egress.Guard{}}
	conn, err := d.Fixed("127.0.0.1:"+listen(t))(t.Context(), "tcp", "api.example.com:443")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
