package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver"
)

// Route is what differs in reaching the service: another place, a private CA, a
// certificate of ours.
func (c *Connector) Route() (resolver.Route, error) {
	var r resolver.Route
	if c.Upstream != "" {
		place, plain, err := parseUpstream(c.Upstream)
		if err != nil {
			return r, err
		}
		r.Place, r.Plain = place, plain
	}
	var err error
	r.TLS, err = c.tls()
	return r, err
}

// parseUpstream reads http://host:port, https://host:port or unix//path.
func parseUpstream(s string) (place string, plain bool, err error) {
	if path, ok := strings.CutPrefix(s, "unix/"); ok {
		return "unix/" + path, true, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" && u.Path != "/" || u.User != nil {
		return "", false, fmt.Errorf("upstream %q: want http://host:port, https://host:port or unix//path", s)
	}
	t, err := resolver.ParseTarget(u.Host, map[string]string{"http": "80", "https": "443"}[u.Scheme])
	if err != nil {
		return "", false, fmt.Errorf("upstream %q: %w", s, err)
	}
	return t.JoinHostPort(), u.Scheme == "http", nil
}

// tls reads what the connector names now, so that a mistake is told at start, and
// puts the system's roots beside it when a service is called: reading them takes
// longer than the rest of a start.
func (c *Connector) tls() (func() *tls.Config, error) {
	if c.TLSTrustedCA == "" && c.TLSClientCertificate == "" {
		return nil, nil
	}
	conf := &tls.Config{}
	var trusted []byte
	if c.TLSTrustedCA != "" {
		var err error
		if trusted, err = os.ReadFile(c.TLSTrustedCA); err != nil {
			return nil, fmt.Errorf("tls_trusted_ca: %w", err)
		}
		if !x509.NewCertPool().AppendCertsFromPEM(trusted) {
			return nil, fmt.Errorf("tls_trusted_ca: %s holds no PEM certificate", c.TLSTrustedCA)
		}
	}
	if c.TLSClientCertificate != "" {
		cert, err := tls.LoadX509KeyPair(c.TLSClientCertificate, c.TLSClientKey)
		if err != nil {
			return nil, fmt.Errorf("tls_client_certificate: %w", err)
		}
		conf.Certificates = []tls.Certificate{cert}
	}
	return sync.OnceValue(func() *tls.Config {
		if trusted != nil {
			conf.RootCAs = besideSystem(trusted)
		}
		return conf
	}), nil
}

// besideSystem are the system's roots and these.
func besideSystem(pem []byte) *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM(pem)
	return pool
}

// NamedAddresses are the addresses that a connector of one's own names as its
// hosts or token endpoint: an IP address, or localhost. For this connector, and
// for it alone, they may be dialled.
func NamedAddresses(c *providers.Connector) []netip.Prefix {
	var out []netip.Prefix
	add := func(host string) {
		if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
		} else if host == "localhost" || strings.HasSuffix(host, ".localhost") {
			out = append(out, netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128"))
		}
	}
	for _, h := range c.Hosts {
		add(h.Pattern)
	}
	for _, o := range c.Options {
		if u, err := url.Parse(o.OptionDef.OAuth.TokenURL); err == nil {
			add(u.Hostname())
		}
	}
	return out
}
