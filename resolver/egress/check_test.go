package egress_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/resolver/egress"
)

func TestCheckHost(t *testing.T) {
	allow, err := egress.ParseAllow([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	guard := &egress.Guard{Allow: allow}
	for _, c := range []struct {
		host    string
		answers []string
		denied  bool
	}{
		{"public.example", []string{"1.1.1.1"}, false},
		{"private.example", []string{"10.0.0.1"}, true},
		{"mixed.example", []string{"10.0.0.1", "1.1.1.1"}, false}, // the public one would be dialled
		{"named.example", []string{"127.0.0.1"}, false},
		{"169.254.169.254", nil, true},
		{"[::1]", nil, true},
		{"127.0.0.1", nil, false},
	} {
		d := &egress.Dialer{Guard: guard, Resolver: resolverWith(t, c.answers)}
		err := d.CheckHost(t.Context(), c.host)
		var denied *egress.DeniedError
		if errors.As(err, &denied) != c.denied || !c.denied && err != nil {
			t.Errorf("CheckHost(%s, which is %q) = %v, want denied: %v", c.host, c.answers, err, c.denied)
		}
	}
	d := &egress.Dialer{Guard: guard, Resolver: resolverWith(t, nil)}
	if err := d.CheckHost(t.Context(), "none.example"); err == nil || !strings.Contains(err.Error(), "cannot be resolved") {
		t.Errorf("CheckHost of a name without addresses = %v", err)
	}
}

// Hosts as they are written: names of this machine, its link and its cloud are
// refused like the addresses that they stand for.
func TestNearNames(t *testing.T) {
	allow, err := egress.ParseAllow([]string{"127.0.0.1", "192.168.0.0/16"})
	if err != nil {
		t.Fatal(err)
	}
	for host, c := range map[string]struct{ public, named bool }{
		"api.example.com": {true, true}, "billing": {true, true}, "notlocalhost": {true, true}, "localhost.example.com": {true, true}, "1.1.1.1": {true, true}, "mylocal": {true, true},
		"localhost": {false, true}, "LOCALHOST.": {false, true}, "a.localhost": {false, true}, "*.localhost": {false, true}, "localhost.localdomain": {false, true}, "ip6-loopback": {false, true},
		"printer.local": {false, true}, "*.local": {false, true}, "127.0.0.1": {false, true}, "[::1]": {false, false}, "192.168.1.1": {false, true}, "169.254.169.254": {false, false}, "fe80::1": {false, false},
		"10.0.0.1": {false, false}, "metadata.google.internal": {false, false}, "instance-data.ec2.internal": {false, false}, "::ffff:169.254.169.254": {false, false},
	} {
		if got := (&egress.Guard{}).CheckName(host) == nil; got != c.public {
			t.Errorf("CheckName(%q) without exceptions: taken %v, want %v", host, got, c.public)
		}
		if got := (&egress.Guard{Allow: allow}).CheckName(host) == nil; got != c.named {
			t.Errorf("CheckName(%q) where addresses are named: taken %v, want %v", host, got, c.named)
		}
	}
}

func TestNames(t *testing.T) {
	allow, err := egress.ParseAllow([]string{"127.0.0.1", "10.1.0.0/16", "fd00::1"})
	if err != nil {
		t.Fatal(err)
	}
	g := &egress.Guard{Allow: allow}
	for host, want := range map[string]bool{
		"127.0.0.1": true, "localhost": true, "LocalHost": true, "10.1.2.3": true, "[fd00::1]": true, "::ffff:127.0.0.1": true,
		"127.0.0.2": false, "10.2.0.1": false, "1.1.1.1": false, "example.com": false, "": false, "localhost.example.com": false,
	} {
		if got := g.Names(host); got != want {
			t.Errorf("Names(%q) = %v, want %v", host, got, want)
		}
	}
	if (&egress.Guard{}).Names("localhost") {
		t.Error("without exceptions localhost is named")
	}
}
