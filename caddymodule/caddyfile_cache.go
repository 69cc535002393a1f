package caddymodule

import (
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/attache-proxy/attache/resolver/cache"
)

// parseCache reads:
//
//	cache memory
//	cache redis <url…> {
//		tls_trusted_ca         <file…>
//		tls_client_certificate <certificate> <key>
//		prefix                 <prefix>
//	}
func (a *App) parseCache(d *caddyfile.Dispenser) error {
	if a.cacheSeen {
		return d.Err("cache stands twice; there is one")
	}
	a.cacheSeen = true
	at := source(d)
	args := d.RemainingArgs()
	switch {
	case len(args) == 1 && args[0] == "memory":
		return nil
	case len(args) > 0 && args[0] == "memory":
		return d.Err("cache memory takes nothing more")
	case len(args) == 0 || args[0] != "redis":
		return d.Errf("cache %s: want memory, or redis and a URL: cache redis redis:6379", strings.Join(args, " "))
	case len(args) == 1:
		return d.Err("cache redis wants a URL: cache redis redis:6379, or {env.REDIS_URL}")
	}
	c := &CacheConfig{Redis: args[1:], Source: at}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := c.parseOption(d); err != nil {
			return err
		}
	}
	a.Cache = c
	return c.checkURL(d)
}

func (c *CacheConfig) parseOption(d *caddyfile.Dispenser) error {
	switch d.Val() {
	case "tls_trusted_ca":
		c.TrustedCA = append(c.TrustedCA, d.RemainingArgs()...)
		if len(c.TrustedCA) == 0 {
			return d.ArgErr()
		}
	case "tls_client_certificate":
		if !d.Args(&c.ClientCertificate, &c.ClientKey) || d.NextArg() {
			return d.Err("tls_client_certificate wants two files: the certificate and its key")
		}
	case "prefix":
		return oneArg(d, &c.Prefix)
	default:
		return d.Errf("unknown option %q in cache redis; known here: tls_trusted_ca, tls_client_certificate, prefix", d.Val())
	}
	return nil
}

// checkURL refuses a bad address at once, where it holds no placeholder.
func (c *CacheConfig) checkURL(d *caddyfile.Dispenser) error {
	for _, raw := range c.Redis {
		if strings.Contains(raw, "{") {
			return nil
		}
	}
	url, err := c.url()
	if err == nil {
		err = cache.CheckRedisURL(url, len(c.TrustedCA) > 0 || c.ClientCertificate != "")
	}
	if err != nil {
		return d.Errf("cache %v", err)
	}
	return nil
}

func (a *App) parseTokenTimeout(d *caddyfile.Dispenser) error {
	var word string
	if err := oneArg(d, &word); err != nil {
		return err
	}
	t, err := caddy.ParseDuration(word)
	if err != nil || t < time.Second || t > 5*time.Minute {
		return d.Errf("token_timeout %q: want a duration from 1s to 5m", word)
	}
	a.TokenTimeout = caddy.Duration(t)
	return nil
}
