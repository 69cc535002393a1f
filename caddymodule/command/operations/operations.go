// Package operations is `attache connectors operations` and `attache connectors operation`:
// what requests to a service do.
package operations

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/providers/printable"
)

// Room is what the command line lends.
type Room struct {
	// Load compiles one connector.
	Load func(cmd *cobra.Command, keys ...string) ([]*providers.Connector, error)
	// Told wraps what runs; JSON prints.
	Told func(func(*cobra.Command, []string) error) func(*cobra.Command, []string) error
	JSON func(cmd *cobra.Command, v any) error
	// Flags adds those of Load.
	Flags func(cmd *cobra.Command)
}

// Commands are those of the room.
func Commands(r Room) []*cobra.Command { return []*cobra.Command{r.list(), r.find()} }

// listing is what --json prints.
type listing struct {
	Connector  string              `json:"connector"`
	Checked    string              `json:"checked,omitempty"`
	Sources    []operations.Source `json:"sources,omitempty"`
	Operations []operations.Shown  `json:"operations"`
}

func (r Room) list() *cobra.Command {
	cmd := &cobra.Command{
		Use: "operations [KEY [WORD]]", Short: "Lists what requests to a service do; without a key, the services of which it is known", Args: cobra.MaximumNArgs(2),
		Long: `
Lists the operations of a connector: names, effects, methods and paths. With a
word, those whose name or path has it, or whose effect it is. Without a key, the
connectors that have a table, and where the tables come from.

  attache connectors operations github
  attache connectors operations github delete
  attache connectors operations github --json
  attache connectors operations
`,
	}
	cmd.Flags().Bool("json", false, "Print as JSON")
	r.Flags(cmd)
	cmd.RunE = r.Told(func(cmd *cobra.Command, args []string) error {
		asJSON, _ := cmd.Flags().GetBool("json")
		if len(args) == 0 {
			return r.tables(cmd, asJSON)
		}
		c, x, err := r.index(cmd, args[0])
		if err != nil {
			return err
		}
		out := listing{Connector: c.Key, Operations: []operations.Shown{}}
		out.Checked, out.Sources = from(c)
		entries := x.Entries()
		for i := range entries {
			if s := entries[i].Show(); len(args) < 2 || s.Mentions(args[1]) {
				out.Operations = append(out.Operations, s)
			}
		}
		if asJSON {
			return r.JSON(cmd, out)
		}
		if len(out.Operations) == 0 {
			return fmt.Errorf("no operation of %s is like %q", c.Key, args[1])
		}
		return out.print(cmd.OutOrStdout())
	})
	return cmd
}

func (l *listing) print(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "OPERATION\tEFFECT\tMETHOD\tPATH")
	for _, s := range l.Operations {
		path := s.Path
		if len(s.Hosts) > 0 {
			path = s.Hosts[0] + path
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", printable.Line(s.Name), s.Effect, s.Method, printable.Line(path))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, s := range l.Sources {
		fmt.Fprintf(to, "from %s, checked %s\n", s, l.Checked)
	}
	return nil
}

// from says where a connector's table comes from; nothing where it is of its own.
func from(c *providers.Connector) (string, []operations.Source) {
	built, err := operations.BuiltIn()
	if err != nil {
		return "", nil
	}
	for _, key := range c.Tables() {
		if sources := built.SourcesOf(key); sources != nil {
			return built.Checked, sources
		}
	}
	return "", nil
}

// index is a connector's table.
func (r Room) index(cmd *cobra.Command, key string) (*providers.Connector, *operations.Index, error) {
	all, err := r.Load(cmd, key)
	if err != nil {
		return nil, nil, err
	}
	x, _ := all[0].Operations().(*operations.Index)
	if x == nil {
		return nil, nil, fmt.Errorf("no table of operations is built in for %s: give it one of its own (operations: ./openapi.yaml in a connector's file)", all[0].Key)
	}
	return all[0], x, nil
}

// tables lists the tables that are built in.
func (r Room) tables(cmd *cobra.Command, asJSON bool) error {
	built, err := operations.BuiltIn()
	if err != nil {
		return err
	}
	type table struct {
		Connector  string              `json:"connector"`
		Operations int                 `json:"operations"`
		Checked    string              `json:"checked"`
		Sources    []operations.Source `json:"sources"`
	}
	out := []table{}
	for _, key := range built.Keys() {
		out = append(out, table{key, built.Tables[key].Operations, built.Checked, built.SourcesOf(key)})
	}
	if asJSON {
		return r.JSON(cmd, out)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CONNECTOR\tOPERATIONS\tCHECKED\tFROM")
	for _, t := range out {
		names := make([]string, len(t.Sources))
		for i, s := range t.Sources {
			names[i] = s.String()
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", t.Connector, t.Operations, t.Checked, strings.Join(names, ", "))
	}
	return w.Flush()
}

func (r Room) find() *cobra.Command {
	cmd := &cobra.Command{
		Use: "operation KEY METHOD PATH", Short: "Says what a request does: its operation, effect and resource", Args: cobra.ExactArgs(3),
		Long: `
Says which operation of the connector's table a request is. The path is as in a
URL, with the query where there is one; a whole URL says the host, too.

  attache connectors operation github POST /repos/acme/site/issues
  attache connectors operation aws PUT 'https://s3.amazonaws.com/bucket/key?acl'
  attache connectors operation aws ACTION https://dynamodb.us-east-1.amazonaws.com/GetItem

What a body says (GraphQL, MCP, forms) is not seen here: attache grants explain.
`,
	}
	cmd.Flags().Bool("json", false, "Print as JSON")
	r.Flags(cmd)
	cmd.RunE = r.Told(func(cmd *cobra.Command, args []string) error {
		c, x, err := r.index(cmd, args[0])
		if err != nil {
			return err
		}
		u, err := url.Parse(args[2])
		if err != nil || !strings.HasPrefix(u.EscapedPath(), "/") {
			return errors.New("want a path that begins with /, or a URL")
		}
		op, ok := x.At(strings.ToLower(u.Hostname()), args[1], u.EscapedPath(), u.RawQuery)
		switch {
		case !ok:
			return fmt.Errorf("%s has no operation %s %s", c.Key, printable.Line(args[1]), printable.Line(args[2]))
		case op.Name == "":
			return errors.New("the path can be read in ways that are different operations: give the whole URL, without dots and encoded slashes in the path")
		}
		if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
			return r.JSON(cmd, map[string]string{"name": op.Name, "effect": op.Effect.String(), "resource": op.Resource})
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s  %s", printable.Line(op.Name), op.Effect)
		if op.Resource != "" {
			fmt.Fprintf(cmd.OutOrStdout(), "  on %s", printable.Line(op.Resource))
		}
		fmt.Fprintln(cmd.OutOrStdout())
		return nil
	})
	return cmd
}
