package config_test

import (
	"crypto/tls"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/attache-proxy/attache/caddymodule/config"
)

// A private CA is read at once, so that a mistake is told at start, and trusted when
// the service is called, always with the same configuration.
func TestRouteTrustsACA(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "no.pem")
	if err := os.WriteFile(good, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bad, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{bad, filepath.Join(dir, "missing.pem")} {
		if _, err := (&config.Connector{TLSTrustedCA: file}).Route(); err == nil {
			t.Errorf("%s: no error", file)
		}
	}
	if r, err := (&config.Connector{}).Route(); err != nil || r.TLS != nil {
		t.Errorf("without a CA: %v, TLS %v", err, r.TLS != nil)
	}
	r, err := (&config.Connector{TLSTrustedCA: good}).Route()
	if err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(good) // it was read
	if first, again := r.TLS(), r.TLS(); first != again {
		t.Error("each call makes another configuration")
	}
	c, err := tls.Dial("tcp", s.Listener.Addr().String(), r.TLS())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}
