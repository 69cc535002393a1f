package blocks_test

import (
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/attache-proxy/attache/caddymodule/blocks"
	"github.com/attache-proxy/attache/resolver/rule"
)

// A rule is the same in a Caddyfile as anywhere else, with its condition.
func TestRule(t *testing.T) {
	for line, want := range map[string]string{
		`allow read`:                             `allow read`,
		`allow "mutation createIssue" on acme/*`: `allow "mutation createIssue" on acme/*`,
		`allow tools/call x when args.repo.startsWith("acme/")`:      `allow tools/call x when args.repo.startsWith("acme/")`,
		`allow tools/call x when args.repo == "acme/x" && true`:      `allow tools/call x when args.repo == "acme/x" && true`,
		"allow tools/call x when `args.repo == \"a b\" && {} == {}`": "allow tools/call x when `args.repo == \"a b\" && {} == {}`",
		"ask x wait 5m when has(args.a) # a comment":                 `ask x wait 5m when has(args.a)`,
	} {
		d := caddyfile.NewTestDispenser(line)
		d.Next()
		got := blocks.Rule(d)
		if got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
		if _, err := rule.New([]string{got}, nil); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}
