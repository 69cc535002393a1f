// Package runs is `attache runs`, and what keeps a run of attache exec going.
package runs

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/admin/runs"
	"github.com/attache-proxy/attache/caddymodule/client"
)

// Room is what the command line lends.
type Room struct {
	// Reach finds the REST API; end must be called when the last request is done.
	Reach func(at, tokenFile string) (api *client.API, end func(), err error)
	// Told wraps what runs; JSON prints.
	Told func(func(*cobra.Command, []string) error) func(*cobra.Command, []string) error
	JSON func(cmd *cobra.Command, v any) error
	// HowToReach ends the help.
	HowToReach string
}

// Command is the noun.
func (r Room) Command() caddycmd.Command {
	return caddycmd.Command{Name: "runs", Usage: "list|show|end", Short: "Runs of commands (attache exec)", Long: `
Each command that exec starts with an agent's token, or confined, is a run: with a
token of its own, which ends with it. See docs/confinement.md.

Examples:

  attache runs list --state running
  attache runs show run_0sgcas7
  attache audit --run run_0sgcas7
  attache runs end run_0sgcas7
` + r.HowToReach, CobraFunc: func(cmd *cobra.Command) {
		cmd.AddCommand(r.list(), r.one("show ID", "Shows a run", http.MethodGet), r.one("end ID", "Ends a run: its programs get no answers of connectors any more", http.MethodPost, "end"))
	}}
}

// command makes one that asks the REST API.
func (r Room) command(use, short string, args cobra.PositionalArgs, run func(cmd *cobra.Command, api *client.API, args []string) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: args}
	f := cmd.Flags()
	f.String("admin", "", "Where the REST API is (default: ATTACHE_ADMIN, else the one of Caddyfile.example)")
	f.String("token-file", "", "File with the admin token (default: the token in ATTACHE_ADMIN_TOKEN)")
	f.Bool("json", false, "Print the JSON of the REST API")
	cmd.RunE = r.Told(func(cmd *cobra.Command, args []string) error {
		api, end, err := r.Reach(flag(cmd, "admin"), flag(cmd, "token-file"))
		if err != nil {
			return err
		}
		defer end()
		return run(cmd, api, args)
	})
	return cmd
}

func flag(cmd *cobra.Command, name string) string { v, _ := cmd.Flags().GetString(name); return v }

func asJSON(cmd *cobra.Command) bool { v, _ := cmd.Flags().GetBool("json"); return v }

func (r Room) list() *cobra.Command {
	cmd := r.command("list", "Lists runs, the newest first", cobra.NoArgs, func(cmd *cobra.Command, api *client.API, _ []string) error {
		q := url.Values{}
		for option, name := range map[string]string{"state": "state", "agent": "agent_id", "user": "user"} {
			if v := flag(cmd, option); v != "" {
				q.Set(name, v)
			}
		}
		w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		all := []json.RawMessage{}
		for item, err := range client.List[runs.Run](cmd.Context(), api, client.Path("runs"), q) {
			if err != nil {
				return err
			}
			if all = append(all, item.JSON); asJSON(cmd) {
				continue
			}
			if len(all) == 1 {
				fmt.Fprintln(w, "ID\tSTATE\tAGENT\tPROGRAM\tUSER\tCONFINED\tBEGAN\tENDED\tCALLS\tREFUSALS")
			}
			fmt.Fprintln(w, strings.Join(cells(&item.Value), "\t"))
		}
		if asJSON(cmd) {
			return r.JSON(cmd, map[string]any{"items": all})
		}
		if len(all) == 0 {
			fmt.Fprintln(cmd.ErrOrStderr(), "There are none.")
		}
		return w.Flush()
	})
	cmd.Flags().String("state", "", "Only these: running, ended or lapsed")
	cmd.Flags().String("agent", "", "Only of this agent: its id (agt_…, or file:NAME)")
	cmd.Flags().String("user", "", "Only those that this user started")
	return cmd
}

func cells(x *runs.Run) []string {
	all := []string{x.ID, string(x.State), x.Agent, x.Program, x.User, yes(x.Confined), at(&x.BeganAt), at(x.EndedAt), fmt.Sprint(x.Calls), fmt.Sprint(x.Refusals)}
	for i, cell := range all {
		all[i] = cmp.Or(strings.TrimSpace(client.Printable(cell)), "-")
	}
	return all
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func at(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Local().Format(time.DateTime)
}

// one shows a run, or what became of it.
func (r Room) one(use, short, method string, path ...string) *cobra.Command {
	return r.command(use, short, cobra.ExactArgs(1), func(cmd *cobra.Command, api *client.API, args []string) error {
		item, err := client.Ask[runs.Run](cmd.Context(), api, method, client.Path(append([]string{"runs", args[0]}, path...)...), nil, nil)
		if err != nil {
			return err
		}
		if asJSON(cmd) {
			return r.JSON(cmd, item.JSON)
		}
		x := &item.Value
		for _, line := range [][2]string{
			{"run", x.ID}, {"state", string(x.State)}, {"agent", x.Agent}, {"program", x.Program}, {"user", x.User}, {"host", x.Host}, {"confined", yes(x.Confined)},
			{"began", at(&x.BeganAt)}, {"seen", at(&x.SeenAt)}, {"ended", at(x.EndedAt)}, {"why", x.Why}, {"calls", fmt.Sprint(x.Calls)}, {"refusals", fmt.Sprint(x.Refusals)},
		} {
			if line[1] != "" {
				fmt.Fprintf(cmd.OutOrStdout(), "%-10s %s\n", line[0], client.Printable(line[1]))
			}
		}
		return nil
	})
}
