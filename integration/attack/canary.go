package main

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// canary is a secret that the proxy holds. Agents and logs must never have it;
// services may, at the hosts of its connector.
type canary struct {
	name  string
	value string
	hosts []string // where it may arrive: a host, or *.suffix
	forms []string // spellings that are looked for
}

// placed is a connector with one field, by the place that its credential has.
type placed struct{ Key, Sign string }

func (p placed) Env() string { return strings.ToUpper(strings.ReplaceAll(p.Key, "-", "_")) }

var places = []placed{
	{"bearer", "bearer {fields.key}"}, {"header", "header X-Api-Key {fields.key}"}, {"basic", "basic user {fields.key}"},
	{"query", "query key {fields.key}"}, {"path", "path /bot*/ /bot{fields.key}/"}, {"cookie", "cookie session {fields.key}"},
	{"form", "form token {fields.key}"}, {"json", "json auth.key {fields.key}"}, {"weak", "basic user {fields.key}"},
}

// weak is a password that can be guessed: it must not be confirmed by an echo.
const weak = "hunter2"

// secrets are the canaries of the connectors that stand in stage/Caddyfile.
var secrets = []canary{
	{name: "bearer", value: "canary-bearer-5d41402abc4b", hosts: []string{"bearer.test"}},
	{name: "header", value: "canary-header-7e240de74fb1", hosts: []string{"header.test"}},
	{name: "basic", value: "canary-basic-ed1d8f2a3cc0", hosts: []string{"basic.test"}},
	{name: "query", value: "canary/query+7a=5f&9b1c", hosts: []string{"query.test"}},
	{name: "path", value: "canary-path-0cc175b9c0f1", hosts: []string{"path.test"}},
	{name: "cookie", value: "canary-cookie-92eb5ffee6ae", hosts: []string{"cookie.test"}},
	{name: "form", value: "canary-form-4a8a08f09d37", hosts: []string{"form.test"}},
	{name: "json", value: `canary-json-"8277e091"0d3f`, hosts: []string{"json.test"}},
	{name: "wire", value: "canary-wire-e4da3b7fbbce", hosts: []string{"wire.test"}},
	{name: "part", value: "canary-part-1f0e3dad9990", hosts: []string{"part.test"}},
	{name: "actions", value: "canary-actions-98f13708210194", hosts: []string{"actions.test"}},
	{name: "hmac", value: "canary/hmac+key-c20ad4d76fe9"},
	{name: "signing", value: "canary/signing+key-6512bd43d9caa6e02c990b0a"},
	{name: "client", value: "canary-client-secret-1679091c5a88", hosts: []string{"127.0.0.1:{modern}"}},
	{name: "minted", value: "canary-access-token-8f14e45fceea", hosts: []string{"minted.test"}},
	{name: "managed", value: "canary-managed-c9f0f895fb98ab91", hosts: []string{"vendor.test"}},
	{name: "tenant", value: "canary-tenant-45c48cce2e2d7fbd", hosts: []string{
		"mycorp.odoo.com", "mycorp.zendesk.com", "mycorp.myshopify.com", "mycorp.atlassian.net", "mycorp.okta.com",
		"mycorp.freshdesk.com", "abcdefghijklmnopqrst.supabase.co", "mycorp.bamboohr.com", "ntfy.mycorp.test"}},
	{name: "north", value: "canary-north-d3d9446802a44259", hosts: []string{"north.shop.test"}},
	{name: "ruled", value: "canary-ruled-c20ad4d76fe97759", hosts: []string{"ruled.shop.test"}},
	{name: "south", value: "canary-south-6512bd43d9caa6e0", hosts: []string{"south.shop.test"}},
}

// marks are values that are no secret and still stand for a credential where
// they arrive at a service.
var marks = []canary{
	{name: "key id of objects", value: "AKIACANARY7EXAMPLE00", hosts: []string{"objects.test", "*.objects.test", "127.0.0.1:{modern}"}},
	{name: "key id of digest-of", value: "hmac-id-70efdf2ec9b0", hosts: []string{"digest-of.test"}},
}

func init() {
	for i := range secrets {
		secrets[i].forms = spellings(secrets[i].value)
	}
	for i := range marks {
		marks[i].forms = []string{marks[i].value}
	}
}

// secret is the value of a canary.
func secret(name string) string {
	for _, c := range append(secrets, marks...) {
		if c.name == name {
			return c.value
		}
	}
	panic("no canary " + name)
}

// spellings are the ways in which a value may stand in a text.
func spellings(value string) []string {
	all := []string{value, hex.EncodeToString([]byte(value)), url.QueryEscape(value), url.PathEscape(value),
		strings.ReplaceAll(value, `"`, `\"`), strings.ReplaceAll(value, `"`, `\\\"`), strings.ToUpper(value)}
	for _, format := range []string{"&#%d;", "&#x%x;", `\u%04x`, "%%%02x", "=%02X", `\x%02x`, "%02X"} {
		var b strings.Builder
		for _, c := range []byte(value) {
			fmt.Fprintf(&b, format, c)
		}
		all = append(all, b.String())
	}
	// Behind one or two more bytes base64 is another text; its middle depends
	// on the value alone.
	for _, coding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		all = append(all, coding.EncodeToString([]byte(value)[:len(value)/3*3]))
		for i := 1; i <= 2; i++ {
			shifted := coding.EncodeToString([]byte(strings.Repeat("x", i) + value))
			all = append(all, shifted[4:len(shifted)-4])
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// between is what stands between the parts of a value that is wrapped or spaced out.
var between = strings.NewReplacer("\r", "", "\n", "", ":", "", " ", "")

// find names the canaries of a list that stand in a text, in any spelling.
func find(list []canary, text string) (found []canary) {
	text = strings.ReplaceAll(text, "\x00", "") // UTF-16
	close := between.Replace(text)
	low := strings.ToLower(close)
	for _, c := range list {
		if slices.ContainsFunc(c.forms, func(form string) bool { return strings.Contains(text, form) || strings.Contains(close, form) }) || strings.Contains(low, hex.EncodeToString([]byte(c.value))) {
			found = append(found, c)
		}
	}
	return found
}

// leaks describes the secrets in a text; empty if there are none.
func leaks(text string) string {
	var names []string
	for _, c := range find(secrets, text) {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}

// mayBeAt reports whether a canary may arrive where this Host is asked for.
func (c canary) mayBeAt(host string) bool {
	return slices.ContainsFunc(c.hosts, func(pattern string) bool {
		suffix, wild := strings.CutPrefix(pattern, "*")
		return host == pattern || wild && strings.HasSuffix(host, suffix)
	})
}
