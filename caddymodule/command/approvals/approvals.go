// Package approvals is `attache approvals`: what requests ask people about.
package approvals

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/admin/approvals"
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
	return caddycmd.Command{Name: "approvals", Usage: "list|watch|show|approve|deny|take-back", Short: "What requests ask people about (rules with ask)", Long: `
A rule of a grant may say ask: then a person decides on each such request, while it
waits or later. See docs/approvals.md.

Examples:

  attache approvals watch
  attache approvals show apr_0sgcas7
  attache approvals approve apr_0sgcas7
  attache approvals approve apr_0sgcas7 --for minutes
  attache approvals deny apr_0sgcas7 --reason "not before the release"
` + r.HowToReach, CobraFunc: func(cmd *cobra.Command) {
		cmd.AddCommand(r.list(), r.watch(), r.show(), r.approve(), r.deny("deny", "Says no to a request", "deny"), r.deny("take-back", "Takes back a yes that still stands", "take-back"))
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

// Proposals is the noun for rules that agents propose.
func (r Room) Proposals() caddycmd.Command {
	return caddycmd.Command{Name: "proposals", Usage: "list|show|accept|refuse", Short: "Rules that agents want in their grants", Long: `
An agent that was refused by the rules of its grant may propose the smallest rule
that would permit it. Nothing changes until somebody accepts. What the agent says
about it is unchecked. See docs/approvals.md.

Examples:

  attache proposals list
  attache proposals show apr_0sgcas7
  attache proposals accept apr_0sgcas7
  attache proposals accept apr_0sgcas7 --rule "ask issues/create on acme/site"
  attache proposals refuse apr_0sgcas7 --reason "comments are enough"
` + r.HowToReach, CobraFunc: func(cmd *cobra.Command) {
		cmd.AddCommand(r.listOf("proposal"), r.show(), r.accept(), r.deny("refuse", "Says no to a proposal", "deny"))
	}}
}

func (r Room) accept() *cobra.Command {
	cmd := r.command("accept ID", "Puts the proposed rule into the grant", cobra.ExactArgs(1), func(cmd *cobra.Command, api *client.API, args []string) error {
		body := map[string]string{"scope": "rule"}
		if rule := flag(cmd, "rule"); rule != "" {
			body["rule"] = rule
		}
		return r.answer(cmd, api, args[0], "approve", body)
	})
	cmd.Flags().String("rule", "", "Another rule in its place, which permits no more")
	return cmd
}

func flag(cmd *cobra.Command, name string) string { v, _ := cmd.Flags().GetString(name); return v }

func asJSON(cmd *cobra.Command) bool { v, _ := cmd.Flags().GetBool("json"); return v }

type approval = approvals.Approval

func (r Room) list() *cobra.Command { return r.listOf("request") }

// listOf lists those of a kind.
func (r Room) listOf(kind string) *cobra.Command {
	cmd := r.command("list", "Lists "+map[string]string{"request": "approvals", "proposal": "proposals"}[kind]+", the newest first", cobra.NoArgs, func(cmd *cobra.Command, api *client.API, _ []string) error {
		q := url.Values{"kind": {kind}}
		for option, name := range map[string]string{"state": "state", "agent": "agent_id", "connector": "connector"} {
			if v := flag(cmd, option); v != "" {
				q.Set(name, v)
			}
		}
		w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		all := []json.RawMessage{}
		for item, err := range client.List[approval](cmd.Context(), api, client.Path("approvals"), q) {
			if err != nil {
				return err
			}
			if all = append(all, item.JSON); asJSON(cmd) {
				continue
			}
			if len(all) == 1 {
				fmt.Fprintln(w, "ID\tSTATE\tAGENT\tACCOUNT\tWHAT\tEFFECT\tON\tASKED\tBY")
			}
			a := &item.Value
			for i, cell := range []string{a.ID, string(a.State), a.Agent, a.Connector + ":" + a.Account, what(a), a.Effect, a.Resource, a.RequestedAt.Local().Format(time.DateTime), a.DecidedBy} {
				if i > 0 {
					fmt.Fprint(w, "\t")
				}
				fmt.Fprint(w, cmp.Or(strings.TrimSpace(client.Printable(cell)), "-"))
			}
			fmt.Fprintln(w)
		}
		if asJSON(cmd) {
			return r.JSON(cmd, map[string]any{"items": all})
		}
		if len(all) == 0 {
			fmt.Fprintln(cmd.ErrOrStderr(), "There are none.")
		}
		return w.Flush()
	})
	cmd.Flags().String("state", "", "Only these: pending, approved, denied, expired, withdrawn or used")
	cmd.Flags().String("agent", "", "Only of this agent: its id (agt_…, or file:NAME)")
	cmd.Flags().String("connector", "", "Only of this connector")
	return cmd
}

// what it does, in a word.
func what(a *approval) string {
	if a.Kind == "proposal" {
		return a.Allows
	}
	return cmp.Or(a.Operation, a.Method+" "+a.URL)
}

func (r Room) show() *cobra.Command {
	return r.command("show ID", "Shows an approval, and what is in the request", cobra.ExactArgs(1), func(cmd *cobra.Command, api *client.API, args []string) error {
		item, err := client.Ask[approval](cmd.Context(), api, http.MethodGet, client.Path("approvals", args[0]), nil, nil)
		if err != nil {
			return err
		}
		return r.print(cmd, item)
	})
}

// print prints one approval: facts, and below them what is in the request.
func (r Room) print(cmd *cobra.Command, item client.Item[approval]) error {
	if asJSON(cmd) {
		return r.JSON(cmd, item.JSON)
	}
	a, out := &item.Value, cmd.OutOrStdout()
	say := func(name, value string) {
		if value != "" {
			fmt.Fprintf(out, "%-10s %s\n", name, client.Printable(value))
		}
	}
	say("approval", a.ID)
	say("state", strings.TrimSpace(string(a.State)+" "+string(a.Scope)))
	say("agent", a.Agent)
	say("does", what(a)+" ("+a.Effect+")")
	say("on", a.Resource)
	say("account", a.Connector+":"+a.Account)
	if a.Kind == "proposal" {
		say("proposes", a.Allows)
		say("in the way", cmp.Or(a.Rule, "no rule allows it"))
	} else {
		say("request", a.Method+" "+a.URL)
		say("rule", a.Rule)
	}
	say("asked", a.RequestedAt.Local().Format(time.DateTime))
	say("until", a.ExpiresAt.Local().Format(time.DateTime))
	say("by", a.DecidedBy)
	say("reason", a.Reason)
	if a.State == "pending" && a.Kind != "proposal" {
		scopes := make([]string, len(a.Scopes))
		for i, s := range a.Scopes {
			scopes[i] = string(s)
		}
		say("yes for", strings.Join(scopes, ", "))
		say("new rule", a.Allows)
	}
	p := a.Preview
	if p == nil {
		return nil
	}
	for _, q := range p.Query {
		say("parameter", q.Name+"="+q.Value)
	}
	for _, h := range p.Headers {
		say("header", h.Name+": "+h.Value)
	}
	say("note", p.Note)
	say("it says", p.Said)
	if p.Body != "" {
		fmt.Fprintln(out)
		for line := range strings.SplitSeq(strings.TrimRight(p.Body, "\r\n"), "\n") {
			fmt.Fprintln(out, "  "+client.Printable(strings.TrimSuffix(line, "\r")))
		}
	}
	return nil
}

func (r Room) approve() *cobra.Command {
	cmd := r.command("approve ID", "Says yes to a request", cobra.ExactArgs(1), func(cmd *cobra.Command, api *client.API, args []string) error {
		return r.answer(cmd, api, args[0], "approve", map[string]string{"scope": flag(cmd, "for")})
	})
	cmd.Flags().String("for", "once", "What it is good for: once, minutes (15 of them), resource (8 hours), or rule (in the grant, from now on)")
	return cmd
}

func (r Room) deny(use, short, path string) *cobra.Command {
	cmd := r.command(use+" ID", short, cobra.ExactArgs(1), func(cmd *cobra.Command, api *client.API, args []string) error {
		return r.answer(cmd, api, args[0], path, map[string]string{"reason": flag(cmd, "reason")})
	})
	cmd.Flags().String("reason", "", "What the agent is told")
	return cmd
}

func (r Room) answer(cmd *cobra.Command, api *client.API, id, path string, body any) error {
	item, err := client.Ask[approval](cmd.Context(), api, http.MethodPost, client.Path("approvals", id, path), nil, body)
	if err != nil {
		return err
	}
	if asJSON(cmd) {
		return r.JSON(cmd, item.JSON)
	}
	a := &item.Value
	fmt.Fprintln(cmd.OutOrStdout(), client.Printable(strings.TrimSpace(a.ID+" is "+string(a.State)+" "+string(a.Scope))+": "+what(a)+" of "+a.Agent))
	return nil
}

func (r Room) watch() *cobra.Command {
	cmd := r.command("watch", "Prints each request that asks, as it comes", cobra.NoArgs, func(cmd *cobra.Command, api *client.API, _ []string) error {
		w := &watcher{Room: r, cmd: cmd, api: api, seen: map[string]bool{}}
		return w.run(cmd.Context())
	})
	cmd.Long = "\nPrints the requests that wait for somebody, then each that comes, with what is in it, until it is interrupted.\nWith --json each is a line of its own.\n"
	return cmd
}

// watcher prints each question once.
type watcher struct {
	Room
	cmd  *cobra.Command
	api  *client.API
	seen map[string]bool
}

// run looks at what is open whenever something happens to an approval. A stream that
// breaks is opened again.
func (w *watcher) run(ctx context.Context) error {
	away := false
	for {
		err := w.api.Events(ctx, url.Values{"code": {"approval.requested"}}, "", func() {
			away = false
			w.look(ctx)
		}, func(string, json.RawMessage) error { w.look(ctx); return nil })
		e := (*client.Error)(nil)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.As(err, &e) || e.Code != "unreachable" || len(w.seen) == 0 && away:
			return err
		case !away:
			fmt.Fprintln(w.cmd.ErrOrStderr(), client.Printable(fmt.Sprintf("The stream broke; trying to go on. (%v)", err)))
		}
		away = true
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (w *watcher) look(ctx context.Context) {
	for item, err := range client.List[approval](ctx, w.api, client.Path("approvals"), url.Values{"state": {"pending"}, "kind": {"request"}}) {
		if err != nil {
			fmt.Fprintln(w.cmd.ErrOrStderr(), client.Printable(err.Error()))
			return
		}
		if w.seen[item.Value.ID] {
			continue
		}
		w.seen[item.Value.ID] = true
		whole, err := client.Ask[approval](ctx, w.api, http.MethodGet, client.Path("approvals", item.Value.ID), nil, nil)
		if err != nil {
			continue // over by now
		}
		if asJSON(w.cmd) {
			fmt.Fprintln(w.cmd.OutOrStdout(), string(whole.JSON))
			continue
		}
		_ = w.print(w.cmd, whole)
		fmt.Fprintln(w.cmd.OutOrStdout())
	}
}
