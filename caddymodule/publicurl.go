package caddymodule

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"

	pages "github.com/attache-proxy/attache/caddymodule/admin/connect"
	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/vault"
)

// resolvePublicURL checks public_url and connect_links.
func (a *App) resolvePublicURL() error {
	if !pages.KnownLinks(a.ConnectLinks) {
		return fmt.Errorf("connect_links %q: want open, sign_in or off", a.ConnectLinks)
	}
	if a.PublicURL == "" {
		return nil
	}
	s, err := caddy.NewReplacer().ReplaceOrErr(a.PublicURL, true, true)
	if err != nil {
		return fmt.Errorf("public_url: %w", err)
	}
	u, err := url.Parse(strings.TrimSuffix(s, "/"))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("public_url: want an origin such as https://connect.example.com, without path and query")
	}
	a.publicURL = u.String()
	if u.Scheme == "http" && !signin.Loopback(u.Host) {
		a.logger.Warn("public_url is plain HTTP and not on this machine: credentials and codes would cross the network in the clear; use https")
	}
	return nil
}

// connectURL is where a person can connect an account of the vault; "" where no
// link helps: an operator must do something first.
func (a *App) connectURL(row *vault.Account) string {
	switch {
	case a.publicURL == "" || a.ConnectLinks == pages.LinksOff:
		return ""
	case row.State == vault.Revoked || row.State == vault.Suspended:
		return "" // a person decided so; a link that an agent has does not undo it
	}
	return a.publicURL + paths.Connect + "/" + row.ID
}

// moreURL is where a person can approve further scopes for an account.
func (a *App) moreURL(acct *resolver.Account, scopes []string) string {
	if acct.ConnectURL == "" {
		return ""
	}
	return acct.ConnectURL + "?" + url.Values{pages.MoreParam: {pages.SealScopes(a.vault, acct.ID, scopes)}}.Encode()
}
