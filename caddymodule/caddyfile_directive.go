package caddymodule

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/attache-proxy/attache/caddymodule/blocks"
)

type caddyHandler = caddyhttp.MiddlewareHandler

// agentName keeps names usable as a user name of a proxy.
var agentName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

func cutAccount(s string) (connector, account string) {
	connector, account, _ = strings.Cut(s, ":")
	return connector, account
}

// globalOptions are those of the global option attache alone; agent and transport
// have another meaning in a site.
var globalOptions = []string{"vault", "key", "public_url", "connect_links", "cache", "token_timeout", "ca", "connectors", "signed_body", "allow_address", "audit", "limits", "connector"}

// streamCloseDelay is how long streams go on over a reload, unless configured.
const streamCloseDelay = 24 * time.Hour

// parseDirective reads attache, which expands to the middleware, the forwarder
// and, for upgrades, Caddy's reverse_proxy with our upstream source and our
// transport. With options of reverse_proxy's that are about more than upgrades,
// that forwards all:
//
//	attache [<matcher>] {
//		agent     <name>
//		unmatched tunnel|deny
//		name      <host…>
//		agent_from_certificate
//		# stream_timeout, stream_close_delay, stream_buffer_size: of upgrades
//		# every other option is reverse_proxy's
//	}
func parseDirective(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	if !h.Next() {
		return nil, h.ArgErr()
	}
	matchers, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, err
	}
	warnOfOpenAdmin(h)
	h.Next() // looking for the matcher went back to before the directive
	d := h.NewFromNextSegment()
	handler, err := takeOwnOptions(d)
	if err != nil {
		return nil, err
	}
	composed := composes(d)
	proxy := &reverseproxy.Handler{}
	if err := proxy.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	if err := proxy.FinalizeUnmarshalCaddyfile(h); err != nil {
		return nil, err
	}
	if proxy.TransportRaw != nil || proxy.DynamicUpstreamsRaw != nil || len(proxy.Upstreams) > 0 {
		return nil, d.Err("attache brings its own upstreams and transport; to choose others compose attache_match and reverse_proxy by hand")
	}
	proxy.TransportRaw = caddyconfig.JSONModuleObject(new(Transport), "protocol", "attache", nil)
	proxy.DynamicUpstreamsRaw = caddyconfig.JSONModuleObject(new(Upstreams), "source", "attache", nil)
	if proxy.StreamCloseDelay == 0 {
		proxy.StreamCloseDelay = caddy.Duration(streamCloseDelay)
	}
	route := caddyhttp.Route{HandlersRaw: []json.RawMessage{caddyconfig.JSONModuleObject(handler, "handler", "attache", nil)}}
	if !composed {
		route.HandlersRaw = append(route.HandlersRaw, caddyconfig.JSONModuleObject(new(Forward), "handler", "attache_forward", nil))
	}
	route.HandlersRaw = append(route.HandlersRaw, caddyconfig.JSONModuleObject(proxy, "handler", "reverse_proxy", nil))
	if matchers != nil {
		route.MatcherSetsRaw = []caddy.ModuleMap{matchers}
	}
	return []httpcaddyfile.ConfigValue{{Class: "route", Value: route}}, nil
}

// ofUpgrades are the options of reverse_proxy that upgraded connections alone have.
var ofUpgrades = []string{"stream_timeout", "stream_close_delay", "stream_buffer_size"}

// composes reports options that only reverse_proxy can follow.
func composes(d *caddyfile.Dispenser) bool {
	defer d.Reset()
	for d.Next() {
		for d.NextBlock(0) {
			if d.Nesting() == 1 && !slices.Contains(ofUpgrades, d.Val()) {
				return true
			}
			d.RemainingArgs()
		}
	}
	return false
}

// takeOwnOptions reads our options and deletes their tokens, so that
// reverse_proxy's parser sees only its own.
func takeOwnOptions(d *caddyfile.Dispenser) (*Handler, error) {
	handler := new(Handler)
	d.Next() // the word attache
	if d.CountRemainingArgs() > 0 {
		return nil, d.Err("attache takes no arguments but a matcher; options go into its block")
	}
	for d.NextBlock(0) {
		if d.Nesting() != 1 {
			continue
		}
		args := d.CountRemainingArgs()
		ours, err := handler.parseDirectiveOption(d)
		if err != nil {
			return nil, err
		}
		if ours {
			d.DeleteN(args + 1)
		} else if slices.Contains(globalOptions, d.Val()) {
			return nil, d.Errf("%s stands in the global option attache, in the braces at the top of the Caddyfile; not here, in a site", d.Val())
		}
	}
	d.Reset()
	return handler, nil
}

// parseDirectiveOption reads what the middleware itself understands. It
// returns false for words that are not ours.
func (h *Handler) parseDirectiveOption(d *caddyfile.Dispenser) (ours bool, err error) {
	switch d.Val() {
	case "agent":
		if h.Agent != "" {
			return true, d.Err("agent stands twice; a listener has one agent of its own")
		}
		return true, blocks.OneArg(d, &h.Agent)
	case "agent_from_certificate":
		h.AgentFromCertificate = true
		if d.NextArg() {
			return true, d.ArgErr()
		}
	case "unmatched":
		if err := blocks.OneArg(d, &h.Unmatched); err != nil {
			return true, err
		}
		if h.Validate() != nil {
			return true, d.Errf("unmatched %q: want tunnel or deny", h.Unmatched)
		}
	case "name":
		args := d.RemainingArgs()
		if len(args) == 0 {
			return true, d.ArgErr()
		}
		h.Names = append(h.Names, args...)
	default:
		return false, nil
	}
	return true, nil
}

// warnOfOpenAdmin says so when Caddy's admin API listens on TCP: an agent that
// shares our network namespace could reconfigure us, without any credential.
func warnOfOpenAdmin(h httpcaddyfile.Helper) {
	listen := caddy.DefaultAdminListen
	if conf, ok := h.Option("admin").(*caddy.AdminConfig); ok {
		if conf.Disabled {
			return
		}
		if conf.Listen != "" {
			listen = conf.Listen
		}
	}
	if addr, err := caddy.ParseNetworkAddress(listen); err == nil && addr.IsUnixNetwork() {
		return
	}
	caddy.Log().Named("attache").Warn("Caddy's admin API listens on TCP (" + listen + "), where an agent on this machine can reach it and change everything; " +
		"set `admin unix//run/attache/admin.sock|0600` or `admin off` in the global options")
}
