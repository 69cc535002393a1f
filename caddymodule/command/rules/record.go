package rules

import (
	"fmt"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/admin/explain"
	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/providers/printable"
)

type suggestions struct {
	Whole       bool                 `json:"whole"`
	Suggestions []explain.Suggestion `json:"suggestions"`
}

func (r Room) suggest() *cobra.Command {
	cmd := r.Call("suggest --agent ID|NAME", "Suggests the smallest rules that cover what an agent did", cobra.NoArgs, func(cmd *cobra.Command) {
		f := cmd.Flags()
		f.String("agent", "", "Whose calls: ID or NAME")
		f.String("account", "", "Only this account: ID or CONNECTOR:NAME")
		f.String("since", "", "From when on: 7d (the default), 24h, 2026-12-01")
		f.Bool("json", false, "Print as JSON: the operations of grants")
		_ = cmd.MarkFlagRequired("agent")
	}, r.runSuggest)
	cmd.Long = `
Prints, for each account, the rules that permit what an agent did with it and
worked, as the Caddyfile has them. What it did stands in the audit; let it work
under the rule learn for a while, so that the audit has what bodies say, too.

  attache grants suggest --agent research --since 7d
  attache grants suggest --agent research --account github:work --json
`
	return cmd
}

func (r Room) runSuggest(a Asking, _ []string) error {
	id, q, err := r.asked(a)
	if err != nil {
		return err
	}
	item, err := client.Ask[suggestions](a.Ctx, a.API, http.MethodGet, client.Path("agents", id, "suggestions"), q, nil)
	if err != nil {
		return err
	}
	if a.on("json") {
		a.print("%s", item.JSON)
		return nil
	}
	if len(item.Value.Suggestions) == 0 {
		return fmt.Errorf("the audit has no call of this agent since then that worked")
	}
	for _, s := range item.Value.Suggestions {
		a.print("# %d calls with account %s", s.Calls, s.AccountID)
		for _, n := range s.Notes {
			a.print("# %s", n)
		}
		a.print("grant %s {", s.Connector)
		for _, rule := range s.Rules {
			fmt.Fprintln(a.Cmd.OutOrStdout(), "\t"+client.Printable(rule))
		}
		a.print("}")
	}
	if !item.Value.Whole {
		a.print("# There were too many different calls to look at all of them; --since 24h looks at fewer.")
	}
	return nil
}

// asked are the agent's id, and account and time as a query.
func (r Room) asked(a Asking) (agent string, q url.Values, err error) {
	q = url.Values{}
	if agent, err = a.AgentID(a.flag("agent")); err != nil {
		return "", nil, fmt.Errorf("--agent: %w", err)
	}
	account, err := a.account()
	if err != nil {
		return "", nil, err
	}
	since, err := r.since(a)
	if err != nil {
		return "", nil, err
	}
	if account != "" {
		q.Set("account_id", account)
	}
	if !since.IsZero() {
		q.Set("since", since.Format(time.RFC3339))
	}
	return agent, q, nil
}

type replayed struct {
	Whole                                   bool
	Permitted, Asked, Refused, Lost, Gained int64
	Verdicts                                []explain.Verdict
}

func (r Room) replay() *cobra.Command {
	cmd := r.Call("replay FILE --agent ID|NAME", "Tries rules on what an agent did; exit code 1 if they would have refused what was sent", cobra.ExactArgs(1), func(cmd *cobra.Command) {
		f := cmd.Flags()
		f.String("agent", "", "Whose calls: ID or NAME")
		f.String("connector", "", "Whose service, by key (default: the grant's in FILE)")
		f.String("account", "", "Only this account: ID or CONNECTOR:NAME")
		f.String("since", "", "From when on: 30d (the default), 24h, 2026-12-01")
		f.Bool("all", false, "Show what stays as it was, too")
		f.Bool("json", false, "Print as JSON")
		_ = cmd.MarkFlagRequired("agent")
	}, r.runReplay)
	cmd.Long = `
Tries candidate rules on the calls in the audit and says which of them would
have been refused, and which refused ones permitted. FILE has a rule a line, or
a grant as the Caddyfile has it; - is standard input. Nothing is sent, and no
grant is changed. The exit code is 1 if a call that was sent would be refused.

  attache grants replay rules.txt --agent research --connector github
  attache grants suggest --agent research | attache grants replay - --agent research
`
	return cmd
}

func (r Room) runReplay(a Asking, args []string) error {
	f, err := Read(args[0], a.Cmd.InOrStdin())
	if err != nil {
		return err
	}
	id, q, err := r.asked(a)
	if err != nil {
		return err
	}
	if f.Reading {
		f.Rules = append([]string{"deny write"}, f.Rules...)
	}
	body := map[string]any{"operations": f.Rules, "connector": f.Connector}
	if c := a.flag("connector"); c != "" {
		body["connector"] = c
	}
	if body["connector"] == "" {
		return fmt.Errorf("whose service? --connector KEY, or a grant's first line in the file: grant github {")
	}
	for name := range q {
		body[name] = q.Get(name)
	}
	item, err := client.Ask[replayed](a.Ctx, a.API, http.MethodPost, client.Path("agents", id, "replay"), nil, body)
	if err != nil {
		return err
	}
	if a.on("json") {
		a.print("%s", item.JSON)
	} else if err := item.Value.print(a); err != nil {
		return err
	}
	if item.Value.Lost > 0 {
		return r.Quiet(1)
	}
	return nil
}

func (x *replayed) print(a Asking) error {
	w := tabwriter.NewWriter(a.Cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	rows := 0
	for _, v := range x.Verdicts {
		if !v.Changed && !a.on("all") {
			continue
		}
		if rows++; rows == 1 {
			fmt.Fprintln(w, "CALLS\tWOULD BE\tWHAT\tBY")
		}
		by := "no rule"
		if v.Rule != "" {
			by = v.Rule
		}
		if v.Hangs {
			by += " (hangs on what was in them)"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", v.Calls, v.Verdict, printable.Line(v.Does), printable.Line(by))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	a.print("%d calls permitted, %d asked about, %d refused; of those that were sent %d would be refused, of those that were refused %d permitted.", x.Permitted, x.Asked, x.Refused, x.Lost, x.Gained)
	if !x.Whole {
		a.print("There were too many different calls to look at all of them; --since 24h looks at fewer.")
	}
	return nil
}
