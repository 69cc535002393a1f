package rules

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/providers/printable"
	"github.com/attache-proxy/attache/resolver/reach"
	"github.com/attache-proxy/attache/resolver/rule"
)

// difference is what --json prints.
type difference struct {
	Connector string   `json:"connector,omitempty"`
	Adds      []change `json:"adds"`
	Takes     []change `json:"takes"`
}

type change struct {
	Does      string   `json:"does"`
	Effects   []string `json:"effects,omitempty"`
	Resources []string `json:"resources,omitempty"`
	Was       string   `json:"was"`
	Is        string   `json:"is"`
	Rule      string   `json:"rule,omitempty"`
}

func (r Room) diff() *cobra.Command {
	cmd := &cobra.Command{
		Use: "diff OLD NEW", Short: "Says what reach a change of rules adds; exit code 1 if it adds some", Args: cobra.ExactArgs(2),
		Long: `
Compares two files of rules, each a rule a line or a grant as the Caddyfile has
it, and says what the new one permits that the old one did not, and what it takes
away. It goes through every operation of the connector's table, and through
examples of what the patterns of both may match: globs match more than can be
listed, so read the rules as well. The exit code is 1 if something is added.

  attache grants diff old.rules new.rules --connector github
`,
	}
	cmd.Flags().String("connector", "", "Whose service, by key (default: the grant's in the files)")
	cmd.Flags().Bool("json", false, "Print as JSON")
	r.Flags(cmd)
	cmd.RunE = r.Told(r.runDiff)
	return cmd
}

func (r Room) runDiff(cmd *cobra.Command, args []string) error {
	key, _ := cmd.Flags().GetString("connector")
	var files [2]File
	for i, name := range args {
		var err error
		if files[i], err = Read(name, cmd.InOrStdin()); err != nil {
			return err
		}
		if key == "" {
			key = files[i].Connector
		}
	}
	index, err := r.table(cmd, key)
	if err != nil {
		return err
	}
	var sets [2]*rule.Set
	for i, f := range files {
		var table operations.Table
		if index != nil && i == 1 { // the old one may name what is gone
			table = index
		}
		if sets[i], err = rule.New(f.Rules, table); err != nil {
			return fmt.Errorf("%s: %w", args[i], err)
		}
		if f.Reading {
			sets[i] = sets[i].OnlyReading()
		}
	}
	var known []operations.Operation
	if index != nil {
		entries := index.Entries()
		for i := range entries {
			known = append(known, operations.Operation{Name: entries[i].Name, Effect: entries[i].Effect})
		}
	}
	out := difference{Connector: key, Adds: []change{}, Takes: []change{}}
	for _, c := range reach.Diff(sets[0], sets[1], known) {
		shown := change{c.Does, c.Effects, c.Resources, c.Was.String(), c.Is.String(), c.Rule}
		if c.Adds() {
			out.Adds = append(out.Adds, shown)
		} else {
			out.Takes = append(out.Takes, shown)
		}
	}
	if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
		err = r.JSON(cmd, out)
	} else {
		err = out.print(cmd)
	}
	if err == nil && len(out.Adds) > 0 {
		return r.Quiet(1)
	}
	return err
}

// table is the connector's; nil where none is named or it has none.
func (r Room) table(cmd *cobra.Command, key string) (*operations.Index, error) {
	if key == "" {
		return nil, nil
	}
	list, err := r.Load(cmd, key)
	if err != nil {
		return nil, err
	}
	index, _ := list[0].Operations().(*operations.Index)
	return index, nil
}

func (d *difference) print(cmd *cobra.Command) error {
	if len(d.Adds)+len(d.Takes) == 0 {
		fmt.Fprintln(cmd.OutOrStdout(), "Nothing that was compared changes.")
		return nil
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tWHAT\tEFFECT\tON\tWAS\tIS\tBY")
	rows(w, "+", d.Adds)
	rows(w, "-", d.Takes)
	return w.Flush()
}

func rows(w *tabwriter.Writer, sign string, list []change) {
	or := func(list []string, otherwise string) string {
		if len(list) == 0 {
			return otherwise
		}
		return strings.Join(list, " ")
	}
	for _, c := range list {
		by := "no rule"
		if c.Rule != "" {
			by = c.Rule
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", sign, printable.Line(c.Does), or(c.Effects, "any"), printable.Line(or(c.Resources, "any")), c.Was, c.Is, printable.Line(by))
	}
}
