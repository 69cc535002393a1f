package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// Cache says where tokens are kept. Nil is memory.
type Cache struct {
	// Redis are URLs, placeholders resolved: one server, or the nodes of a Sentinel
	// or a Cluster, which the query of the first says (master_name=NAME or
	// cluster=true).
	Redis []string `json:"redis,omitempty"`
	// TrustedCA are PEM files of CAs that the server's certificate may come from,
	// instead of the system's.
	TrustedCA []string `json:"trusted_ca,omitempty"`
	// ClientCertificate and ClientKey are PEM files with which we prove ourselves.
	ClientCertificate string `json:"client_certificate,omitempty"`
	ClientKey         string `json:"client_key,omitempty"`
	// Prefix of every key; default attache:.
	Prefix string `json:"prefix,omitempty"`
	// Source is the place in the Caddyfile, for messages.
	Source string `json:"source,omitempty"`
}

// URL joins the nodes into the one URL that package cache takes.
func (c *Cache) URL() (string, error) {
	repl := caddy.NewReplacer()
	var first string
	for i, raw := range c.Redis {
		s, err := repl.ReplaceOrErr(raw, true, true)
		if err != nil {
			return "", fmt.Errorf("address %d: %w", i+1, err)
		}
		if i == 0 {
			first = s
			continue
		}
		join := "?"
		if strings.Contains(first, "?") {
			join = "&"
		}
		_, host, ok := strings.Cut(s, "://")
		if !ok {
			host = s
		}
		if strings.ContainsAny(host, "/?@&") {
			return "", fmt.Errorf("address %d: name only host:port here; what else there is to say stands in the first address", i+1)
		}
		first += join + "addr=" + host
	}
	return first, nil
}

// TLS is nil where nothing is configured.
func (c *Cache) TLS() (*tls.Config, error) {
	if len(c.TrustedCA) == 0 && c.ClientCertificate == "" {
		return nil, nil
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	for _, file := range c.TrustedCA {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if conf.RootCAs == nil {
			conf.RootCAs = x509.NewCertPool()
		}
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no PEM certificate", file)
		}
	}
	if c.ClientCertificate != "" {
		pair, err := tls.LoadX509KeyPair(c.ClientCertificate, c.ClientKey)
		if err != nil {
			return nil, err
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}
