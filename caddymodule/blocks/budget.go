package blocks

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/attache-proxy/attache/resolver/budget"
)

// Budget reads a line of budgets, which begins with budget or price, and adds it:
//
//	budget 1000 requests per day
//	price  input 3 output 15 per million tokens [<model>]
func Budget(d *caddyfile.Dispenser, into *[]string) error {
	*into = append(*into, strings.Join(append([]string{d.Val()}, d.RemainingArgs()...), " "))
	if err := budget.Check(*into); err != nil {
		return d.Errf("%v", err)
	}
	return nil
}
