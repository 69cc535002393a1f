package caddymodule

import (
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/dustin/go-humanize"

	pages "github.com/attache-proxy/attache/caddymodule/admin/connect"
	"github.com/attache-proxy/attache/caddymodule/blocks"
	"github.com/attache-proxy/attache/caddymodule/config"
	"github.com/attache-proxy/attache/resolver/cache"
	"github.com/attache-proxy/attache/resolver/rule"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("attache", parseGlobal)
	httpcaddyfile.RegisterDirective("attache", parseDirective)
	httpcaddyfile.RegisterHandlerDirective("attache_match", parseMatch)
	httpcaddyfile.RegisterDirectiveOrder("attache", httpcaddyfile.Before, "reverse_proxy")
	httpcaddyfile.RegisterDirectiveOrder("attache_match", httpcaddyfile.Before, "reverse_proxy")
}

// parseGlobal reads the global option:
//
//	attache {
//		key           <placeholder…>
//		vault         sqlite [<file>]|postgres <url>
//		cache         memory|redis <url…> [{ … }]
//		token_timeout <duration>
//		public_url    <origin>
//		connect_links open|sign_in|off
//		ca            <id>
//		connectors    <directory>
//		launch_key    [<placeholder>]                # who has it starts confined runs
//		require_confined
//		signed_body   <size>
//		transport     own|std
//		allow_address <address or prefix…>
//		audit         [sync|off] { retention 90d; usage_retention 400d }
//		limits        { … }
//		connector     <key> { … }
//		agent         <name> { … }
//	}
func parseGlobal(d *caddyfile.Dispenser, existing any) (any, error) {
	d.Next() // the word attache
	if existing != nil {
		return nil, d.Err("the global option attache stands twice; put everything into one block")
	}
	app := new(App)
	if d.NextArg() {
		return nil, d.ArgErr()
	}
	for d.NextBlock(0) {
		if err := app.parseOption(d); err != nil {
			return nil, err
		}
	}
	if err := app.check(); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "attache", Value: caddyconfig.JSON(app, nil)}, nil
}

func (a *App) parseOption(d *caddyfile.Dispenser) error {
	switch d.Val() {
	case "key":
		a.Key = d.RemainingArgs()
		if len(a.Key) == 0 {
			return d.ArgErr()
		}
	case "launch_key":
		a.LaunchKey = new(config.LaunchKey)
		if d.Args(&a.LaunchKey.Value); d.NextArg() {
			return d.ArgErr()
		}
	case "require_confined":
		if a.RequireConfined = true; d.NextArg() {
			return d.ArgErr()
		}
	case "cache":
		return a.parseCache(d)
	case "token_timeout":
		return a.parseTokenTimeout(d)
	case "vault":
		return a.parseVault(d)
	case "public_url":
		return blocks.OneArg(d, &a.PublicURL)
	case "connect_links":
		if err := blocks.OneArg(d, &a.ConnectLinks); err != nil {
			return err
		}
		if !pages.KnownLinks(a.ConnectLinks) {
			return d.Errf("connect_links %q: want open, sign_in or off", a.ConnectLinks)
		}
	case "ca":
		return blocks.OneArg(d, &a.CA)
	case "connectors":
		return blocks.OneArg(d, &a.ConnectorDir)
	case "signed_body":
		return a.parseSignedBody(d)
	case "transport":
		return a.parseTransport(d)
	case "allow_address":
		args := d.RemainingArgs()
		if len(args) == 0 {
			return d.ArgErr()
		}
		a.AllowAddresses = append(a.AllowAddresses, args...)
	case "audit":
		return a.parseAudit(d)
	case "limits":
		return blocks.Limits(d, &a.Limits)
	case "connector":
		if a.Connectors == nil {
			a.Connectors = map[string]*config.Connector{}
		}
		return blocks.Connector(d, a.Connectors)
	case "agent":
		return a.parseAgent(d)
	default:
		return d.Errf("unknown option %q in attache; known here: %s, transport, agent", d.Val(), strings.Join(globalOptions, ", "))
	}
	return nil
}

func (a *App) parseSignedBody(d *caddyfile.Dispenser) error {
	var size string
	if err := blocks.OneArg(d, &size); err != nil {
		return err
	}
	n, err := humanize.ParseBytes(size)
	if err != nil || n == 0 || n > 1<<40 {
		return d.Errf("signed_body %q: want a size, such as 64MiB", size)
	}
	a.SignedBody = int64(n)
	return nil
}

func (a *App) parseTransport(d *caddyfile.Dispenser) error {
	if err := blocks.OneArg(d, &a.Transport); err != nil {
		return err
	}
	if a.Transport != "own" && a.Transport != "std" {
		return d.Errf("transport %q: want own or std", a.Transport)
	}
	return nil
}

func (a *App) parseVault(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if a.Vault != nil {
		return d.Err("vault stands twice; there is one")
	}
	if len(args) == 0 || len(args) > 2 || args[0] != "sqlite" && args[0] != "postgres" {
		return d.Err("vault wants sqlite and perhaps a file, or postgres and a URL: vault postgres {env.DATABASE_URL}")
	}
	a.Vault = &config.Vault{Driver: args[0]}
	if len(args) == 2 {
		a.Vault.Source = args[1]
	} else if args[0] == "postgres" {
		return d.Err("vault postgres wants a URL: vault postgres {env.DATABASE_URL}")
	}
	return nil
}

func (a *App) parseAudit(d *caddyfile.Dispenser) error {
	for _, word := range d.RemainingArgs() {
		switch word {
		case "sync":
			a.Audit.Sync = true
		case "off":
			a.Audit.Off = true
		default:
			return d.Errf("audit %q: want sync or off", word)
		}
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		into := map[string]*caddy.Duration{"retention": &a.Audit.Retention, "usage_retention": &a.Audit.UsageRetention}[d.Val()]
		if into == nil {
			return d.Errf("unknown option %q in audit; known here: retention, usage_retention", d.Val())
		}
		if err := parseRetention(d, into); err != nil {
			return err
		}
	}
	return nil
}

// parseRetention reads a duration of at least a day, or forever.
func parseRetention(d *caddyfile.Dispenser, into *caddy.Duration) error {
	name, text := d.Val(), ""
	if err := blocks.OneArg(d, &text); err != nil {
		return err
	}
	if text == "forever" {
		*into = -1
		return nil
	}
	life, err := caddy.ParseDuration(text)
	if err != nil || life < 24*time.Hour {
		return d.Errf("%s %q: want a duration of at least 1d, such as 90d, or forever", name, text)
	}
	*into = caddy.Duration(life)
	return nil
}

// parseAgent reads:
//
//	agent <name> {
//		token <placeholder>                          # repeatable
//		grant <connector>[:<account>] [read] [write] { # repeatable; read alone by default
//			allow|deny <operation…> [on <resource…>] # the first that matches decides, a deny is the end; then read and write need not be said
//		}
//		limits { … }
//		budget <amount> <of what> per <window>           # repeatable, as in a grant's block
//		price  …
//	}
func (a *App) parseAgent(d *caddyfile.Dispenser) error {
	var name string
	at := blocks.Source(d)
	if !d.Args(&name) {
		return d.ArgErr()
	}
	if _, ok := a.Agents[name]; ok {
		return d.Errf("agent %s stands twice", name)
	}
	if !agentName.MatchString(name) {
		return d.Errf("agent %q: want letters, digits, dots, hyphens and underscores", name)
	}
	agent := &config.Agent{Source: at}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		switch d.Val() {
		case "token":
			var token string
			if err := blocks.OneArg(d, &token); err != nil {
				return err
			}
			if token == "" {
				return d.Errf("agent %s: the token is empty", name)
			}
			agent.Tokens = append(agent.Tokens, token)
		case "grant":
			g, err := parseGrant(d)
			if err != nil {
				return err
			}
			agent.Grants = append(agent.Grants, g)
		case "limits":
			if err := blocks.Limits(d, &agent.Limits); err != nil {
				return err
			}
		case "budget", "price":
			if err := blocks.Budget(d, &agent.Budgets); err != nil {
				return err
			}
		default:
			return d.Errf("unknown option %q in agent; known here: token, grant, limits, budget, price", d.Val())
		}
	}
	if a.Agents == nil {
		a.Agents = map[string]*config.Agent{}
	}
	a.Agents[name] = agent
	return nil
}

func parseGrant(d *caddyfile.Dispenser) (config.Grant, error) {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return config.Grant{}, d.Err("grant wants a connector: grant github read")
	}
	g, reads, learns := config.Grant{}, false, false
	g.Connector, g.Account = cutAccount(args[0])
	for _, word := range args[1:] {
		switch word {
		case "read":
			reads = true
		case "write":
			g.Write = true
		case "presign":
			g.Presign = true
		case "placeholder":
			g.Placeholder = true
		case "confined":
			g.Confined = true
		case "learn":
			learns = true
		default:
			return g, d.Errf("grant %s: %q is none of read, write, presign, placeholder, confined and learn", args[0], word)
		}
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() == "budget" || d.Val() == "price" {
			if err := blocks.Budget(d, &g.Budgets); err != nil {
				return g, err
			}
			continue
		}
		g.Operations = append(g.Operations, blocks.Rule(d))
		if _, err := rule.New(g.Operations, nil); err != nil {
			return g, d.Errf("grant %s: %v", args[0], err)
		}
	}
	if learns { // what no rule before it decides
		g.Operations = append(g.Operations, "learn")
	}
	if len(g.Operations) == 0 && len(g.Budgets) == 0 && d.Val() == "}" {
		return g, d.Errf("grant %s: the block has no rule; leave it out, or say what is allowed: allow read", args[0])
	}
	g.Write = g.Write || len(g.Operations) > 0 && !reads // then the rules alone decide
	return g, nil
}

// parseMatch reads attache_match, the middleware alone:
//
//	attache_match [<matcher>] {
//		agent     <name>
//		unmatched tunnel|deny
//		name      <host…>
//		agent_from_certificate
//	}
func parseMatch(h httpcaddyfile.Helper) (handler caddyHandler, err error) {
	out := new(Handler)
	warnOfOpenAdmin(h)
	h.Next()
	if h.NextArg() {
		return nil, h.ArgErr()
	}
	for h.NextBlock(0) {
		word := h.Val()
		ours, err := out.parseDirectiveOption(h.Dispenser)
		if err != nil {
			return nil, err
		}
		if !ours {
			return nil, h.Errf("unknown option %q in attache_match; known here: agent, agent_from_certificate, unmatched, name", word)
		}
	}
	return out, nil
}

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
	at := blocks.Source(d)
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
	c := &config.Cache{Redis: args[1:], Source: at}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := parseCacheOption(c, d); err != nil {
			return err
		}
	}
	a.Cache = c
	return checkCacheURL(c, d)
}

func parseCacheOption(c *config.Cache, d *caddyfile.Dispenser) error {
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
		return blocks.OneArg(d, &c.Prefix)
	default:
		return d.Errf("unknown option %q in cache redis; known here: tls_trusted_ca, tls_client_certificate, prefix", d.Val())
	}
	return nil
}

// checkURL refuses a bad address at once, where it holds no placeholder.
func checkCacheURL(c *config.Cache, d *caddyfile.Dispenser) error {
	for _, raw := range c.Redis {
		if strings.Contains(raw, "{") {
			return nil
		}
	}
	url, err := c.URL()
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
	if err := blocks.OneArg(d, &word); err != nil {
		return err
	}
	t, err := caddy.ParseDuration(word)
	if err != nil || t < time.Second || t > 5*time.Minute {
		return d.Errf("token_timeout %q: want a duration from 1s to 5m", word)
	}
	a.TokenTimeout = caddy.Duration(t)
	return nil
}
