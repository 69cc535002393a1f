package blocks

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/attache-proxy/attache/resolver/rule"
)

// Rule is a line of a grant as a rule. Behind when stands a condition: all of it in
// backquotes, or its words, with the quotes that it has.
func Rule(d *caddyfile.Dispenser) string {
	words := []string{d.Val()}
	for d.NextArg() {
		if d.Val() != "when" || d.Token().Quoted() {
			words = append(words, d.Val())
			continue
		}
		var condition []string
		for d.NextArg() {
			condition = append(condition, d.ValRaw())
		}
		return rule.Line(words) + " when " + strings.Join(condition, " ")
	}
	return rule.Line(words)
}
