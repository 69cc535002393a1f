package caddymodule

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
)

// TestOneName: a client certificate with two common names identifies nobody.
func TestOneName(t *testing.T) {
	cn := func(names ...string) (s pkix.Name) {
		for _, n := range names {
			s.Names = append(s.Names, pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: n})
			s.CommonName = n
		}
		return s
	}
	for want, s := range map[string]pkix.Name{"bot": cn("bot"), "": cn("bot", "admin")} {
		if got := oneName(s); got != want {
			t.Errorf("oneName(%v) = %q, want %q", s.Names, got, want)
		}
	}
}
