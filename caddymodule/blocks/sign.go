package blocks

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/attache-proxy/attache/caddymodule/config"
)

// parseField reads: field <name> <placeholder>
func (b *connectorBlock) parseField(d *caddyfile.Dispenser) error {
	var name, value string
	if !d.Args(&name, &value) {
		return d.ArgErr()
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	b.useOwn("credentials")
	fields, _ := b.option["fields"].(map[string]any)
	if fields == nil {
		fields = map[string]any{}
		b.option["fields"] = fields
	}
	if _, ok := fields[name]; ok {
		return d.Errf("field %s stands twice", name)
	}
	fields[name] = map[string]any{"title": name, "secret": true}
	b.own.Values[name] = value
	return nil
}

// useOwn begins the option of a connector of one's own. OAuth wins over
// pasted fields, which then are the account's fields of that option.
func (b *connectorBlock) useOwn(kind string) {
	if b.own.Values == nil {
		b.own.Values = map[string]string{}
	}
	b.usedOwn = true
	if b.option["type"] == nil || kind == "oauth2" {
		b.option["type"], b.own.Option = kind, kind
	}
}

// placements is how many arguments each kind of sign takes.
var placements = map[string]int{"bearer": 1, "basic": 2, "header": 2, "query": 2, "path": 2, "cookie": 2, "form": 2, "json": 2}

// parseSign reads: sign <kind> <args…>, repeatable
func (b *connectorBlock) parseSign(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.Errf("sign wants a kind: %s", config.Known(placements))
	}
	kind, args := args[0], args[1:]
	want, ok := placements[kind]
	if !ok {
		return d.Errf("sign %q: want one of %s", kind, config.Known(placements))
	}
	if kind == "bearer" && len(args) == 0 {
		args = []string{"{token}"}
	}
	if len(args) != want {
		return d.Errf("sign %s wants %d arguments", kind, want)
	}
	b.useOwn("credentials")
	sign, _ := b.option["sign"].(map[string]any)
	if sign == nil {
		sign = map[string]any{}
		b.option["sign"] = sign
	}
	switch kind {
	case "bearer":
		sign[kind] = args[0]
	case "basic":
		sign[kind] = map[string]any{"username": args[0], "password": args[1]}
	case "path":
		paths, _ := sign[kind].([]any)
		sign[kind] = append(paths, map[string]any{"from": args[0], "to": args[1]})
	default:
		places, _ := sign[kind].(map[string]any)
		if places == nil {
			places = map[string]any{}
			sign[kind] = places
		}
		if _, ok := places[args[0]]; ok {
			return d.Errf("sign %s %s stands twice", kind, args[0])
		}
		places[args[0]] = args[1]
	}
	return nil
}

// parseOAuth2 reads:
//
//	oauth2 <grant type> {
//		token_url         <url>
//		client_id         <placeholder>
//		client_secret     <placeholder>
//		header_as_payload on|off
//		content_type      application/json|application/x-www-form-urlencoded
//		scope             "<scope> <scope>…"
//		param             <name> <value>     # extra parameter of the token request
//		header            <name> <value>     # extra header of the token request
//		<key of a connector's YAML> <value>
//	}
func (b *connectorBlock) parseOAuth2(d *caddyfile.Dispenser) error {
	var grant string
	if !d.Args(&grant) {
		return d.Err("oauth2 wants a grant type: oauth2 client_credentials { … }")
	}
	b.useOwn("oauth2")
	b.option["grant_type"] = grant
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := b.parseOAuth2Option(d); err != nil {
			return err
		}
	}
	return nil
}

func (b *connectorBlock) parseOAuth2Option(d *caddyfile.Dispenser) error {
	word := d.Val()
	switch {
	case config.AppValues[word]:
		var v string
		if err := OneArg(d, &v); err != nil {
			return err
		}
		b.own.Values[word] = v
	case word == "header_as_payload":
		on, err := onOff(d)
		if err != nil {
			return err
		}
		b.option[word] = on
	case word == "scope", word == "scopes":
		var scopes []string
		for _, arg := range d.RemainingArgs() {
			scopes = append(scopes, strings.Fields(arg)...)
		}
		b.option["scopes"] = scopes
	case word == "param":
		return b.entry(d, b.option, "token_params")
	case word == "header":
		return b.entry(d, b.option, "token_headers")
	default:
		var v string
		if err := OneArg(d, &v); err != nil {
			return err
		}
		if _, ok := b.option[word]; ok {
			return d.Errf("%s stands twice", word)
		}
		b.option[word] = v
	}
	return nil
}
