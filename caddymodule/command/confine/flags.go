package confine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/caddymodule/command/process"
	"github.com/attache-proxy/attache/caddymodule/command/relay"
)

// AddFlags adds the options of a confined run.
func AddFlags(f *pflag.FlagSet) {
	f.String("confine", "", "Let the command have no way out but the proxy (Linux): require refuses to start it where that cannot be, best goes on")
	f.Lookup("confine").NoOptDefVal = "require"
	f.StringArray("rw", nil, "Confined: what the command may write besides its working directory (repeatable)")
	f.StringArray("ro", nil, "Confined: what it may read besides the system (repeatable)")
	f.StringArray("hide", nil, "Confined: what it is not to see of all that (repeatable)")
	f.StringArray("keep-env", nil, "Confined: a variable that stays although its name looks like a credential's (repeatable)")
	f.String("max-procs", "4096", "Confined: how many processes and threads it may have; 0 for no bound")
	f.String("max-disk", "2G", "Confined: how much it may write to its home and its temporary files, which are in memory")
}

// options are those that were given.
type options struct {
	best              bool
	rw, ro, hide      []string
	maxProcs, maxDisk uint64
	verbose           bool
	tokenFile         string
	launchKey         string
}

// Prepare reports whether a run is to be confined, and makes the request one of such a
// run: its clients find the proxy inside, and of the environment what looks like a
// credential is gone, so that placeholders take its place.
func Prepare(f *pflag.FlagSet, r *client.Request) (bool, error) {
	confined, err := asked(f)
	if !confined || err != nil {
		return confined, err
	}
	kept, _ := f.GetStringArray("keep-env")
	var left []string
	r.Environ, left = withoutSecrets(r.Environ, func(name string) bool { return slices.Contains(kept, name) })
	if verbose, _ := f.GetBool("verbose"); verbose && len(left) > 0 {
		fmt.Fprintf(os.Stderr, "left out of its environment: %s\n", strings.Join(left, ", "))
	}
	r.Through = RelayURL()
	return true, nil
}

// asked reads --confine.
func asked(f *pflag.FlagSet) (bool, error) {
	how, _ := f.GetString("confine")
	switch how {
	case "require", "best":
		return true, nil
	case "":
		for _, name := range []string{"rw", "ro", "hide", "keep-env", "max-procs", "max-disk"} {
			if f.Changed(name) {
				return false, fmt.Errorf("--%s is for a confined run: add --confine", name)
			}
		}
		return false, nil
	}
	return false, fmt.Errorf("--confine=%s: want require or best", how)
}

func read(f *pflag.FlagSet) (o options, err error) {
	how, _ := f.GetString("confine")
	o.best = how == "best"
	o.rw, _ = f.GetStringArray("rw")
	o.ro, _ = f.GetStringArray("ro")
	o.hide, _ = f.GetStringArray("hide")
	o.verbose, _ = f.GetBool("verbose")
	o.tokenFile, _ = f.GetString("token-file")
	o.launchKey, _ = f.GetString("launch-key")
	procs, _ := f.GetString("max-procs")
	if o.maxProcs, err = strconv.ParseUint(procs, 10, 32); err != nil {
		return o, fmt.Errorf("--max-procs %s: want a number", procs)
	}
	disk, _ := f.GetString("max-disk")
	if o.maxDisk, err = size(disk); err != nil {
		return o, fmt.Errorf("--max-disk %s: %w", disk, err)
	}
	if off, _ := f.GetBool("no-relay"); off {
		return o, errors.New("--no-relay puts the agent's token into the command's variables; with --confine it stays outside")
	}
	return o, nil
}

// size reads 500M or 2G.
func size(text string) (uint64, error) {
	units := map[string]uint{"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
	digits := strings.TrimRight(text, "KMGTkmgt")
	shift, ok := units[strings.ToUpper(text[len(digits):])]
	n, err := strconv.ParseUint(digits, 10, 32)
	if !ok || err != nil || n<<shift < 1<<20 {
		return 0, errors.New("want at least 1M, such as 500M or 2G")
	}
	return n << shift, nil
}

// Start runs the command of the options; see Run. Never are the proxy's files; over is
// Command.Over.
func Start(cmd *cobra.Command, r client.Request, env *client.Environment, to relay.Proxy, never []string, path string, args []string, over func()) error {
	o, err := read(cmd.Flags())
	if err != nil {
		return process.Unready{Err: err}
	}
	dir, err := os.Getwd()
	if err != nil {
		return process.Unready{Err: fmt.Errorf("the working directory: %w", err)}
	}
	if path, err = filepath.Abs(path); err != nil {
		return process.Unready{Err: err}
	}
	config, _ := cmd.Flags().GetString("config")
	never = anchored(slices.Concat(notEmpty(o.tokenFile), notEmpty(o.launchKey), never), dir, filepath.Join(dir, filepath.Dir(config)), filepath.Dir(config))
	bundle, err := os.ReadFile(r.Files.Bundle)
	if err != nil {
		return process.Unready{Err: err}
	}
	return Run(Command{
		Files: Files{
			Dir: dir, Home: os.Getenv("HOME"), Path: os.Getenv("PATH"), ReadWrite: o.rw, ReadOnly: o.ro, Hide: o.hide,
			Trust: []string{filepath.Dir(r.Files.Bundle)}, Never: never,
		},
		Path: path, Args: args, Env: env.Apply(r.Environ), Bundle: bundle, Proxy: to,
		MaxDisk: o.maxDisk, MaxProcs: o.maxProcs, Best: o.best, Verbose: o.verbose, Over: over,
		Say: func(line string) { fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", cmd.CommandPath(), line) },
	})
}

func notEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}
