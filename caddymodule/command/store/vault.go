// Package store is the commands that open the vault themselves: keys, backups, admin
// tokens.
package store

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/attache-proxy/attache/caddymodule/config"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Vault is `attache vault`.
var Vault = caddycmd.Command{
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
}

// facts are what of a configuration the vault needs.
type facts struct {
	Vault *config.Vault `json:"vault"`
	Key   []string      `json:"key"`
	Audit config.Audit  `json:"audit"`
}

// Nearby opens the vault of ./Caddyfile, or else the default one, where it is a file of
// this machine that is there already; nil where there is none that we can read.
func Nearby() *vault.Vault {
	for _, app := range []func() (*facts, error){func() (*facts, error) { return vaultConfigOf("") }, func() (*facts, error) { return defaultVault, nil }} {
		f, err := app()
		if err != nil || f.Vault.Driver != "sqlite" {
			continue
		}
		place, err := f.Vault.Place()
		if err != nil {
			continue
		}
		if _, err := os.Stat(place); err != nil {
			continue
		}
		if v, err := f.open(); err == nil {
			return v
		}
	}
	return nil
}

// defaultVault is that of a configuration which says vault sqlite and nothing more.
var defaultVault = &facts{Vault: &config.Vault{Driver: "sqlite"}}

// withVault makes a command that works on the vault of --config.
func withVault(use, short string, args cobra.PositionalArgs, run func(c *cobra.Command, v *vault.Vault, args []string) error) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: args, SilenceUsage: true}
	c.Flags().String("config", "", "configuration file; default ./Caddyfile, where there is one")
	c.RunE = caddycmd.WrapCommandFuncForCobra(func(fl caddycmd.Flags) (int, error) {
		v, err := Open(fl.String("config"))
		if err != nil {
			return 1, err
		}
		defer func() { _ = v.Close() }()
		if err := run(c, v, c.Flags().Args()); err != nil {
			return 1, err
		}
		return 0, nil
	})
	return c
}

// Open opens the vault of a configuration file, or of ./Caddyfile, or the
// default one.
func Open(file string) (*vault.Vault, error) {
	app, err := vaultConfigOf(file)
	if err != nil {
		return nil, err
	}
	return app.open()
}

func (app *facts) open() (*vault.Vault, error) {
	place, err := app.Vault.Place()
	if err != nil {
		return nil, err
	}
	log := zap.NewNop()
	keys, err := app.Vault.Keys(app.Key, place, log)
	if err != nil {
		return nil, err
	}
	return app.Vault.Open(place, keys, app.Audit, log)
}

// vaultConfigOf reads the app's configuration, as far as the vault needs it.
func vaultConfigOf(file string) (*facts, error) {
	if file == "" {
		file = "Caddyfile"
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			return defaultVault, nil
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
			Attache *facts `json:"attache"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(src, &conf); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if conf.Apps.Attache == nil || conf.Apps.Attache.Vault == nil {
		return nil, fmt.Errorf("%s has no vault; write vault sqlite into the global attache option", file)
	}
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
