package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/caddymodule/config"
)

var caCommand = caddycmd.Command{
	Name:  "ca",
	Usage: "[print|bundle|truststore|export|instructions] [--out FILE] [flags]",
	Short: "Prints or exports the certificate that clients must trust",
	Long: `
Prints the root certificate from which the proxy's certificates for intercepted
connections come, in PEM. It comes from the running proxy or, where none runs,
from the storage of this user's Caddy (or that of --config).

Trust it in the agent's environment (attache exec and attache env do), not in
the system's store: whoever trusts it trusts whoever has this proxy's key.

Examples:

  attache ca
  attache ca --out attache.pem
  attache ca bundle --out bundle.pem          # with the system's roots
  attache ca truststore --out truststore.p12  # the same for Java
  attache ca export --out /etc/attache/ca     # all three, for a container
  attache ca instructions python
`,
	CobraFunc: func(cmd *cobra.Command) {
		printing := func(cmd *cobra.Command) {
			proxyFlags(cmd)
			cmd.Flags().StringP("out", "o", "", "Write to this file instead of stdout")
			cmd.Args = cobra.NoArgs
		}
		printing(cmd)
		cmd.RunE = told(printCA)
		sub := func(use, short string, run func(*cobra.Command, []string) error, flags func(*cobra.Command)) {
			c := &cobra.Command{Use: use, Short: short, RunE: told(run)}
			flags(c)
			cmd.AddCommand(c)
		}
		sub("print", "Prints the root certificate (PEM)", printCA, printing)
		sub("bundle", "Prints the root certificate and the system's roots (PEM)", printBundle, printing)
		sub("truststore", "Writes the bundle as a PKCS#12 trust store for Java (password "+client.TrustStorePassword+")", printTrustStore, printing)
		sub("export --out DIR", "Writes ca.pem, bundle.pem and truststore.p12 into a directory", exportCA, func(c *cobra.Command) {
			proxyFlags(c)
			c.Flags().StringP("out", "o", "", "The directory")
			c.Args = cobra.NoArgs
		})
		sub("instructions [CLIENT]", "Says how a client is made to trust and use the proxy", printInstructions, func(c *cobra.Command) {
			c.Args = cobra.MaximumNArgs(1)
			c.ValidArgs = client.InstructionNames()
		})
	},
}

func printCA(cmd *cobra.Command, _ []string) error {
	pem, err := findCA(cmd)
	if err != nil {
		return err
	}
	return writeOut(cmd, pem)
}

func printBundle(cmd *cobra.Command, _ []string) error {
	pem, err := findCA(cmd)
	if err != nil {
		return err
	}
	return writeOut(cmd, client.Bundle(pem, client.SystemRoots(os.Environ())))
}

func printTrustStore(cmd *cobra.Command, _ []string) error {
	if out, _ := cmd.Flags().GetString("out"); out == "" && isTerminal(os.Stdout) {
		return errors.New("a trust store is binary; name a file: --out truststore.p12")
	}
	pem, err := findCA(cmd)
	if err != nil {
		return err
	}
	store, err := client.TrustStoreOf(pem, client.SystemRoots(os.Environ()))
	if err != nil {
		return err
	}
	return writeOut(cmd, store)
}

func exportCA(cmd *cobra.Command, _ []string) error {
	dir, _ := cmd.Flags().GetString("out")
	if dir == "" {
		return errors.New("which directory? --out DIR")
	}
	pem, err := findCA(cmd)
	if err != nil {
		return err
	}
	files, err := client.Export(dir, pem, client.SystemRoots(os.Environ()))
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s\n%s\n", files.CA, files.Bundle, files.TrustStore)
	return nil
}

func printInstructions(cmd *cobra.Command, args []string) error {
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	text, err := client.Instructions(name)
	if err != nil {
		return err
	}
	fmt.Fprint(cmd.OutOrStdout(), text)
	return nil
}

func writeOut(cmd *cobra.Command, content []byte) error {
	out, _ := cmd.Flags().GetString("out")
	if out == "" {
		_, err := cmd.OutOrStdout().Write(content)
		return err
	}
	return os.WriteFile(out, content, 0o644)
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// findCA is the certificate of --ca, of the running proxy, or of the storage.
func findCA(cmd *cobra.Command) ([]byte, error) {
	to, err := reach(cmd, os.Environ())
	if err != nil {
		return nil, err
	}
	if len(to.ca) > 0 {
		return to.ca, nil
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), askTimeout)
	defer cancel()
	pem, err := to.client.CA(ctx)
	if err == nil || cmd.Flags().Changed("proxy") { // it was that proxy's certificate that was asked for
		return pem, err
	}
	file := to.config.rootFile()
	stored, fileErr := os.ReadFile(file)
	if fileErr != nil {
		var e *client.Error
		if errors.As(err, &e) {
			return nil, &client.Error{Code: e.Code, Err: err, Msg: e.Msg + ", and there is no certificate in " + file, Next: e.Next}
		}
		return nil, err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s: %v; this is the certificate in %s\n", cmd.CommandPath(), err, file)
	return stored, nil
}

// rootFile is where Caddy keeps the root certificate of our authority. A nil
// receiver means that no configuration is known.
func (c *configFacts) rootFile() string {
	root, id := caddy.AppDataDir(), config.DefaultCA
	if c != nil {
		if c.storageRoot != "" {
			root = c.storageRoot
		}
		if c.app.CA != "" {
			id = c.app.CA
		}
	}
	id = strings.Map(func(r rune) rune { // one element of a path
		if r == '/' || r == '\\' {
			return '_'
		}
		return r
	}, id)
	return filepath.Join(root, "pki", "authorities", id, "root.crt")
}
