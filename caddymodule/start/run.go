// Package start is `attache run`: Caddy's run, which takes the built-in example
// where there is no configuration, does not start beside another process on the
// same ports, and on a terminal says in six lines what a person wants to know.
package start

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

const (
	short = "Runs the proxy until it is stopped"
	long  = `
Runs the proxy with the configuration of --config, or of ./Caddyfile. Where there
is neither it runs the built-in example: a proxy for one agent on
http://127.0.0.1:8080, the dashboard on http://127.0.0.1:8081/ui/, the vault and
its key in the data directory, Caddy's admin API off.

On a terminal it prints where everything is, with a link that signs you in to the
dashboard, and the log goes to a file beside the vault; --log keeps it on the
terminal. Elsewhere the log goes to standard error, as it always does where the
configuration has a log of its own.

It does not start on ports that another process has, and says which process that
is. Signals: TERM and INT stop it, USR1 reads the configuration again.

Examples:

  attache run
  attache run --config Caddyfile
  attache run --config Caddyfile --watch
`
)

// exampleAt is where the built-in example is written to, at each start that uses it.
func exampleAt() string { return filepath.Join(caddy.AppDataDir(), "attache", "example.caddyfile") }

// Over makes `attache run` of Caddy's run: its options, and ours.
func Over(cmd *cobra.Command, example []byte) {
	cmd.Use, cmd.Short, cmd.Long = "run [--config FILE] [flags]", short, long
	cmd.Args = cobra.NoArgs
	f := cmd.Flags()
	f.Bool("log", false, "Keep the log on the terminal")
	f.Bool("share-ports", false, "Start even where another process has the ports: both get connections")
	_ = f.MarkHidden("pingback")
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := prepare(cmd, example); err != nil {
			cmd.SilenceErrors = true
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: %v\n", cmd.CommandPath(), err)
			return err
		}
		return run(cmd, args)
	}
}

// prepare chooses the configuration, looks at its ports, and sees to what a
// terminal shows. What is wrong with the configuration itself, Caddy says.
func prepare(cmd *cobra.Command, example []byte) error {
	flag := func(name string) string { v, _ := cmd.Flags().GetString(name); return v }
	on := func(name string) bool { v, _ := cmd.Flags().GetBool(name); return v }
	file, adapter := flag("config"), flag("adapter")
	if on("resume") || file == "-" || file == "" && adapter != "" {
		return nil
	}
	if file == "" {
		file = "Caddyfile"
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			file, adapter = exampleAt(), "caddyfile"
			if err := writeExample(file, example); err != nil {
				return err
			}
		}
	}
	if adapter == "" && filepath.Ext(file) != ".json" {
		adapter = "caddyfile"
	}
	conf, err := adapted(file, adapter)
	if err != nil {
		return nil // Caddy finds it again, and says it in its own way
	}
	facts := read(conf)
	if !on("share-ports") {
		if err := facts.free(); err != nil {
			return err
		}
	}
	if term.IsTerminal(int(os.Stderr.Fd())) && !on("log") && flag("pingback") == "" {
		if !facts.ownLog {
			facts.log = logFile()
			adapter = quietly(adapter)
		}
		go facts.welcome(cmd.ErrOrStderr())
	}
	_ = cmd.Flags().Set("config", file)
	return cmd.Flags().Set("adapter", adapter)
}

// writeExample writes the example anew: it is the program's, not the user's.
func writeExample(file string, example []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("the data directory: %w", err)
	}
	head := "# Written anew at each start of `attache run`: copy it, edit the copy, and say\n# attache run --config COPY.\n\n"
	return os.WriteFile(file, append([]byte(head), example...), 0o600)
}

// adapted is a configuration in JSON.
func adapted(file, adapter string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil || adapter == "" {
		return text, err
	}
	a := caddyconfig.GetAdapter(adapter)
	if a == nil {
		return nil, fmt.Errorf("there is no adapter %q", adapter)
	}
	text, _, err = a.Adapt(text, map[string]any{"filename": file})
	return text, err
}
