package caddymodule

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/term"

	"github.com/attache-proxy/attache/resolver/vault"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name: "vault", Usage: "keygen|status|rotate|export|import",
		Short: "Looks after the vault: keys, backups, state",
		Long: `Works on the vault of a configuration file (--config, default ./Caddyfile), or
on the default one where there is no such file. The proxy may run meanwhile.

	attache vault keygen > /run/secrets/attache.key
	attache vault status
	attache vault export --out backup.ndjson
	attache vault import backup.ndjson`,
		CobraFunc: func(c *cobra.Command) {
			c.AddCommand(keygenCommand(), statusCommand(), rotateCommand(), exportCommand(), importCommand())
		},
	})
	caddycmd.RegisterCommand(caddycmd.Command{
		Name: "admin", Usage: "token create|list|delete",
		Short: "Makes tokens for the REST API",
		Long: `	attache admin token create --name laptop --role admin

prints a token, alone, on standard output. Roles: viewer, operator, admin.`,
		CobraFunc: func(c *cobra.Command) {
			token := &cobra.Command{Use: "token", Short: "Tokens for the REST API"}
			token.AddCommand(createTokenCommand(), listTokensCommand(), deleteTokenCommand())
			c.AddCommand(token)
		},
	})
}

// withVault makes a command that works on the vault of --config.
func withVault(use, short string, args cobra.PositionalArgs, run func(c *cobra.Command, v *vault.Vault, args []string) error) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: args, SilenceUsage: true}
	c.Flags().String("config", "", "configuration file; default ./Caddyfile, where there is one")
	c.RunE = caddycmd.WrapCommandFuncForCobra(func(fl caddycmd.Flags) (int, error) {
		app, err := vaultConfigOf(fl.String("config"))
		if err != nil {
			return 1, err
		}
		if err := app.openVault(); err != nil {
			return 1, err
		}
		defer app.closeVault()
		if err := run(c, app.vault, c.Flags().Args()); err != nil {
			return 1, err
		}
		return 0, nil
	})
	return c
}

// vaultConfigOf reads the app's configuration, as far as the vault needs it.
func vaultConfigOf(file string) (*App, error) {
	app := &App{logger: zap.NewNop()}
	if file == "" {
		file = "Caddyfile"
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			app.Vault = &VaultConfig{Driver: "sqlite"}
			return app, nil
		}
	}
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if !json.Valid(src) {
		if src, _, err = caddyconfig.GetAdapter("caddyfile").Adapt(src, map[string]any{"filename": file}); err != nil {
			return nil, err
		}
	}
	var conf struct {
		Apps struct {
			Attache *App `json:"attache"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(src, &conf); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if conf.Apps.Attache == nil || conf.Apps.Attache.Vault == nil {
		return nil, fmt.Errorf("%s has no vault; write vault sqlite into the global attache option", file)
	}
	conf.Apps.Attache.logger = app.logger
	return conf.Apps.Attache, nil
}

func keygenCommand() *cobra.Command {
	var out string
	c := &cobra.Command{Use: "keygen", Short: "Prints a new key, or makes a key file", Args: cobra.NoArgs, SilenceUsage: true, RunE: func(c *cobra.Command, _ []string) error {
		if out != "" {
			_, _, err := vault.EnsureKeyFile(out)
			return err
		}
		_, err := fmt.Fprintln(c.OutOrStdout(), vault.NewKey().Reveal())
		return err
	}}
	c.Flags().StringVar(&out, "out", "", "file, made with mode 0600; one that is there stays as it is")
	return c
}

func statusCommand() *cobra.Command {
	return withVault("status", "Says what is in the vault and which keys seal it", cobra.NoArgs, func(c *cobra.Command, v *vault.Vault, _ []string) error {
		s, err := v.Status(context.Background())
		if err != nil {
			return err
		}
		enc := json.NewEncoder(c.OutOrStdout())
		enc.SetIndent("", "  ")
		return enc.Encode(s)
	})
}

// progress draws how far something is: a bar that is drawn over itself on a
// terminal, a line now and then in a file.
func progress(w io.Writer) func(vault.Progress) {
	const width = 40
	f, _ := w.(*os.File)
	terminal := f != nil && term.IsTerminal(int(f.Fd()))
	began, drawn := time.Now(), time.Time{}
	var first int64 // what an earlier run had done already
	return func(p vault.Progress) {
		if drawn.IsZero() {
			first = p.Done
		}
		every := 10 * time.Second
		if terminal {
			every = 100 * time.Millisecond
		}
		if now := time.Now(); now.Sub(drawn) >= every || p.Done == p.Total {
			drawn = now
		} else {
			return
		}
		end := "\n"
		if terminal {
			end = "\r"
		}
		fmt.Fprint(w, bar(p, width), rate(p.Done-first, time.Since(began)), end)
	}
}

// bar is such as [#####     ]  50 %  500 of 1000.
func bar(p vault.Progress, width int) string {
	part := 1.0
	if p.Total > 0 {
		part = min(1, float64(p.Done)/float64(p.Total))
	}
	full := int(part * float64(width))
	return fmt.Sprintf("[%s%s] %3.0f %%  %d of %d", strings.Repeat("#", full), strings.Repeat(" ", width-full), part*100, p.Done, p.Total)
}

func rate(done int64, took time.Duration) string {
	if done <= 0 || took < time.Second {
		return ""
	}
	return fmt.Sprintf("  %.0f/s", float64(done)/took.Seconds())
}

func rotateCommand() *cobra.Command {
	return withVault("rotate", "Seals everything with the first key; may be interrupted and repeated", cobra.NoArgs, func(c *cobra.Command, v *vault.Vault, _ []string) error {
		err := v.Rotate(context.Background(), progress(c.ErrOrStderr()))
		fmt.Fprintln(c.ErrOrStderr())
		return err
	})
}

func exportCommand() *cobra.Command {
	var out string
	var audit bool
	c := withVault("export", "Writes everything to a file, secrets sealed as they are", cobra.NoArgs, func(c *cobra.Command, v *vault.Vault, _ []string) error {
		w := c.OutOrStdout()
		if out != "" {
			f, err := os.OpenFile(out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if err != nil {
				return err
			}
			defer f.Close()
			w = f
		}
		err := v.Export(context.Background(), w, audit, progress(c.ErrOrStderr()))
		fmt.Fprintln(c.ErrOrStderr())
		return err
	})
	c.Flags().StringVar(&out, "out", "", "file, made anew with mode 0600; default standard output")
	c.Flags().BoolVar(&audit, "audit", false, "the audit events too")
	return c
}

func importCommand() *cobra.Command {
	return withVault("import FILE", "Reads an export; may be interrupted and repeated", cobra.ExactArgs(1), func(c *cobra.Command, v *vault.Vault, args []string) error {
		f, err := os.Open(args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		total, err := countLines(f)
		if err != nil {
			return err
		}
		done, err := v.Import(context.Background(), f, vault.ImportOptions{Name: args[0], Total: total, Report: progress(c.ErrOrStderr())})
		fmt.Fprintln(c.ErrOrStderr())
		if err != nil {
			return err
		}
		return json.NewEncoder(c.OutOrStdout()).Encode(done)
	})
}

// countLines counts the lines that are not empty, and goes back to the start.
// What cannot go back, a pipe, has 0.
func countLines(f *os.File) (n int64, err error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, nil
	}
	in := bufio.NewReaderSize(f, 1<<20)
	for blank := true; ; {
		part, err := in.ReadSlice('\n')
		blank = blank && len(bytes.TrimSpace(part)) == 0
		if err == bufio.ErrBufferFull {
			continue
		}
		if !blank {
			n++
		}
		blank = true
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
	}
	_, err = f.Seek(0, io.SeekStart)
	return n, err
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
