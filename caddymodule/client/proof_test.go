package client_test

import (
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/providers/secret"
)

func certificate(text string) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte(text)})
}

// proven answers as a proxy that knows a token.
func proven(w http.ResponseWriter, r *http.Request, known string, ca []byte) {
	digest := sha256.Sum256([]byte(known))
	address := r.Context().Value(http.LocalAddrContextKey).(net.Addr).String()
	_ = json.NewEncoder(w).Encode(client.NewProof(r.URL.Query().Get("nonce"), address, ca, digest[:]))
}

// The token goes to nobody who does not know it, whatever he answers.
func TestTokenIsNotSentToStrangers(t *testing.T) {
	ours := certificate("ours")
	var real *httptest.Server
	hello := func(w http.ResponseWriter, ca []byte) {
		_ = json.NewEncoder(w).Encode(client.About{Agent: "local", CAPEM: string(ca)})
	}
	for name, h := range map[string]http.HandlerFunc{
		"answers anything": func(w http.ResponseWriter, _ *http.Request) { hello(w, ours) },
		"has no proof":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) },
		"refuses": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Attache-Error", "unknown_agent")
			w.WriteHeader(401)
		},
		"redirects": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, real.URL+r.RequestURI, http.StatusTemporaryRedirect)
		},
		"knows another one":  func(w http.ResponseWriter, r *http.Request) { proven(w, r, "another-token-0123456789", ours) },
		"knows the prefix":   func(w http.ResponseWriter, r *http.Request) { proven(w, r, r.URL.Query().Get("token"), ours) },
		"answers an old one": func(w http.ResponseWriter, r *http.Request) { r.URL.RawQuery = "nonce=0"; proven(w, r, token, ours) },
		"no address": func(w http.ResponseWriter, r *http.Request) {
			digest := sha256.Sum256([]byte(token))
			_ = json.NewEncoder(w).Encode(client.NewProof(r.URL.Query().Get("nonce"), "", ours, digest[:]))
		},
		"passes the proof on": func(w http.ResponseWriter, r *http.Request) {
			res, err := http.Get(real.URL + r.RequestURI)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			_, _ = io.Copy(w, res.Body)
		},
	} {
		t.Run(name, func(t *testing.T) {
			real = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { proven(w, r, token, ours) }))
			defer real.Close()
			var sent atomic.Bool
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				whole := r.RequestURI
				for name, values := range r.Header {
					whole += name + strings.Join(values, "")
				}
				if strings.Contains(whole, token) {
					sent.Store(true)
				}
				h(w, r)
			}))
			defer s.Close()
			c := client.New(parseURL(t, s.URL), secret.New(token), nil)
			if about, err := c.About(t.Context()); err == nil || sent.Load() {
				t.Errorf("About = %+v, %v; the token was sent: %t", about, err, sent.Load())
			}
			if _, err := c.Test(t.Context(), "openai", ""); err == nil || sent.Load() {
				t.Errorf("Test = %v; the token was sent: %t", err, sent.Load())
			}
		})
	}
}

// Plain HTTP leads to this machine, or to a proxy whose certificate is pinned.
func TestRemoteAddresses(t *testing.T) {
	code := func(err error) string {
		if e, ok := errors.AsType[*client.Error](err); ok {
			return e.Code
		}
		return "none"
	}
	// 192.0.2.0/24 is for documentation: nobody answers there, which tells a
	// refusal before dialling from one after.
	if _, err := client.New(parseURL(t, "http://192.0.2.1:8080"), secret.New(token), nil).About(t.Context()); code(err) != "plain_http" {
		t.Errorf("About at a remote address = %v, want plain_http", err)
	}
	ours, other := certificate("ours"), certificate("other")
	remote := remoteServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == client.ProofPath {
			proven(w, r, token, ours)
			return
		}
		_ = json.NewEncoder(w).Encode(client.About{Agent: "local", CAPEM: string(ours)})
	})
	for _, tt := range []struct {
		name  string
		token string
		roots []byte
		want  string
	}{
		{"no token, no pin", "", nil, "plain_http"},
		{"token, no pin", token, nil, "plain_http"},
		{"the right pin", token, ours, "none"},
		{"the right pin, no token", "", ours, "none"},
		{"another pin", token, other, "ca_changed"},
	} {
		_, err := client.New(remote, secret.New(tt.token), tt.roots).About(t.Context())
		if code(err) != tt.want {
			t.Errorf("%s: About = %v, want %s", tt.name, err, tt.want)
		}
	}
}

// remoteServer listens at an address of this machine that is not loopback.
func remoteServer(t *testing.T, h http.HandlerFunc) *url.URL {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.IsLoopback() || n.IP.IsLinkLocalUnicast() {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(n.IP.String(), "0"))
		if err != nil {
			continue
		}
		s := &http.Server{Handler: h}
		go func() { _ = s.Serve(l) }()
		t.Cleanup(func() { _ = s.Close() })
		return &url.URL{Scheme: "http", Host: l.Addr().String()}
	}
	t.Skip("this machine has no address but loopback")
	return nil
}

func TestOneCertificate(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == client.ProofPath {
			proven(w, r, token, certificate("ours"))
			return
		}
		_ = json.NewEncoder(w).Encode(client.About{Agent: "local", CAPEM: string(certificate("other"))})
	}))
	defer s.Close()
	if _, err := client.New(parseURL(t, s.URL), secret.New(token), nil).About(t.Context()); err == nil || !strings.Contains(err.Error(), "two certificates") {
		t.Errorf("About = %v, want that it names two certificates", err)
	}
}

func TestPin(t *testing.T) {
	dir := privateDir(t)
	first, second := parseURL(t, "http://127.0.0.1:8080"), parseURL(t, "http://127.0.0.1:8081")
	for i, tt := range []struct {
		proxy *url.URL
		ca    string
		want  string
	}{{first, "a", ""}, {first, "a", ""}, {second, "b", ""}, {first, "b", "another certificate"}, {second, "a", "another certificate"}, {first, "a", ""}} {
		err := client.Pin(dir, tt.proxy, certificate(tt.ca))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%d: Pin(%s, %s) = %v, want %q", i, tt.proxy, tt.ca, err, tt.want)
		}
		if e, ok := errors.AsType[*client.Error](err); ok && !strings.Contains(e.Next, filepath.Join(dir, "known_proxies")) {
			t.Errorf("the next step is %q, want the file's name", e.Next)
		}
	}
}

// privateDir is one whose every parent is ours or root's.
func privateDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Nobody else may be able to change the files that a command trusts.
func TestDirectoryOfOthers(t *testing.T) {
	ca := certificate("ours")
	mode := func(dir string, mode os.FileMode) string {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	base := privateDir(t)
	tests := map[string]struct {
		dir string
		ok  bool
	}{
		"our own":            {mode(filepath.Join(base, "own"), 0o755), true},
		"a new one":          {filepath.Join(base, "new", "deep"), true},
		"group-writable":     {mode(filepath.Join(base, "group"), 0o775), false},
		"world-writable":     {mode(filepath.Join(base, "world"), 0o777), false},
		"sticky":             {mode(filepath.Join(base, "sticky"), 0o777|os.ModeSticky), false},
		"inside of world":    {filepath.Join(mode(filepath.Join(base, "open"), 0o777), "ours"), false},
		"inside of a sticky": {filepath.Join(mode(filepath.Join(base, "tmp"), 0o777|os.ModeSticky), "ours"), true},
	}
	link := filepath.Join(base, "link")
	if err := os.Symlink(filepath.Join(base, "world"), link); err != nil {
		t.Fatal(err)
	}
	tests["a link to world"] = struct {
		dir string
		ok  bool
	}{link, false}
	if os.Getuid() == 0 {
		theirs := mode(filepath.Join(base, "theirs"), 0o755)
		if err := os.Chown(theirs, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		tests["somebody else's"] = struct {
			dir string
			ok  bool
		}{theirs, false}
		tests["inside of somebody else's"] = struct {
			dir string
			ok  bool
		}{filepath.Join(theirs, "ours"), false}
	}
	for name, tt := range tests {
		_, err := client.WriteFiles(tt.dir, ca, nil, &client.Roots{})
		if (err == nil) != tt.ok {
			t.Errorf("WriteFiles into %s = %v, want success: %t", name, err, tt.ok)
		}
		if err := client.Pin(tt.dir, parseURL(t, "http://127.0.0.1:1"), ca); (err == nil) != tt.ok {
			t.Errorf("Pin into %s = %v, want success: %t", name, err, tt.ok)
		}
	}
}
