package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/resolver/vault"
)

// Admin is `attache admin`.
var Admin = caddycmd.Command{
	Name: "admin", Usage: "token create|list|delete",
	Short: "Makes tokens for the REST API",
	Long: `	attache admin token create --name laptop --role admin

prints a token, alone, on standard output. Roles: viewer, operator, admin.`,
	CobraFunc: func(c *cobra.Command) {
		token := &cobra.Command{Use: "token", Short: "Tokens for the REST API"}
		token.AddCommand(createTokenCommand(), listTokensCommand(), deleteTokenCommand())
		c.AddCommand(token)
	},
}

func createTokenCommand() *cobra.Command {
	var name, role, org string
	var life time.Duration
	c := withVault("create", "Makes a token and prints it, this once", cobra.NoArgs, func(c *cobra.Command, v *vault.Vault, _ []string) error {
		var end time.Time
		if c.Flags().Changed("expires-in") {
			if life <= 0 {
				return fmt.Errorf("--expires-in %v: want how long the token works, such as 720h; leave it out for a token that does not end", life)
			}
			end = time.Now().Add(life)
		}
		_, token, err := v.System().CreateAdminToken(context.Background(), name, vault.Role(role), org, end)
		if errors.Is(err, vault.ErrExists) {
			return fmt.Errorf("there is a token called %s already; choose another --name, or end that one: attache admin token list, attache admin token delete", name)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.OutOrStdout(), token.Reveal())
		return err
	})
	c.Flags().StringVar(&name, "name", "", "what the token is for; unique")
	c.Flags().StringVar(&role, "role", "admin", "viewer, operator or admin")
	c.Flags().StringVar(&org, "organisation", vault.All, "the one organisation that it sees; default all")
	c.Flags().DurationVar(&life, "expires-in", 0, "how long it works; default for ever")
	_ = c.MarkFlagRequired("name")
	return c
}

func listTokensCommand() *cobra.Command {
	return withVault("list", "Lists the tokens, without the tokens themselves", cobra.NoArgs, func(c *cobra.Command, v *vault.Vault, _ []string) error {
		page := vault.Page{Limit: 500}
		for {
			l, err := v.System().AdminTokens(context.Background(), page)
			if err != nil {
				return err
			}
			for _, t := range l.Items {
				fmt.Fprintf(c.OutOrStdout(), "%s\t%s\t%s\t%s\t%s\n", t.ID, t.Name, t.Role, t.Organisation, t.Hint)
			}
			if page.After = l.Next; page.After == "" {
				return nil
			}
		}
	})
}

func deleteTokenCommand() *cobra.Command {
	return withVault("delete ID", "Ends a token at once", cobra.ExactArgs(1), func(_ *cobra.Command, v *vault.Vault, args []string) error {
		return v.System().DeleteAdminToken(context.Background(), args[0])
	})
}
