package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// world is everything that runs.
type world struct {
	plan plan
	dir  string // for everything that is written
	bin  string // attache, which is also plain Caddy

	token, agentToken string

	upstream *upstream
	nginx    *nginx
	goProxy  *goProxy
	caddy    *plainCaddy
	attache  *attache
	quiet    *attache // the same without audit events
	std      *attache // the same with net/http to the services
	before   *attache // an earlier build; nil without one
	rows     *regexp.Regexp

	serviceCA *x509.CertPool
	service   *tls.Config // trusts the services' own authority
	tunnel    *tls.Config // trusts attache's authority
}

// agentName is who calls through the proxy.
const agentName = "bench"

func newWorld(ctx context.Context, o options) (w *world, err error) {
	w = &world{plan: o.plan(), token: random(), agentToken: random()}
	if w.dir, err = os.MkdirTemp("", "attbench"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.rows, err = regexp.Compile(o.rows); err != nil {
		return w, err
	}
	if w.bin, err = attacheBinary(ctx, o.binary, w.dir); err != nil {
		return w, err
	}
	if w.serviceCA, err = writeCerts(filepath.Join(w.dir, "service")); err != nil {
		return w, err
	}
	w.service = &tls.Config{RootCAs: w.serviceCA}
	if err = w.startUpstream(ctx); err != nil {
		return w, err
	}
	if err = w.startProxies(ctx); err != nil || o.before == "" {
		return w, err
	}
	earlier := *w
	if earlier.bin, err = filepath.Abs(o.before); err != nil {
		return w, err
	}
	w.before, err = startAttache(ctx, &earlier, "before", "")
	return w, err
}

func (w *world) startProxies(ctx context.Context) (err error) {
	if w.nginx, err = startNginx(ctx, w); err != nil {
		return err
	}
	if w.goProxy, err = startGoProxy(ctx, w); err != nil {
		return err
	}
	if w.caddy, err = startPlainCaddy(ctx, w); err != nil {
		return err
	}
	if w.attache, err = startAttache(ctx, w, "attache", ""); err != nil {
		return err
	}
	if w.quiet, err = startAttache(ctx, w, "quiet", "audit off"); err != nil {
		return err
	}
	if w.std, err = startAttache(ctx, w, "std", "transport std"); err != nil {
		return err
	}
	w.tunnel, err = w.attache.trust()
	return err
}

func (w *world) close() {
	if w.nginx != nil {
		w.nginx.stop()
	}
	if w.caddy != nil {
		w.caddy.stop()
	}
	if w.goProxy != nil {
		w.goProxy.stop()
	}
	for _, a := range []*attache{w.attache, w.quiet, w.std, w.before} {
		if a != nil {
			a.stop()
		}
	}
	if w.upstream != nil {
		w.upstream.stop()
	}
	_ = os.RemoveAll(w.dir)
}

// env is what the proxies and the upstream read the credentials from.
func (w *world) env() []string {
	return []string{tokenVariable + "=" + w.token, agentVariable + "=" + w.agentToken, certVariable + "=" + filepath.Join(w.dir, "service")}
}

func (w *world) startUpstream(ctx context.Context) (err error) {
	u := &upstream{}
	u.process, u.hold, err = w.startRole(ctx, "upstream", &u.addrs)
	w.upstream = u
	return err
}

// attacheBinary builds cmd/attache as it is released.
func attacheBinary(ctx context.Context, given, dir string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	progress("building attache")
	bin := filepath.Join(dir, "attache")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-tags=nobadger,nomysql", "-o", bin, "github.com/attache-proxy/attache/cmd/attache")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building attache: %w: %s", err, out)
	}
	return bin, nil
}

// random is a token of this run.
func random() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// freePorts finds ports that nobody listens on.
func freePorts(n int) ([]string, error) {
	var ports []string
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = ln.Close() }() // all at the end, so that no port comes twice
		ports = append(ports, strconv.Itoa(ln.Addr().(*net.TCPAddr).Port))
	}
	return ports, nil
}

// fetch reads a page that is not measured.
func fetch(ctx context.Context, c *http.Client, url string, headers ...string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.200s", url, res.Status, b)
	}
	return b, err
}
