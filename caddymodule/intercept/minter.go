package intercept

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	leafLifetime = 24 * time.Hour
	// leafBackdate forgives clients whose clock is behind ours.
	leafBackdate = 5 * time.Minute
	// leafMargin is how much validity a leaf must have left to be used.
	leafMargin = time.Hour
	// maxLeaves bounds the cache. A leaf takes about 1 KiB.
	maxLeaves = 1024
	// maxCommonName is ub-common-name of RFC 5280, appendix A.1, in characters.
	maxCommonName = 64
)

// Issuer is what minting needs of a certificate authority; *caddypki.CA is one.
// Both methods are called for each leaf, so that renewals are followed.
type Issuer interface {
	// IntermediateCertificateChain starts with the certificate that signs.
	IntermediateCertificateChain() []*x509.Certificate
	// IntermediateKey is the key of the first certificate of the chain.
	IntermediateKey() crypto.Signer
}

// Minter makes leaf certificates, one name each, all with the same key, and
// remembers the last 1024 of them. It is safe for concurrent use.
type Minter struct {
	ca     Issuer
	key    *ecdsa.PrivateKey
	onMint func()
	now    func() time.Time
	flight singleflight.Group

	mu     sync.Mutex
	leaves *leafCache
}

// NewMinter returns a minter that signs with ca. onMint, if not nil, is called
// for each leaf that was made.
func NewMinter(ca Issuer, onMint func()) *Minter {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // crypto/rand does not fail; it ends the process instead
	}
	if onMint == nil {
		onMint = func() {}
	}
	return &Minter{ca: ca, key: key, onMint: onMint, now: time.Now, leaves: newLeafCache(maxLeaves)}
}

// Leaf returns a certificate for host, a name in its normal form or an IP
// address, with the chain that clients need. It is valid for 24 hours, but not
// longer than any certificate of the chain.
//
// It is made anew when it has an hour left, or when the issuer changed.
func (m *Minter) Leaf(host string) (*tls.Certificate, error) {
	chain := m.ca.IntermediateCertificateChain()
	if leaf := m.cached(host, chain); leaf != nil {
		return leaf, nil
	}
	v, err, _ := m.flight.Do(host, func() (any, error) {
		// Another flight may have landed since the first look.
		if leaf := m.cached(host, chain); leaf != nil {
			return leaf, nil
		}
		leaf, err := m.mint(host)
		if err != nil {
			return nil, fmt.Errorf("minting a certificate for %s: %w", host, err)
		}
		m.onMint()
		return leaf, nil
	})
	if err != nil {
		return nil, err
	}
	return v.(*tls.Certificate), nil
}

// cached returns the remembered leaf if it can still be used with chain.
func (m *Minter) cached(host string, chain []*x509.Certificate) *tls.Certificate {
	m.mu.Lock()
	l, ok := m.leaves.get(host)
	m.mu.Unlock()
	if !ok || len(chain) == 0 || !m.now().Before(l.renew) {
		return nil
	}
	// The certificates are compared rather than their key identifiers: an
	// operator's own issuer may be renewed with the same key, or have none.
	if l.issuer != chain[0] && !bytes.Equal(l.issuer.Raw, chain[0].Raw) {
		return nil
	}
	return l.cert
}

func (m *Minter) mint(host string) (*tls.Certificate, error) {
	chain, signer, err := m.issuer()
	if err != nil {
		return nil, err
	}
	now := m.now()
	from, to := now.Add(-leafBackdate), now.Add(leafLifetime)
	for _, c := range chain {
		if c.NotBefore.After(from) {
			from = c.NotBefore
		}
		if c.NotAfter.Before(to) {
			to = c.NotAfter
		}
	}
	if !to.After(now) {
		return nil, fmt.Errorf("the issuing certificate %q expired at %s; is Caddy's pki app there to renew it?",
			chain[0].Subject.CommonName, to.UTC().Format(time.RFC3339))
	}
	template, err := leafTemplate(host, from, to)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, chain[0], m.key.Public(), signer)
	if err != nil {
		return nil, err
	}
	cert := &tls.Certificate{PrivateKey: m.key, Certificate: [][]byte{der}}
	for _, c := range chain {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	// A short-lived issuer allows no margin of an hour; a quarter of what is
	// left then keeps us from minting for every handshake.
	margin := min(leafMargin, to.Sub(now)/4)
	m.mu.Lock()
	m.leaves.put(&leaf{host: host, cert: cert, issuer: chain[0], renew: to.Add(-margin)})
	m.mu.Unlock()
	return cert, nil
}

// issuer returns a chain and the key that belongs to it. The two come from two
// calls, and a renewal may fall between them.
func (m *Minter) issuer() ([]*x509.Certificate, crypto.Signer, error) {
	for range 3 {
		chain, signer := m.ca.IntermediateCertificateChain(), m.ca.IntermediateKey()
		if len(chain) == 0 || signer == nil {
			return nil, nil, errors.New("the certificate authority has no intermediate certificate")
		}
		pub, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
		if ok && pub.Equal(chain[0].PublicKey) {
			return chain, signer, nil
		}
	}
	return nil, nil, errors.New("the key of the certificate authority does not belong to its intermediate certificate")
}

// leafTemplate is a server certificate for one name (RFC 5280, RFC 6125). The
// authority key identifier is filled in from the issuer.
func leafTemplate(host string, from, to time.Time) (*x509.Certificate, error) {
	serial := make([]byte, 16)
	if _, err := rand.Read(serial); err != nil {
		return nil, err
	}
	serial[0] |= 0x40 // never zero, and always 127 bits long
	serial[0] &= 0x7f // positive without a further byte
	t := &x509.Certificate{
		SerialNumber:          new(big.Int).SetBytes(serial),
		NotBefore:             from,
		NotAfter:              to,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if ip := net.ParseIP(host); ip != nil {
		t.IPAddresses = []net.IP{ip}
	} else {
		t.DNSNames = []string{host}
	}
	// A longer name stands in the SAN alone, which is then critical (RFC 5280
	// §4.2.1.6).
	if len(host) <= maxCommonName {
		t.Subject = pkix.Name{CommonName: host}
	}
	return t, nil
}
