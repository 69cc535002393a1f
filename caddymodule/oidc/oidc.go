// Package oidc is the option oidc of attache_admin: the Caddyfile's words for it, and
// what is checked before people can sign in with it.
package oidc

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/caddymodule/config"
	"github.com/attache-proxy/attache/providers/secret"
)

// Config lets people sign in to the REST API and its dashboard.
type Config struct {
	// Issuer of the OpenID provider; its metadata is at
	// ISSUER/.well-known/openid-configuration.
	Issuer string `json:"issuer"`
	// ClientID and ClientSecret of our registration there; placeholders. Without a
	// secret it is a public client.
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret,omitempty"`
	// RedirectURL as it is registered; default: the address by which people came,
	// with /api/v1/session/callback.
	RedirectURL string `json:"redirect_url,omitempty"`
	// Scopes besides openid; default: profile email.
	Scopes []string `json:"scopes,omitempty"`
	// NameClaim names people in the audit; default: a verified e-mail address.
	NameClaim string `json:"name_claim,omitempty"`
	// Allow are lines of CLAIM VALUE ROLE [ORGANISATION]; the first that fits a
	// person counts, and nobody else gets in.
	Allow [][]string `json:"allow"`
	// Session is how long a session lives; default 8h, at most 720h.
	Session caddy.Duration `json:"session,omitempty"`
}

const maxSessionLife = 30 * 24 * time.Hour

// Parse reads:
//
//	oidc <issuer> {
//		client_id <id>
//		client_secret {env.NAME}
//		redirect_url <url>
//		scopes <scope…>
//		name_claim <claim>
//		allow <claim> <value> admin|operator|viewer [<organisation>|*|{claims.NAME}]
//		session <duration>
//	}
func (c *Config) Parse(d *caddyfile.Dispenser) error {
	if !d.Args(&c.Issuer) || d.NextArg() {
		return d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := c.parseOption(d); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) parseOption(d *caddyfile.Dispenser) error {
	texts := map[string]*string{"client_id": &c.ClientID, "client_secret": &c.ClientSecret, "redirect_url": &c.RedirectURL, "name_claim": &c.NameClaim}
	switch name := d.Val(); name {
	case "client_id", "client_secret", "redirect_url", "name_claim":
		if !d.Args(texts[name]) || d.NextArg() {
			return d.ArgErr()
		}
	case "scopes":
		if c.Scopes = d.RemainingArgs(); len(c.Scopes) == 0 {
			return d.ArgErr()
		}
	case "allow":
		words := d.RemainingArgs()
		if _, err := signin.ParseAllow(words); err != nil {
			return d.WrapErr(err)
		}
		c.Allow = append(c.Allow, words)
	case "session":
		var text string
		if !d.Args(&text) || d.NextArg() {
			return d.ArgErr()
		}
		life, err := caddy.ParseDuration(text)
		if err != nil {
			return d.WrapErr(err)
		}
		c.Session = caddy.Duration(life)
	default:
		return d.Errf("unknown option %q in oidc; known here: client_id, client_secret, redirect_url, scopes, name_claim, allow, session", name)
	}
	return nil
}

// Provision checks it and resolves its placeholders; nil for nil. Client asks the
// provider, and must be guarded.
func (c *Config) Provision(client *http.Client) (*signin.OIDC, error) {
	if c == nil {
		return nil, nil
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("oidc %s: %w", c.Issuer, err)
	}
	out := &signin.OIDC{
		Issuer: c.Issuer, RedirectURL: c.RedirectURL, Scopes: c.Scopes, NameClaim: c.NameClaim,
		Life: time.Duration(c.Session), HTTP: client,
	}
	values, err := config.Resolve(map[string]string{"client_id": c.ClientID, "client_secret": c.ClientSecret})
	if err != nil {
		return nil, fmt.Errorf("oidc %s: %w", c.Issuer, err)
	}
	out.ClientID = values.Get("client_id").Reveal()
	if c.ClientSecret != "" {
		out.ClientSecret = secret.New(strings.TrimSpace(values.Get("client_secret").Reveal()))
	}
	for _, words := range c.Allow {
		a, err := signin.ParseAllow(words)
		if err != nil {
			return nil, fmt.Errorf("oidc %s: %w", c.Issuer, err)
		}
		out.Allow = append(out.Allow, a)
	}
	return out, nil
}

func (c *Config) check() error {
	if err := checkSecureURL(c.Issuer); err != nil {
		return fmt.Errorf("the issuer %w", err)
	}
	if c.ClientID == "" {
		return errors.New("client_id is missing")
	}
	if len(c.Allow) == 0 {
		return errors.New("nobody could sign in: write at least one allow line, such as allow groups attache-admins admin *")
	}
	if c.RedirectURL != "" {
		if err := checkSecureURL(c.RedirectURL); err != nil {
			return fmt.Errorf("redirect_url %w", err)
		}
		if !strings.HasSuffix(c.RedirectURL, paths.SignInCallback) {
			return errors.New("redirect_url must end in " + paths.SignInCallback)
		}
	}
	if s := time.Duration(c.Session); s < 0 || s > maxSessionLife || s > 0 && s < time.Minute {
		return fmt.Errorf("session must be from 1m to %v", maxSessionLife)
	}
	return nil
}

// checkSecureURL takes HTTPS, and HTTP to this machine only.
func checkSecureURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("is no URL of the form https://HOST/PATH")
	}
	addr, _ := netip.ParseAddr(u.Hostname())
	if u.Scheme == "https" || u.Scheme == "http" && (addr.IsLoopback() || u.Hostname() == "localhost") {
		return nil
	}
	return errors.New("must be HTTPS; HTTP is for loopback addresses only")
}
