package client

import (
	"crypto/x509"
	"fmt"

	"software.sslmate.com/src/go-pkcs12"
)

// TrustStorePassword opens the trust store. It is no secret: what lies in it is
// public, but Java reads no encrypted entries without one.
const TrustStorePassword = pkcs12.DefaultPassword

// trustStore makes a PKCS#12 trust store (RFC 7292, with Java's attribute for
// trusted certificates), which Java 12 and later read, and 8u301 and 11.0.12. Certificates that Go
// cannot read are left out.
func trustStore(ders [][]byte) ([]byte, error) {
	var entries []pkcs12.TrustStoreEntry
	for i, der := range ders {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			continue
		}
		entries = append(entries, pkcs12.TrustStoreEntry{Cert: cert, FriendlyName: fmt.Sprintf("%03d", i)})
	}
	out, err := pkcs12.Modern2023.EncodeTrustStoreEntries(entries, TrustStorePassword)
	if err != nil {
		return nil, fmt.Errorf("making the trust store: %w", err)
	}
	return out, nil
}

// holds reports whether a trust store has exactly these certificates.
func holds(store []byte, ders [][]byte) bool {
	certs, err := pkcs12.DecodeTrustStore(store, TrustStorePassword)
	if err != nil {
		return false
	}
	for _, der := range ders {
		if _, err := x509.ParseCertificate(der); err != nil {
			continue
		}
		if len(certs) == 0 || string(certs[0].Raw) != string(der) {
			return false
		}
		certs = certs[1:]
	}
	return len(certs) == 0
}
