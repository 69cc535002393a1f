package blocks

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/attache-proxy/attache/caddymodule/config"
	"github.com/attache-proxy/attache/providers"
)

// connectorBlock gathers what a connector block says: a definition in the
// words of a connector's YAML file, and accounts.
type connectorBlock struct {
	key    string
	conf   *config.Connector
	def    map[string]any
	option map[string]any // the one option of a connector of one's own
	own    config.Account // the account of field, sign and oauth2
	// usedOwn says that option and own were given.
	usedOwn  bool
	fallback string // the account that default names
	// wildcard and reason are those of each host with a *.
	wildcard, reason string
}

// Connector reads what follows the word connector, and adds it:
//
//	connector <key> {
//		use     [<option>] { <field> <placeholder> … }   # the account "default"
//		account <name> [<option>] { <field> <placeholder> … }
//		default <account>
//
//		# a connector of one's own, or what differs from the built-in one:
//		hosts   <host[:port][/path]…>
//		wildcard vendor|signed <reason>                  # of hosts with a *
//		field   <name> <placeholder>
//		budget, price …                                  # of the account that field or oauth2 gives, as in its block
//		sign    bearer|basic|header|query|path|cookie|form|json <args…>
//		oauth2  <grant type> { … }
//		title, category, docs, base_url <text>
//		read    "<METHOD> <path pattern>"…
//		test    GET|POST <path> [<status>]
//		header  <name> <value>
//		env     <name> <value>
//		keep    authorization|cookie…
//		inject  placeholder <path pattern>…              # where a client's own credential may stay
//		cookies pass|drop
//		scrub, sandbox on|off
//
//		upstream       <url>
//		tls_trusted_ca <PEM file>
//		tls_client_certificate <PEM file> <key file>
//	}
func Connector(d *caddyfile.Dispenser, into map[string]*config.Connector) error {
	b := &connectorBlock{conf: &config.Connector{Source: Source(d)}, def: map[string]any{}, option: map[string]any{}}
	if !d.Args(&b.key) {
		return d.ArgErr()
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	if _, ok := into[b.key]; ok {
		return d.Errf("connector %s stands twice; several accounts go into one block: account NAME { … }", b.key)
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := b.parseOption(d); err != nil {
			return err
		}
	}
	if err := b.finish(); err != nil {
		return err
	}
	into[b.key] = b.conf
	return nil
}

// connectorOptions is every word that a connector block knows.
var connectorOptions = map[string]func(*connectorBlock, *caddyfile.Dispenser) error{
	"use":     (*connectorBlock).parseUse,
	"account": (*connectorBlock).parseAccount,
	"default": func(b *connectorBlock, d *caddyfile.Dispenser) error { return OneArg(d, &b.fallback) },
	"hosts":   (*connectorBlock).parseHosts,
	"wildcard": func(b *connectorBlock, d *caddyfile.Dispenser) error {
		if !d.Args(&b.wildcard, &b.reason) || d.NextArg() {
			return d.Err("wildcard wants vendor or signed, and the reason in quotes: wildcard vendor \"every name below is ours\"")
		}
		return nil
	},
	"field":  (*connectorBlock).parseField,
	"budget": func(b *connectorBlock, d *caddyfile.Dispenser) error { return Budget(d, &b.own.Budgets) },
	"price":  func(b *connectorBlock, d *caddyfile.Dispenser) error { return Budget(d, &b.own.Budgets) },
	"sign":   (*connectorBlock).parseSign,
	"oauth2": (*connectorBlock).parseOAuth2,
	"title":  func(b *connectorBlock, d *caddyfile.Dispenser) error { return b.text(d, "title") },
	"category": func(b *connectorBlock, d *caddyfile.Dispenser) error {
		return b.text(d, "category")
	},
	"docs":     func(b *connectorBlock, d *caddyfile.Dispenser) error { return b.text(d, "docs") },
	"base_url": func(b *connectorBlock, d *caddyfile.Dispenser) error { return b.text(d, "base_url") },
	"read":     (*connectorBlock).parseRead,
	"test":     (*connectorBlock).parseTest,
	"header":   func(b *connectorBlock, d *caddyfile.Dispenser) error { return b.entry(d, b.def, "headers") },
	"env":      func(b *connectorBlock, d *caddyfile.Dispenser) error { return b.entry(d, b.def, "env") },
	"keep":     (*connectorBlock).parseKeep,
	"inject":   (*connectorBlock).parseInject,
	"scrub":    func(b *connectorBlock, d *caddyfile.Dispenser) error { return b.onOff(d, "scrub") },
	"sandbox":  func(b *connectorBlock, d *caddyfile.Dispenser) error { return b.onOff(d, "sandbox") },
	"cookies":  func(b *connectorBlock, d *caddyfile.Dispenser) error { return b.text(d, "cookies") },
	"upstream": func(b *connectorBlock, d *caddyfile.Dispenser) error { return OneArg(d, &b.conf.Upstream) },
	"tls_trusted_ca": func(b *connectorBlock, d *caddyfile.Dispenser) error {
		return OneArg(d, &b.conf.TLSTrustedCA)
	},
	"tls_client_certificate": func(b *connectorBlock, d *caddyfile.Dispenser) error {
		if !d.Args(&b.conf.TLSClientCertificate, &b.conf.TLSClientKey) {
			return d.ArgErr()
		}
		return nil
	},
}

func (b *connectorBlock) parseOption(d *caddyfile.Dispenser) error {
	parse, ok := connectorOptions[d.Val()]
	if !ok {
		return d.Errf("unknown option %q in connector; known here: %s", d.Val(), config.Known(connectorOptions))
	}
	return parse(b, d)
}

func (b *connectorBlock) text(d *caddyfile.Dispenser, key string) error {
	var v string
	if err := OneArg(d, &v); err != nil {
		return err
	}
	b.def[key] = v
	return nil
}

// entry reads NAME VALUE into a map of m.
func (b *connectorBlock) entry(d *caddyfile.Dispenser, m map[string]any, key string) error {
	var name, value string
	if !d.Args(&name, &value) {
		return d.ArgErr()
	}
	sub, _ := m[key].(map[string]any)
	if sub == nil {
		sub = map[string]any{}
		m[key] = sub
	}
	if _, ok := sub[name]; ok {
		return d.Errf("%s stands twice", name)
	}
	sub[name] = value
	return nil
}

func (b *connectorBlock) list(d *caddyfile.Dispenser, key string) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.ArgErr()
	}
	old, _ := b.def[key].([]string)
	b.def[key] = append(old, args...)
	return nil
}

func (b *connectorBlock) parseHosts(d *caddyfile.Dispenser) error { return b.list(d, "hosts") }
func (b *connectorBlock) parseKeep(d *caddyfile.Dispenser) error  { return b.list(d, "keep") }

func (b *connectorBlock) parseInject(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 2 || args[0] != "placeholder" {
		return d.Err("inject wants the paths at which a client's own credential may stay: inject placeholder /v1/oauth/**")
	}
	b.def["inject"] = map[string][]string{"placeholder": args[1:]}
	return nil
}

func (b *connectorBlock) parseRead(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.ArgErr()
	}
	access, _ := b.def["access"].(map[string][]string)
	if access == nil {
		access = map[string][]string{}
		b.def["access"] = access
	}
	access["read"] = append(access["read"], args...)
	return nil
}

func (b *connectorBlock) parseTest(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 2 || len(args) > 3 {
		return d.Err("test wants a method, a path and perhaps a status: test GET /me 200")
	}
	method := strings.ToLower(args[0])
	if method != "get" && method != "post" {
		return d.Errf("test %s: want GET or POST", args[0])
	}
	test := map[string]any{method: args[1]}
	if len(args) == 3 {
		status, err := strconv.Atoi(args[2])
		if err != nil || status < 100 || status > 599 {
			return d.Errf("test: %q is no HTTP status", args[2])
		}
		test["expect"] = status
	}
	b.def["test"] = test
	return nil
}

func (b *connectorBlock) onOff(d *caddyfile.Dispenser, key string) error {
	on, err := onOff(d)
	b.def[key] = on
	return err
}

func onOff(d *caddyfile.Dispenser) (bool, error) {
	var v string
	if err := OneArg(d, &v); err != nil {
		return false, err
	}
	switch v {
	case "on":
		return true, nil
	case "off":
		return false, nil
	}
	return false, d.Errf("%q: want on or off", v)
}

// parseUse reads the account "default": use [<option>] { <field> <value> … }
func (b *connectorBlock) parseUse(d *caddyfile.Dispenser) error {
	acct := config.Account{Name: "default", Source: Source(d)}
	if d.NextArg() {
		acct.Option = d.Val()
	}
	return b.addAccount(d, acct)
}

// parseAccount reads a named account: account <name> [<option>] { … }
func (b *connectorBlock) parseAccount(d *caddyfile.Dispenser) error {
	acct := config.Account{Source: Source(d)}
	if !d.NextArg() {
		return d.ArgErr()
	}
	acct.Name = d.Val()
	if d.NextArg() {
		acct.Option = d.Val()
	}
	return b.addAccount(d, acct)
}

func (b *connectorBlock) addAccount(d *caddyfile.Dispenser, acct config.Account) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	if acct.Name == "" || strings.ContainsAny(acct.Name, "/+:{}") {
		return d.Errf("account %q: a name must not be empty nor hold / + : { }", acct.Name)
	}
	for _, other := range b.conf.Accounts {
		if other.Name == acct.Name {
			return d.Errf("account %s stands twice; give the second one another name: account NAME { … }", acct.Name)
		}
	}
	acct.Values = map[string]string{}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		if (name == "budget" || name == "price") && d.CountRemainingArgs() > 1 {
			if err := Budget(d, &acct.Budgets); err != nil {
				return err
			}
			continue
		}
		var value string
		if err := OneArg(d, &value); err != nil {
			return err
		}
		if _, ok := acct.Values[name]; ok {
			return d.Errf("%s stands twice", name)
		}
		acct.Values[name] = value
	}
	b.conf.Accounts = append(b.conf.Accounts, acct)
	return nil
}

// finish completes the definition, checks it, and keeps it.
func (b *connectorBlock) finish() error {
	if b.usedOwn {
		b.own.Name, b.own.Source = "default", b.conf.Source
		b.def["auth"] = map[string]any{b.own.Option: b.option}
		b.conf.Accounts = append(b.conf.Accounts, b.own)
	}
	if len(b.own.Budgets) > 0 && !b.usedOwn {
		return fmt.Errorf("%s: connector %s: budgets are an account's; write them into use { … } or account NAME { … }", b.conf.Source, b.key)
	}
	if err := b.setDefault(); err != nil {
		return fmt.Errorf("%s: %w", b.conf.Source, err)
	}
	if len(b.def) == 0 {
		return nil
	}
	b.nameWildcards()
	b.def["key"] = b.key
	if b.def["hosts"] == nil || providers.BuiltIn().Has(b.key) {
		b.def["extends"] = b.key // the block says only what differs
	}
	var err error
	b.conf.Definition, err = json.Marshal(b.def)
	return err
}

// nameWildcards says of each host with a * what the block says of all.
func (b *connectorBlock) nameWildcards() {
	hosts, _ := b.def["hosts"].([]string)
	if b.wildcard == "" || hosts == nil {
		return
	}
	out := make([]any, len(hosts))
	for i, h := range hosts {
		if out[i] = h; strings.Contains(h, "*") {
			out[i] = map[string]string{"host": h, "wildcard": b.wildcard, "reason": b.reason}
		}
	}
	b.def["hosts"] = out
}

func (b *connectorBlock) setDefault() error {
	if b.fallback == "" {
		return nil
	}
	for i := range b.conf.Accounts {
		if b.conf.Accounts[i].Name == b.fallback {
			b.conf.Accounts[i].Default = true
			return nil
		}
	}
	return fmt.Errorf("connector %s: default %s: there is no account of that name", b.key, b.fallback)
}
