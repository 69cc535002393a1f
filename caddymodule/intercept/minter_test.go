package intercept_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attache-proxy/attache/caddymodule/intercept"
)

// fakeCA is an issuer whose intermediate can be replaced.
type fakeCA struct {
	mu      sync.Mutex
	root    *x509.Certificate
	rootKey crypto.Signer
	chain   []*x509.Certificate
	key     crypto.Signer
	// between is called between the two reads of the last Leaf, once.
	between func()
}

func (c *fakeCA) IntermediateCertificateChain() []*x509.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.chain
}

func (c *fakeCA) IntermediateKey() crypto.Signer {
	c.mu.Lock()
	f := c.between
	c.between = nil
	c.mu.Unlock()
	if f != nil {
		f()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.key
}

func newFakeCA(t testing.TB, from, to time.Duration) *fakeCA {
	t.Helper()
	c := &fakeCA{}
	c.root, c.rootKey = newCert(t, "root", nil, nil, -time.Hour*24*365, time.Hour*24*365)
	c.renew(t, from, to)
	return c
}

// renew makes a new intermediate, valid between the two offsets from now.
func (c *fakeCA) renew(t testing.TB, from, to time.Duration) {
	t.Helper()
	cert, key := newCert(t, "intermediate", c.root, c.rootKey, from, to)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.chain, c.key = []*x509.Certificate{cert}, key
}

func newCert(t testing.TB, name string, parent *x509.Certificate, signer crypto.Signer, from, to time.Duration) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(to),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

const week = 7 * 24 * time.Hour

func parse(t testing.TB, c *tls.Certificate) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestLeaf(t *testing.T) {
	ca := newFakeCA(t, -time.Hour, week)
	m := intercept.NewMinter(ca, nil)
	long := strings.Repeat("a", 63) + ".example.com"
	for _, test := range []struct {
		host, cn string
		names    []string
		ips      []string
	}{
		{host: "api.example.com", cn: "api.example.com", names: []string{"api.example.com"}},
		{host: "xn--bcher-kva.example", cn: "xn--bcher-kva.example", names: []string{"xn--bcher-kva.example"}},
		{host: "my_bucket.s3.amazonaws.com", cn: "my_bucket.s3.amazonaws.com", names: []string{"my_bucket.s3.amazonaws.com"}},
		{host: strings.Repeat("a", 60) + ".com", cn: strings.Repeat("a", 60) + ".com", names: []string{strings.Repeat("a", 60) + ".com"}},
		{host: long, names: []string{long}},
		{host: "192.0.2.7", cn: "192.0.2.7", ips: []string{"192.0.2.7"}},
		{host: "2001:db8::7", cn: "2001:db8::7", ips: []string{"2001:db8::7"}},
	} {
		t.Run(test.host, func(t *testing.T) {
			got, err := m.Leaf(test.host)
			if err != nil {
				t.Fatal(err)
			}
			cert := parse(t, got)
			if cert.Subject.CommonName != test.cn {
				t.Errorf("common name = %q, want %q", cert.Subject.CommonName, test.cn)
			}
			if !slices.Equal(cert.DNSNames, test.names) {
				t.Errorf("DNS names = %q, want %q", cert.DNSNames, test.names)
			}
			var ips []string
			for _, ip := range cert.IPAddresses {
				ips = append(ips, ip.String())
			}
			if !slices.Equal(ips, test.ips) {
				t.Errorf("IP addresses = %q, want %q", ips, test.ips)
			}
			checkProfile(t, cert, got, ca)
		})
	}
}

// checkProfile checks what all leaves have in common.
func checkProfile(t *testing.T, cert *x509.Certificate, sent *tls.Certificate, ca *fakeCA) {
	t.Helper()
	if len(sent.Certificate) != 2 || !bytes.Equal(sent.Certificate[1], ca.chain[0].Raw) {
		t.Errorf("chain sent has %d certificates, want leaf and intermediate", len(sent.Certificate))
	}
	if len(cert.AuthorityKeyId) == 0 || !bytes.Equal(cert.AuthorityKeyId, ca.chain[0].SubjectKeyId) {
		t.Errorf("authority key id = %x, want %x", cert.AuthorityKeyId, ca.chain[0].SubjectKeyId)
	}
	if n := cert.SerialNumber.BitLen(); n != 127 {
		t.Errorf("serial number has %d bits, want 127", n)
	}
	if !slices.Equal(cert.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) {
		t.Errorf("extended key usage = %v, want server authentication", cert.ExtKeyUsage)
	}
	if cert.IsCA || cert.KeyUsage != x509.KeyUsageDigitalSignature {
		t.Errorf("IsCA %v, key usage %v; want false, digital signature", cert.IsCA, cert.KeyUsage)
	}
	near(t, "NotBefore", cert.NotBefore, time.Now().Add(-5*time.Minute))
	near(t, "NotAfter", cert.NotAfter, time.Now().Add(24*time.Hour))
	roots, inter := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(ca.root)
	inter.AddCert(ca.chain[0])
	name := cert.Subject.CommonName
	if len(cert.DNSNames) > 0 {
		name = cert.DNSNames[0]
	}
	if ip := net.ParseIP(name); ip != nil {
		name = "[" + name + "]"
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, Intermediates: inter, DNSName: name}); err != nil {
		t.Errorf("Verify(%s): %v", name, err)
	}
}

func near(t *testing.T, what string, got, want time.Time) {
	t.Helper()
	if d := got.Sub(want); d < -5*time.Second || d > 5*time.Second {
		t.Errorf("%s = %v, want about %v", what, got, want)
	}
}

func TestLeafStaysInsideItsIssuer(t *testing.T) {
	ca := newFakeCA(t, -time.Minute, 3*time.Hour)
	leaf, err := intercept.NewMinter(ca, nil).Leaf("a.example")
	if err != nil {
		t.Fatal(err)
	}
	cert := parse(t, leaf)
	if !cert.NotBefore.Equal(ca.chain[0].NotBefore) || !cert.NotAfter.Equal(ca.chain[0].NotAfter) {
		t.Errorf("validity = %v to %v, want the issuer's %v to %v", cert.NotBefore, cert.NotAfter, ca.chain[0].NotBefore, ca.chain[0].NotAfter)
	}
}

func TestLeafErrors(t *testing.T) {
	expired := newFakeCA(t, -week, -time.Minute)
	mixed := newFakeCA(t, -time.Hour, week)
	mixed.key = newFakeCA(t, -time.Hour, week).key
	for _, test := range []struct {
		name string
		ca   intercept.Issuer
		want string
	}{
		{"expired issuer", expired, "expired at"},
		{"no issuer", &fakeCA{}, "no intermediate certificate"},
		{"other key", mixed, "does not belong"},
	} {
		_, err := intercept.NewMinter(test.ca, nil).Leaf("a.example")
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "a.example") {
			t.Errorf("%s: Leaf = %v, want an error with %q and the host", test.name, err, test.want)
		}
	}
}

// A renewal between the reading of the chain and of the key must not pair the
// old chain with the new key.
func TestLeafRenewalBetweenTheReads(t *testing.T) {
	ca := newFakeCA(t, -time.Hour, week)
	ca.between = func() { ca.renew(t, -time.Hour, week) }
	leaf, err := intercept.NewMinter(ca, nil).Leaf("a.example")
	if err != nil {
		t.Fatal(err)
	}
	if err := parse(t, leaf).CheckSignatureFrom(ca.chain[0]); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(leaf.Certificate[1], ca.chain[0].Raw) {
		t.Error("the chain sent is not that of the signing key")
	}
}

func TestLeafIsMintedAnew(t *testing.T) {
	for _, test := range []struct {
		name   string
		to     time.Duration // of the issuer
		change func(*fakeCA, *clock)
		want   int64
	}{
		{"nothing changed", week, func(*fakeCA, *clock) {}, 1},
		{"61 minutes left", week, func(_ *fakeCA, c *clock) { c.add(24*time.Hour - 61*time.Minute) }, 1},
		{"59 minutes left", week, func(_ *fakeCA, c *clock) { c.add(24*time.Hour - 59*time.Minute) }, 2},
		{"issuer renewed", week, func(ca *fakeCA, _ *clock) { ca.renew(t, -time.Hour, week) }, 2},
		// An hour would be more than there is: it would be minted each time.
		{"short issuer", 40 * time.Minute, func(_ *fakeCA, c *clock) { c.add(20 * time.Minute) }, 1},
		{"short issuer, late", 40 * time.Minute, func(_ *fakeCA, c *clock) { c.add(35 * time.Minute) }, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			ca := newFakeCA(t, -time.Hour, test.to)
			var minted atomic.Int64
			c := &clock{}
			m := intercept.NewMinter(ca, func() { minted.Add(1) })
			intercept.SetClock(m, c.now)
			mustLeaf(t, m, "a.example")
			mustLeaf(t, m, "a.example")
			test.change(ca, c)
			mustLeaf(t, m, "a.example")
			if got := minted.Load(); got != test.want {
				t.Errorf("minted %d times, want %d", got, test.want)
			}
		})
	}
}

type clock struct{ ahead atomic.Int64 }

func (c *clock) add(d time.Duration) { c.ahead.Add(int64(d)) }
func (c *clock) now() time.Time      { return time.Now().Add(time.Duration(c.ahead.Load())) }

func mustLeaf(t testing.TB, m *intercept.Minter, host string) *tls.Certificate {
	t.Helper()
	leaf, err := m.Leaf(host)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func TestLeafSingleFlight(t *testing.T) {
	var minted atomic.Int64
	m := intercept.NewMinter(newFakeCA(t, -time.Hour, week), func() { minted.Add(1) })
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() { mustLeaf(t, m, "a.example") })
	}
	wg.Wait()
	if got := minted.Load(); got != 1 {
		t.Errorf("minted %d times, want 1", got)
	}
}

func TestLeafCacheIsBounded(t *testing.T) {
	var minted atomic.Int64
	m := intercept.NewMinter(newFakeCA(t, -time.Hour, week), func() { minted.Add(1) })
	mustLeaf(t, m, "first.example")
	for n := range 1023 {
		mustLeaf(t, m, strconv.Itoa(n)+".example")
	}
	mustLeaf(t, m, "first.example") // now the one used last; 0.example is the oldest
	mustLeaf(t, m, "more.example")
	if got := minted.Load(); got != 1025 {
		t.Fatalf("minted %d times, want 1025", got)
	}
	mustLeaf(t, m, "first.example")
	if got := minted.Load(); got != 1025 {
		t.Errorf("the leaf used last was forgotten")
	}
	mustLeaf(t, m, "0.example")
	if got := minted.Load(); got != 1026 {
		t.Errorf("the oldest of 1025 leaves was kept")
	}
}

func BenchmarkLeafMint(b *testing.B) {
	m := intercept.NewMinter(newFakeCA(b, -time.Hour, week), nil)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		mustLeaf(b, m, strconv.Itoa(n)+".example")
	}
}

func BenchmarkLeafCached(b *testing.B) {
	m := intercept.NewMinter(newFakeCA(b, -time.Hour, week), nil)
	mustLeaf(b, m, "a.example")
	b.ReportAllocs()
	for b.Loop() {
		mustLeaf(b, m, "a.example")
	}
}
