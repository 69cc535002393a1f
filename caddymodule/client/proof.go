package client

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"net/url"
	"slices"

	"github.com/attache-proxy/attache/providers/secret"
)

// An agent's token goes to nobody who has not proven to know it: whoever comes
// first may listen at a port of this machine. The client sends a nonce and the
// first digits of the token's SHA-256, which the proxy keeps; the proxy answers
// with an HMAC under the whole of it. It covers the address where the proxy
// listens, so that nobody passes on another proxy's proof as his own, and the
// certificate that it signs with.

const (
	// ProofPath is where a proxy proves itself: ?token=PREFIX&nonce=NONCE.
	ProofPath = WellKnown + "/proof"
	// ProofPrefix is how many hexadecimal digits of the token's SHA-256 are told.
	ProofPrefix = 8
	// NonceLen is that of a nonce, in hexadecimal digits.
	NonceLen = 64
)

// Proof is the answer of ProofPath.
type Proof struct {
	// Address is where the proxy took the connection, host:port.
	Address string `json:"address"`
	// CA is the SHA-256 of the root certificate (DER), in hexadecimal.
	CA string `json:"ca_sha256"`
	// Proofs are one for each token whose digest begins so. Where there is none,
	// there is one that fits no token.
	Proofs []string `json:"proofs"`
}

// NewProof is a proxy's answer: it listens at address, signs with ca (PEM), and
// knows the tokens of these digests (SHA-256).
func NewProof(nonce, address string, ca []byte, digests ...[]byte) Proof {
	p := Proof{Address: address, CA: Fingerprint(ca)}
	for _, digest := range digests {
		p.Proofs = append(p.Proofs, proof(digest, nonce, p.Address, p.CA))
	}
	return p
}

func proof(digest []byte, nonce, address, ca string) string {
	mac := hmac.New(sha256.New, digest)
	fmt.Fprintf(mac, "attache proof 1\n%s\n%s\n%s\n", nonce, address, ca)
	return hex.EncodeToString(mac.Sum(nil))
}

// Fingerprint is the SHA-256 of the first certificate of a PEM text, in
// hexadecimal; empty where there is none.
func Fingerprint(ca []byte) string {
	ders := certificates(ca)
	if len(ders) == 0 {
		return ""
	}
	sum := sha256.Sum256(ders[0])
	return hex.EncodeToString(sum[:])
}

// prove lets the proxy prove itself, before the token is sent for the first time.
func (c *Client) prove(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Token.IsZero() || c.proven {
		return nil
	}
	ca, err := c.provenBy(ctx, c.Token)
	if err == nil && ca != "" {
		c.proven, c.provenCA = true, ca
	}
	return err
}

// proves lets the proxy prove that it knows another secret than the token.
func (c *Client) proves(ctx context.Context, key secret.Value) error {
	_, err := c.provenBy(ctx, key)
	return err
}

// provenBy returns the certificate that the proxy named with its proof; none where TLS
// says who it is.
func (c *Client) provenBy(ctx context.Context, token secret.Value) (ca string, err error) {
	if c.URL.Scheme == "https" {
		return "", nil
	}
	nonce := make([]byte, NonceLen/2)
	_, _ = rand.Read(nonce) // never fails (crypto/rand)
	digest := sha256.Sum256([]byte(token.Reveal()))
	query := url.Values{"token": {hex.EncodeToString(digest[:])[:ProofPrefix]}, "nonce": {hex.EncodeToString(nonce)}}
	var p Proof
	ctx, at := dialled(ctx)
	if _, err := c.send(ctx, "GET", ProofPath+"?"+query.Encode(), secret.Value{}, &p); err != nil {
		return "", err
	}
	want := proof(digest[:], query.Get("nonce"), p.Address, p.CA)
	switch {
	case !slices.ContainsFunc(p.Proofs, func(got string) bool { return hmac.Equal([]byte(got), []byte(want)) }):
		return "", &Error{Code: "unproven", Msg: fmt.Sprintf("what answers at %s does not know this token; the token was not sent", c.URL),
			Next: "Give this agent's own token and the proxy that it is for: --proxy URL. If both are right, another program has taken the proxy's port."}
	case !sameListener(at(), p.Address):
		return "", &Error{Code: "unproven", Msg: fmt.Sprintf("what answers at %s passes on the proof of a proxy at %s; the token was not sent", c.URL, cleaned(p.Address)),
			Next: "Say where the proxy itself listens: --proxy URL."}
	}
	return p.CA, nil
}

// sameListener reports whether the proxy took the connection where we made it.
// One in a network of its own (a container whose port is published) has another
// address than this machine's, and then cannot be one that listens here as well.
func sameListener(dialled, address string) bool {
	own, err := netip.ParseAddrPort(address)
	if err != nil {
		return false
	}
	there, err := netip.ParseAddrPort(dialled)
	if err != nil {
		return false
	}
	return !own.Addr().Unmap().IsLoopback() || own.Port() == there.Port() && own.Addr().Unmap() == there.Addr().Unmap()
}
