package caddymodule

import (
	"context"
	"slices"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
)

// signingKeys lists the private keys of accounts whose public halves services look up:
// those of the configuration file, and active ones of the vault.
func (a *App) signingKeys(ctx context.Context) ([]secret.Value, error) {
	const field = "private_key"
	var keys []secret.Value
	inUse := new(bool) // accounts in test mode sign nothing that services see
	for _, acct := range a.accounts {
		if acct.Option.KeyDirectory {
			keys = append(keys, acct.Fields.Get(field))
		}
	}
	for _, c := range a.resolver.Index().Connectors() {
		if !slices.ContainsFunc(c.Options, func(o *providers.Option) bool { return o.KeyDirectory }) {
			continue
		}
		for after := ""; ; {
			l, err := a.vault.System().Accounts(ctx, vault.AccountFilter{Connector: c.Key, States: []vault.State{vault.Active}, TestMode: inUse}, vault.Page{After: after, Limit: 100})
			if err != nil {
				return nil, err
			}
			for _, row := range l.Items {
				if o, ok := c.Option(row.Option); !ok || !o.KeyDirectory {
					continue
				}
				u, err := a.vault.Unseal(ctx, row.ID)
				if err != nil {
					return nil, err
				}
				keys = append(keys, u.Credential.Fields.Get(field))
			}
			if after = l.Next; after == "" {
				break
			}
		}
	}
	return keys, nil
}
