package caddymodule

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"github.com/caddyserver/caddy/v2/modules/caddypki"

	"github.com/attache-proxy/attache/caddymodule/config"
)

// provisionCA finds or makes the authority in Caddy's pki app, which renews its
// intermediates.
//
// An authority whose install_trust nobody set would be installed into the
// system's trust store at start, without having been asked for; whoever wants
// that says so with the pki option.
func (a *App) provisionCA() error {
	if a.CA == "" {
		a.CA = config.DefaultCA
	}
	v, err := a.ctx.App("pki")
	if err != nil {
		return fmt.Errorf("loading the pki app: %w", err)
	}
	pki := v.(*caddypki.PKI)
	// Caddy's tls app makes the CA "local" when a site wants it; then it is
	// too late to say that nobody asked for its installation.
	if _, err := pki.GetCA(a.ctx, caddypki.DefaultCAID); err != nil {
		return err
	}
	never := false
	for _, ca := range pki.CAs {
		if ca.InstallTrust == nil {
			ca.InstallTrust = &never
		}
	}
	if ca, ok := pki.CAs[a.CA]; ok {
		a.ca = ca
		return nil
	}
	ca := &caddypki.CA{
		Name:                   "Attaché",
		RootCommonName:         "Attaché Root CA {time.now.year}",
		IntermediateCommonName: "Attaché Intermediate CA",
		InstallTrust:           &never,
	}
	if err := ca.Provision(a.ctx, a.CA, a.logger); err != nil {
		return fmt.Errorf("certificate authority %s: %w", a.CA, err)
	}
	pki.CAs[a.CA] = ca
	a.ca = ca
	return nil
}

// rootPEM is the root certificate that clients must trust.
func (a *App) rootPEM() []byte { return certificatePEM(a.ca.RootCertificate()) }

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}
