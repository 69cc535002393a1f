package doctor_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/caddymodule/doctor"
	"github.com/attache-proxy/attache/providers/secret"
)

const token = "token-of-an-agent-0123456789"

// fake is a proxy that can be unwell.
type fake struct {
	about   client.About
	ca      *authority
	signer  *authority // of intercepted connections; ca when nil
	date    time.Time  // of its clock; now when zero
	results map[string]client.TestResult
	calls   int
	second  []byte // another root, for every other connection
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "fake root"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func (a *authority) leaf(name string) (tls.Certificate, error) {
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &a.key.PublicKey, a.key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}, err
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !f.date.IsZero() {
		w.Header().Set("Date", f.date.UTC().Format(http.TimeFormat))
	}
	switch {
	case r.Method == http.MethodConnect:
		f.connect(w, r)
	case r.URL.Path == "/.well-known/attache/ca.pem":
		f.calls++
		if f.second != nil && f.calls%2 == 0 {
			_, _ = w.Write(f.second)
			return
		}
		_, _ = w.Write(f.ca.pem)
	case r.URL.Path == client.ProofPath:
		digest := sha256.Sum256([]byte(token))
		address := r.Context().Value(http.LocalAddrContextKey).(net.Addr).String()
		_ = json.NewEncoder(w).Encode(client.NewProof(r.URL.Query().Get("nonce"), address, []byte(f.about.CAPEM), digest[:]))
	case r.URL.Path == "/.well-known/attache":
		_ = json.NewEncoder(w).Encode(f.about)
	default:
		_ = json.NewEncoder(w).Encode(f.results[strings.TrimPrefix(r.URL.Path, "/.well-known/attache/test/")])
	}
}

func (f *fake) connect(w http.ResponseWriter, r *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	signer := f.signer
	if signer == nil {
		signer = f.ca
	}
	host, _, _ := strings.Cut(r.Host, ":")
	leaf, _ := signer.leaf(host)
	inner := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{leaf}})
	if inner.Handshake() == nil {
		_, _ = bufio.NewReader(inner).ReadByte()
	}
}

// healthy is a patient who lacks nothing.
func healthy(t *testing.T) (*fake, doctor.Patient) {
	t.Helper()
	ca := newAuthority(t)
	f := &fake{ca: ca, results: map[string]client.TestResult{"openai:default": {OK: true, Status: 200, Expected: 200}}}
	f.about = client.About{Agent: "local", Unmatched: "tunnel", CAPEM: string(ca.pem), Connectors: []client.Connector{
		{Key: "openai", Accounts: []string{"default"}, Hosts: []string{"api.openai.com"}, Test: true, Env: map[string]string{"OPENAI_API_KEY": "attache"}},
	}}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := client.New(u, secret.New(token), nil)
	return f, doctor.Patient{Client: c, About: c.About, Environ: []string{"HOME=/nowhere"}, AdminPort: freePort(t),
		Addresses: func() ([]net.Addr, error) { return nil, nil }}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func TestExamine(t *testing.T) {
	tests := []struct {
		name  string
		ill   func(t *testing.T, f *fake, p *doctor.Patient)
		check string
		state doctor.State
		says  string
		fix   string
	}{
		{"no proxy", func(t *testing.T, _ *fake, p *doctor.Patient) {
			p.Client.URL = &url.URL{Scheme: "http", Host: "127.0.0.1:" + freePort(t)}
			p.Config = &doctor.Config{File: "Caddyfile", Listeners: []string{"http://127.0.0.1:9999"}, AdminOff: true}
		}, "proxy", doctor.Failed, "no proxy answers", "Caddyfile says that it listens on http://127.0.0.1:9999"},
		{"nothing granted", func(_ *testing.T, f *fake, _ *doctor.Patient) { f.about.Connectors = nil }, "credentials", doctor.Failed, "granted no connector", "grant"},
		{"a credential that is refused", func(_ *testing.T, f *fake, _ *doctor.Patient) {
			f.results["openai:default"] = client.TestResult{Status: 401, Expected: 200}
		}, "credential openai", doctor.Failed, "401, not 200", "new one"},
		{"a service that is down", func(_ *testing.T, f *fake, _ *doctor.Patient) {
			f.results["openai:default"] = client.TestResult{Status: 503, Expected: 200}
		}, "credential openai", doctor.Failed, "503, not 200", "up?"},
		{"an account that expired", func(_ *testing.T, f *fake, _ *doctor.Patient) {
			f.results["openai:default"] = client.TestResult{Error: "account_expired: sign in again"}
		}, "credential openai", doctor.Failed, "account_expired", "account"},
		{"no test", func(_ *testing.T, f *fake, _ *doctor.Patient) { f.about.Connectors[0].Test = false }, "credential openai", doctor.Skipped, "no test request", ""},
		{"another root", func(t *testing.T, f *fake, _ *doctor.Patient) { f.signer = newAuthority(t) }, "trust", doctor.Failed, "not from the proxy's root", "attache ca"},
		{"a clock", func(_ *testing.T, f *fake, _ *doctor.Patient) { f.date = time.Now().Add(10 * time.Minute) }, "clock", doctor.Failed, "differ by ", "NTP"},
		{"two proxies at one port", func(t *testing.T, f *fake, _ *doctor.Patient) { f.second = newAuthority(t).pem }, "listener", doctor.Failed, "2 proxies share the port", "Stop all proxies but one"},
		{"another proxy than the configuration's", func(_ *testing.T, _ *fake, p *doctor.Patient) {
			p.Config = &doctor.Config{File: "Caddyfile", Listeners: []string{"http://127.0.0.1:1"}, AdminOff: true}
		}, "listener", doctor.Warning, "Caddyfile says", "--proxy http://127.0.0.1:1"},
		{"a real key", func(_ *testing.T, _ *fake, p *doctor.Patient) {
			p.Environ = append(p.Environ, "OPENAI_API_KEY=sk-real-key")
		}, "leak", doctor.Warning, "OPENAI_API_KEY", "Unset"},
		{"a real key inside exec", func(_ *testing.T, _ *fake, p *doctor.Patient) {
			p.Environ = append(p.Environ, "OPENAI_API_KEY=sk-real-key", "HTTPS_PROXY="+p.Client.URL.String())
		}, "leak", doctor.Failed, "OPENAI_API_KEY", "Unset"},
		{"past the proxy", func(_ *testing.T, _ *fake, p *doctor.Patient) {
			p.Environ = append(p.Environ, "NO_PROXY=openai.com", "HTTPS_PROXY="+p.Client.URL.String())
		}, "environment", doctor.Failed, "api.openai.com past the proxy", "openai.com"},
		{"another proxy", func(_ *testing.T, _ *fake, p *doctor.Patient) {
			p.Environ = append(p.Environ, "HTTPS_PROXY=http://corp:3128")
		}, "environment", doctor.Warning, "HTTPS_PROXY leads to http://corp:3128", "attache exec"},
		{"half through the proxy", func(_ *testing.T, _ *fake, p *doctor.Patient) {
			p.Environ = append(p.Environ, "https_proxy=http://corp:3128", "HTTPS_PROXY="+p.Client.URL.String())
		}, "environment", doctor.Failed, "https_proxy leads to http://corp:3128", "attache exec"},
		{"an old bundle", func(t *testing.T, _ *fake, p *doctor.Patient) {
			old := filepath.Join(t.TempDir(), "old.pem")
			if err := os.WriteFile(old, newAuthority(t).pem, 0o600); err != nil {
				t.Fatal(err)
			}
			p.Environ = append(p.Environ, "CURL_CA_BUNDLE="+old, "HTTPS_PROXY="+p.Client.URL.String())
		}, "environment", doctor.Failed, "CURL_CA_BUNDLE", "anew"},
		{"a loop", func(_ *testing.T, _ *fake, p *doctor.Patient) {
			p.Config = &doctor.Config{File: "Caddyfile", Listeners: []string{p.Client.URL.String()}, AdminOff: true,
				Upstreams: map[string]string{"openai": "http://localhost:" + p.Client.URL.Port()}}
		}, "loop", doctor.Failed, "openai", "upstream"},
		{"the admin API on TCP, as configured", func(_ *testing.T, _ *fake, p *doctor.Patient) {
			p.Config = &doctor.Config{File: "Caddyfile", Listeners: []string{p.Client.URL.String()}, Admin: "127.0.0.1:" + p.AdminPort}
		}, "admin", doctor.Failed, "TCP", "admin off"},
		{"an admin API that answers", func(t *testing.T, _ *fake, p *doctor.Patient) { p.AdminPort = adminAPI(t) }, "admin", doctor.Failed, "answers at 127.0.0.1", "admin off"},
		{"another Caddy's admin API", func(t *testing.T, _ *fake, p *doctor.Patient) {
			p.AdminPort = adminAPI(t)
			p.Config = &doctor.Config{File: "Caddyfile", Listeners: []string{p.Client.URL.String()}, AdminOff: true}
		}, "admin", doctor.Warning, "another Caddy", "Turn it off"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, p := healthy(t)
			tt.ill(t, f, &p)
			checks := doctor.Examine(t.Context(), p)
			for _, c := range checks {
				if strings.Contains(c.Detail+c.Fix, token) || strings.Contains(c.Detail+c.Fix, "sk-real-key") {
					t.Errorf("a secret is in %+v", c)
				}
			}
			for _, c := range checks {
				if c.Name == tt.check && c.State == tt.state && strings.Contains(c.Detail, tt.says) && strings.Contains(c.Fix, tt.fix) {
					return
				}
			}
			t.Errorf("Examine = %+v, want %s %s with %q and the fix %q", checks, tt.check, tt.state, tt.says, tt.fix)
		})
	}
}

func TestExamineHealthy(t *testing.T) {
	_, p := healthy(t)
	seen := map[string]doctor.State{}
	for _, c := range doctor.Examine(t.Context(), p) {
		seen[c.Name] = c.State
		if c.State != doctor.OK || c.Fix != "" {
			t.Errorf("%+v, want ok", c)
		}
	}
	for _, name := range []string{"proxy", "listener", "trust", "clock", "credential openai", "environment", "leak", "admin"} {
		if _, ok := seen[name]; !ok {
			t.Errorf("%s was not looked at", name)
		}
	}
}

// TestExamineOpenListener reaches the proxy at an address of the network.
func TestExamineOpenListener(t *testing.T) {
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	f, p := healthy(t)
	s := &http.Server{Handler: f}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	outside := ""
	for _, a := range addrs {
		if ip := a.(*net.IPNet).IP; ip.To4() != nil && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() {
			outside = ip.String()
		}
	}
	if outside == "" {
		t.Skip("this machine has no address but loopback")
	}
	p.Client.URL.Host = l.Addr().String()
	p.Client.URL.Host = "127.0.0.1:" + p.Client.URL.Port()
	p.Addresses = net.InterfaceAddrs
	find := func() doctor.Check {
		for _, c := range doctor.Examine(context.Background(), p) {
			if c.Name == "listener" {
				return c
			}
		}
		return doctor.Check{}
	}
	if c := find(); c.State != doctor.Failed || !strings.Contains(c.Detail, outside) || !strings.Contains(c.Fix, "bind 127.0.0.1") {
		t.Errorf("a listener on every interface, no token = %+v, want it to fail with the address and the fix", c)
	}
	f.about.AuthRequired = true
	if c := find(); c.State != doctor.OK || !strings.Contains(c.Detail, "need a token") {
		t.Errorf("a listener on every interface, with tokens = %+v, want ok", c)
	}
}

// adminAPI answers as Caddy's does.
func adminAPI(t *testing.T) (port string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"/config/ 1"`)
		_, _ = w.Write([]byte(`{"apps":{}}`))
	}))
	t.Cleanup(s.Close)
	_, port, _ = net.SplitHostPort(strings.TrimPrefix(s.URL, "http://"))
	return port
}
