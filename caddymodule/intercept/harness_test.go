package intercept_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/standard"
	"github.com/caddyserver/caddy/v2/modules/caddypki"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"
	_ "github.com/caddyserver/caddy/v2/modules/logging"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/attache-proxy/attache/caddymodule/intercept"
)

func init() { caddy.RegisterModule(testHandler{}) }

// proxy is a Caddy that serves testHandler.
type proxy struct {
	t        *testing.T
	plain    string // address of the listener without TLS
	tls      string // and of the one with TLS
	unix     string // path of a socket, which outlives reloads
	roots    *x509.CertPool
	storage  string
	logFile  string // of Caddy: access log and errors
	logs     *observer.ObservedLogs
	handlers sync.Map // *testHandler → struct{}: all that were provisioned

	tunnels atomic.Int64
	minted  atomic.Int64
	leave   chan struct{} // closed: slow handlers go on
	tweak   func(*intercept.Config)
	server  map[string]any           // further keys of the Caddy servers
	dial    func() (net.Conn, error) // upstream of spliced tunnels
	spliced func(spliceResult)
}

type spliceResult struct {
	in, out int64
	err     error
}

// current is the proxy of the running test: Caddy is one per process.
var current atomic.Pointer[proxy]

type option func(*proxy)

// withConfig changes the interceptors' configuration.
func withConfig(f func(*intercept.Config)) option { return func(p *proxy) { p.tweak = f } }

// withServer sets a key of the Caddy servers' JSON.
func withServer(key string, value any) option { return func(p *proxy) { p.server[key] = value } }

// withUpstream makes the proxy splice the tunnels to spliced.example.
func withUpstream(dial func() (net.Conn, error)) option { return func(p *proxy) { p.dial = dial } }

func startProxy(t *testing.T, options ...option) *proxy {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	p := &proxy{t: t, logs: logs, leave: make(chan struct{}), server: map[string]any{}, unix: filepath.Join(t.TempDir(), "proxy.sock")}
	p.tweak = func(*intercept.Config) {}
	p.spliced = func(spliceResult) {}
	for _, o := range options {
		o(p)
	}
	inner := p.tweak
	p.tweak = func(c *intercept.Config) {
		c.Logger = zap.New(core)
		c.OnTunnel = func(d int) { p.tunnels.Add(int64(d)) }
		c.OnMint = func() { p.minted.Add(1) }
		inner(c)
	}
	current.Store(p)
	p.storage = t.TempDir()
	p.logFile = filepath.Join(p.storage, "caddy.log")
	p.load(0)
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping Caddy: %v", err)
		}
		waitFor(t, "all tunnels to be closed", func() bool { return p.tunnels.Load() == 0 })
	})
	return p
}

// load gives Caddy a configuration; version makes it another one.
func (p *proxy) load(version int) {
	p.t.Helper()
	if err := caddy.Load(configuration(p.storage, p.unix, p.logFile, version, p.server), true); err != nil {
		p.t.Fatalf("starting Caddy: %v", err)
	}
	p.plain, p.tls = addresses()
	p.roots = x509.NewCertPool()
	p.roots.AppendCertsFromPEM(rootPEM())
	// The certificate of the listener itself is obtained in the background.
	waitFor(p.t, "the TLS listener", p.servesTLS)
}

func (p *proxy) servesTLS() bool {
	c, err := tls.Dial("tcp", p.tls, &tls.Config{ServerName: "localhost", RootCAs: p.roots})
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

// addresses are those of the running Caddy.
func addresses() (plain, tls string) {
	app, err := caddy.ActiveContext().App("http")
	if err != nil {
		panic(err)
	}
	servers := app.(*caddyhttp.App).Servers
	return servers["plain"].Listeners()[0].Addr().String(), servers["tls"].Listeners()[0].Addr().String()
}

// rootPEM is the root certificate of its CA.
func rootPEM() []byte {
	pki, err := caddy.ActiveContext().App("pki")
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pki.(*caddypki.PKI).CAs["attache"].RootCertificate().Raw})
}

func configuration(storage, unix, log string, version int, extra map[string]any) []byte {
	type object = map[string]any
	type list = []any
	server := func(listen string, more object) object {
		s := object{
			"listen": list{listen}, "automatic_https": object{"disable": true}, "logs": object{},
			"routes":    list{object{"handle": list{object{"handler": "intercept_test", "version": version}}}},
			"protocols": list{"h1", "h2"},
		}
		for k, v := range extra {
			s[k] = v
		}
		for k, v := range more {
			s[k] = v
		}
		return s
	}
	b, err := json.Marshal(object{
		"admin":   object{"disabled": true, "config": object{"persist": false}},
		"logging": object{"logs": object{"default": object{"level": "INFO", "writer": object{"output": "file", "filename": log}}}},
		"storage": object{"module": "file_system", "root": storage},
		"apps": object{
			// Caddy makes the CA "local" too, for any name that is not public, and
			// would install both into the system's trust store.
			"pki": object{"certificate_authorities": object{"attache": object{"install_trust": false}, "local": object{"install_trust": false}}},
			"tls": object{
				"certificates": object{"automate": list{"localhost"}},
				"automation":   object{"policies": list{object{"subjects": list{"localhost"}, "issuers": list{object{"module": "internal", "ca": "attache"}}}}},
			},
			"http": object{"grace_period": "20s", "servers": object{
				"plain": server("127.0.0.1:0", nil),
				"unix":  server("unix/"+unix, nil),
				"tls":   server("localhost:0", object{"tls_connection_policies": list{object{}}}),
			}},
		},
	})
	if err != nil {
		panic(err)
	}
	return b
}

// testHandler is what the proxy's handler does with this package, and a service.
type testHandler struct {
	Version int `json:"version"`

	i *intercept.Interceptor
	p *proxy
}

func (testHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.intercept_test", New: func() caddy.Module { return new(testHandler) }}
}

func (h *testHandler) Provision(ctx caddy.Context) error {
	pki, err := ctx.App("pki")
	if err != nil {
		return err
	}
	ca, err := pki.(*caddypki.PKI).GetCA(ctx, "attache")
	if err != nil {
		return err
	}
	server := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	h.p = current.Load()
	cfg := intercept.Config{Handler: server, CA: ca}
	h.p.tweak(&cfg)
	h.i = intercept.New(cfg)
	server.RegisterConnContext(intercept.ConnContext)
	server.RegisterOnShutdown(h.i.Shutdown)
	server.RegisterOnStop(h.i.Wait)
	h.p.handlers.Store(h, struct{}{})
	return nil
}

func (h *testHandler) Cleanup() error {
	h.i.Close()
	return nil
}

func (h *testHandler) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if !intercept.IsConnect(r) {
		h.service(w, r)
		return nil
	}
	host, port, err := intercept.ParseTarget(r)
	if err != nil {
		return caddyhttp.Error(http.StatusBadRequest, err)
	}
	if host == "spliced.example" {
		upstream, err := h.p.dial()
		if err != nil {
			return caddyhttp.Error(http.StatusBadGateway, err)
		}
		in, out, err := h.i.Splice(w, r, upstream)
		h.p.spliced(spliceResult{in, out, err})
		return nil
	}
	if err := h.i.Intercept(w, r, &intercept.Tunnel{Host: host, Port: port, Agent: "tester"}); err != nil {
		return caddyhttp.Error(http.StatusBadGateway, err)
	}
	return nil
}

// kept is how many tunnels all interceptors remember.
func (p *proxy) kept() (n int) {
	p.handlers.Range(func(h, _ any) bool {
		n += intercept.Kept(h.(*testHandler).i)
		return true
	})
	return n
}

// waitFor waits up to ten seconds for something to become true.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// accessLog are the entries for requests with a method.
func (p *proxy) accessLog(method string) (entries []accessEntry) {
	p.t.Helper()
	b, err := os.ReadFile(p.logFile)
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		var e accessEntry
		if err := json.Unmarshal(line, &e); err != nil {
			p.t.Fatalf("%s: %v", line, err)
		}
		if e.Level == "error" && !strings.Contains(e.Msg, "on purpose") {
			p.t.Errorf("Caddy logged %s", line)
		}
		if e.Msg == "handled request" && e.Request.Method == method {
			entries = append(entries, e)
		}
	}
	return entries
}

type accessEntry struct {
	Level, Msg   string
	Status, Size int
	BytesRead    int `json:"bytes_read"`
	Duration     float64
	Request      struct{ Method, Host, Proto string }
}

// warnings are the messages that an operator saw.
func (p *proxy) warnings() (all []string) {
	for _, e := range p.logs.All() {
		if e.Level >= zapcore.WarnLevel {
			all = append(all, fmt.Sprint(e.Message, " ", e.ContextMap()))
		}
	}
	return all
}

var (
	_ caddy.Provisioner           = (*testHandler)(nil)
	_ caddy.CleanerUpper          = (*testHandler)(nil)
	_ caddyhttp.MiddlewareHandler = (*testHandler)(nil)
)
