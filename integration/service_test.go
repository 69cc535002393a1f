package integration_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// service is an HTTP server behind the proxy. It keeps what reached it.
type service struct {
	URL string // http(s)://127.0.0.1:port

	mu      sync.Mutex
	seen    []*seen
	running int // handlers that have not returned
}

// seen is a request as the service got it.
type seen struct {
	Method, Host, URI, Proto string
	Header                   http.Header
	Remote                   string // the proxy's end of the connection
	Body                     string // its first 64 KiB, as far as the handler read it
}

func (s seen) String() string {
	return fmt.Sprintf("%s %s Host: %s %v", s.Method, s.URI, s.Host, s.Header)
}

// newService starts an HTTPS server (HTTP/1.1 and HTTP/2) with a certificate of ca
// for the names and for 127.0.0.1.
func newService(t testing.TB, ca *authority, h http.Handler, names ...string) *service {
	t.Helper()
	return serveOn(t, listen(t), h, ca, append(names, "127.0.0.1")...)
}

// newPlainService starts an HTTP server without TLS.
func newPlainService(t testing.TB, h http.Handler) *service {
	t.Helper()
	return serveOn(t, listen(t), h, nil)
}

// serveOn serves h on a listener until the test ends, with TLS if there is a CA.
func serveOn(t testing.TB, l net.Listener, h http.Handler, ca *authority, names ...string) *service {
	t.Helper()
	if ca != nil {
		return serveCertificate(t, l, h, ca.leaf(t, time.Time{}, names...))
	}
	s, server := &service{URL: "http://" + l.Addr().String()}, &http.Server{Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	s.serve(t, server, h)
	go server.Serve(l)
	return s
}

// serveCertificate is serveOn with any certificate.
func serveCertificate(t testing.TB, l net.Listener, h http.Handler, certificate tls.Certificate) *service {
	t.Helper()
	s := &service{URL: "https://" + l.Addr().String()}
	server := &http.Server{TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}}
	s.serve(t, server, h)
	go server.ServeTLS(l, "", "")
	return s
}

func (s *service) serve(t testing.TB, server *http.Server, h http.Handler) {
	server.Handler, server.ErrorLog = s.record(h), log.New(io.Discard, "", 0)
	t.Cleanup(func() { server.Close() })
}

// record keeps each request when its handler starts, and its body as it is read.
func (s *service) record(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		this := &seen{Method: r.Method, Host: r.Host, URI: r.RequestURI, Proto: r.Proto,
			Header: r.Header.Clone(), Remote: r.RemoteAddr}
		s.seen = append(s.seen, this)
		s.running++
		s.mu.Unlock()
		defer func() {
			s.mu.Lock()
			s.running--
			s.mu.Unlock()
		}()
		// A copy: net/http treats an unread body by its type when the handler returns.
		r = r.WithContext(r.Context())
		r.Body = &recordedBody{ReadCloser: r.Body, s: s, of: this}
		h.ServeHTTP(w, r)
	})
}

type recordedBody struct {
	io.ReadCloser
	s  *service
	of *seen
}

func (b *recordedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.s.mu.Lock()
	if len(b.of.Body) < 64<<10 {
		b.of.Body += string(p[:n])
	}
	b.s.mu.Unlock()
	return n, err
}

// Requests are those that reached the service so far.
func (s *service) Requests() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]seen, len(s.seen))
	for i, r := range s.seen {
		all[i] = *r
	}
	return all
}

// open is how many requests the service is working on.
func (s *service) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

// last is the newest request. It fails the test if there is none.
func (s *service) last(t testing.TB) seen {
	t.Helper()
	all := s.Requests()
	if len(all) == 0 {
		t.Fatal("no request reached the service")
	}
	return all[len(all)-1]
}

// forget drops what was seen.
func (s *service) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = nil
}

// credential says whether a request carries what the service asks for.
type credential func(*http.Request) bool

func bearer(token string) credential { return header("Authorization", "Bearer "+token) }

func header(name, value string) credential {
	return func(r *http.Request) bool { return r.Header.Get(name) == value && len(r.Header.Values(name)) == 1 }
}

func basic(user, password string) credential {
	return func(r *http.Request) bool {
		u, p, ok := r.BasicAuth()
		return ok && u == user && p == password
	}
}

// requires answers 401 to whoever lacks the credential.
func requires(ok credential, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ok(r) {
			h.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="service"`)
		answer(w, http.StatusUnauthorized, map[string]any{"authenticated": false})
	})
}

// whoami is the smallest service: it says that the credential was right.
func whoami(ok credential) http.Handler {
	return requires(ok, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		answer(w, http.StatusOK, map[string]any{"authenticated": true})
	}))
}

// redirect answers everything with a redirect.
func redirect(to string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
}

// authenticated is what whoami answers to the right credential.
const authenticated = `{"authenticated":true}`

func answer(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(b)
}

// decode reads a JSON object from a request.
func decode(r *http.Request) map[string]any {
	var v map[string]any
	b, _ := io.ReadAll(r.Body)
	json.NewDecoder(bytes.NewReader(b)).Decode(&v)
	return v
}

// connector is a Caddyfile block for a service of the test with one secret,
// which the proxy reads from the environment variable env.
func connector(key, hosts string, s *service, sign, env string) string {
	return fmt.Sprintf("connector %s {\n\thosts %s\n\tupstream %s\n\tfield key {env.%s}\n\tsign %s\n}\n", key, hosts, s.URL, env, sign)
}

// agentLocal is the listener's one agent, with write access to the connectors.
func agentLocal(connectors ...string) string {
	b := strings.Builder{}
	b.WriteString("agent local {\n")
	for _, c := range connectors {
		fmt.Fprintf(&b, "\tgrant %s read write\n", c)
	}
	b.WriteString("}\n")
	return b.String()
}

// listen opens a TCP port on loopback for servers that are not net/http.
func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
