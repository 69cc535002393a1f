package confine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/caddymodule/command/process"
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
	best               bool
	rw, ro, hide, keep []string
	maxProcs, maxDisk  uint64
	verbose            bool
	tokenFile          string
}

// Asked reports whether a run is to be confined.
func Asked(f *pflag.FlagSet) (bool, error) {
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
	o.keep, _ = f.GetStringArray("keep-env")
	o.verbose, _ = f.GetBool("verbose")
	o.tokenFile, _ = f.GetString("token-file")
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

// Build is the command of the options. The environment is what it gets, before names
// that look like credentials are taken out: what it has because of us stays.
func Build(f *pflag.FlagSet, r client.Request, env *client.Environment, path string, args []string) (c Command, err error) {
	o, err := read(f)
	if err != nil {
		return c, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return c, fmt.Errorf("the working directory: %w", err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return c, err
	}
	bundle, err := os.ReadFile(r.Files.Bundle)
	if err != nil {
		return c, err
	}
	return Command{
		Files: Files{
			Dir: dir, Home: os.Getenv("HOME"), Path: os.Getenv("PATH"), ReadWrite: o.rw, ReadOnly: o.ro, Hide: o.hide,
			Trust: []string{filepath.Dir(r.Files.Bundle)}, Never: notEmpty(o.tokenFile),
		},
		Path: path, Args: args, Env: env.Apply(r.Environ), Bundle: bundle,
		Keep: func(name string) bool {
			_, set := env.Set[name]
			_, nameless := env.Nameless[name]
			return set || nameless || slices.Contains(o.keep, name)
		},
		MaxDisk: o.maxDisk, MaxProcs: o.maxProcs, Best: o.best, Verbose: o.verbose,
	}, nil
}

func notEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// Code is the exit code of what Run returned that is no process.Ended.
func Code(err error) int {
	var no *NotStarted
	if errors.As(err, &no) {
		return process.Code(err)
	}
	return process.Ours
}

var placeholders = regexp.MustCompile(`\{file\.([^{}]+)\}`)

// FilesOf are the files from which a configuration takes secrets.
func FilesOf(text []byte) (all []string) {
	for _, m := range placeholders.FindAllSubmatch(text, -1) {
		all = append(all, string(m[1]))
	}
	return all
}
