package blocks

import (
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"

	"github.com/attache-proxy/attache/resolver/limit"
)

// Limits reads, for all agents or for one:
//
//	limits {
//		requests   <number>
//		tunnels    <number>
//		upgrades   <number>
//		headers    <size>
//		memory     <size>
//		bodies     <number>
//		body_bytes <size>
//		refreshes  <number in a minute>
//	}
func Limits(d *caddyfile.Dispenser, into *limit.Limits) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	options := map[string]struct {
		to   *int64
		size bool
	}{
		"requests": {to: &into.Requests}, "tunnels": {to: &into.Tunnels}, "upgrades": {to: &into.Upgrades}, "bodies": {to: &into.Bodies}, "refreshes": {to: &into.Refreshes},
		"headers": {&into.Headers, true}, "memory": {&into.Memory, true}, "body_bytes": {&into.BodyBytes, true},
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name, text := d.Val(), ""
		o, ok := options[name]
		if !ok {
			return d.Errf("unknown option %q in limits; known here: requests, tunnels, upgrades, headers, memory, bodies, body_bytes, refreshes", name)
		}
		if err := OneArg(d, &text); err != nil {
			return err
		}
		if *o.to != 0 {
			return d.Errf("%s stands twice in limits", name)
		}
		if o.size {
			n, err := humanize.ParseBytes(text)
			if err != nil || n == 0 || n > 1<<50 {
				return d.Errf("%s %q: want a size, such as 64MiB", name, text)
			}
			*o.to = int64(n)
			continue
		}
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < 1 {
			return d.Errf("%s %q: want a number from 1 on", name, text)
		}
		*o.to = n
	}
	return nil
}
