package command

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/admin/audit"
	"github.com/attache-proxy/attache/caddymodule/client"
)

var auditCommand = caddycmd.Command{
	Name:  "audit",
	Usage: "[--account A] [--agent A] [--kind K] [--since T] [--follow] [--json]",
	Short: "Shows what happened: calls, refusals, changes",
	Long: `
Prints the last events of the audit, the newest last. With --follow it goes on
with what happens now, of every replica, until it is interrupted.

With --json each event is a line of its own.

Examples:

  attache audit --agent research --since 2h
  attache audit --kind refusal --follow
  attache audit --account github:work --since 2026-01-31 --json
` + howToReach,
	CobraFunc: func(cmd *cobra.Command) {
		made := apiCommand("", "", cobra.NoArgs, nil, showAudit)
		f := cmd.Flags()
		f.AddFlagSet(made.Flags())
		f.String("account", "", "Only what concerns this account: ID or CONNECTOR:NAME")
		f.String("agent", "", "Only what concerns this agent: ID or NAME")
		f.String("connector", "", "Only what concerns this connector")
		f.String("operation", "", "Only calls that do this, by its whole name: issues/create")
		f.String("run", "", "Only what was in this run of a command: its id")
		f.String("kind", "", "Only events of this kind: use, refusal, refresh, state, admin, system")
		f.String("code", "", "Only events with this code, such as account.expired or not_permitted")
		f.String("since", "", "All events from then on: 2h, 30d, 2026-01-31 or 2026-01-31T18:00:00Z")
		f.Int("limit", 50, "How many events at most, where --since does not say from when on")
		f.BoolP("follow", "f", false, "Go on with what happens now")
		f.Bool("json", false, "Print the JSON of the REST API, an event a line")
		cmd.Args, cmd.RunE = made.Args, made.RunE
	},
}

func showAudit(a *asking, _ []string) error {
	q := a.query("connector", "operation", "kind", "code")
	if run := a.flag("run"); run != "" {
		q.Set("run_id", run)
	}
	if err := a.concerning(q); err != nil {
		return err
	}
	last, err := a.pastEvents(q)
	if err != nil || !a.on("follow") {
		return err
	}
	return a.follow(q, last)
}

// concerning puts the account and the agent that are asked about into a query.
func (a *asking) concerning(q url.Values) error {
	if given := a.flag("account"); given != "" {
		id, err := a.accountID(given)
		if err != nil {
			return fmt.Errorf("--account: %w", err)
		}
		q.Set("account_id", id)
	}
	if given := a.flag("agent"); given != "" {
		id, err := a.agentID(given)
		if err != nil {
			return fmt.Errorf("--agent: %w", err)
		}
		q.Set("agent_id", id)
	}
	return nil
}

// pastEvents prints what happened and returns the id of the last event, or "".
func (a *asking) pastEvents(filter url.Values) (last string, err error) {
	limit, _ := a.cmd.Flags().GetInt("limit")
	q := url.Values{}
	for name, values := range filter {
		q[name] = values
	}
	if since := a.flag("since"); since != "" {
		from, err := moment(since, time.Now(), -1)
		if err != nil {
			return "", fmt.Errorf("--since: %w", err)
		}
		q.Set("from", from.UTC().Format(time.RFC3339))
		if !a.cmd.Flags().Changed("limit") {
			limit = 0
		}
	} else if limit <= 0 {
		return "", fmt.Errorf("--limit %d: want how many events, or --since", limit)
	}
	var events []client.Item[audit.Event]
	for item, err := range client.List[audit.Event](a.ctx, a.api, client.Path("audit"), q) {
		if err != nil {
			return "", err
		}
		events = append(events, item)
		if len(events) == limit {
			break
		}
	}
	for _, item := range slices.Backward(events) {
		a.printEvent(item)
	}
	if len(events) > 0 {
		last = events[0].Value.ID
	}
	return last, nil
}

// follow prints events as they happen. A stream that breaks, as in a restart of
// the server, is opened again where it broke.
func (a *asking) follow(q url.Values, last string) error {
	var opened, away bool
	for {
		err := a.api.Events(a.ctx, q, last, func() { opened, away = true, false }, func(id string, data json.RawMessage) error {
			item := client.Item[audit.Event]{JSON: data}
			if err := json.Unmarshal(data, &item.Value); err != nil {
				return fmt.Errorf("reading an event: %w", err)
			}
			last = id
			a.printEvent(item)
			return nil
		})
		if e := (*client.Error)(nil); !opened || !errors.As(err, &e) || e.Code != "unreachable" {
			return err
		}
		if !away {
			a.remark("The stream broke; trying to go on. (%v)", err)
		}
		away = true
		select {
		case <-a.ctx.Done():
			return a.ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (a *asking) printEvent(item client.Item[audit.Event]) {
	if a.on("json") {
		a.print("%s", item.JSON)
		return
	}
	a.print("%s", client.Printable(a.eventLine(item.Value)))
}

// eventLine is an event for people: when, what, which agent and account, where,
// how it ended, and whose doing it was where it was not the agent's.
func (a *asking) eventLine(e audit.Event) string {
	words := []string{shownTime(&e.At), e.Kind, e.Code}
	if e.AgentID != "" {
		words = append(words, "agent "+a.name("agents", e.AgentID))
	}
	if e.AccountID != "" {
		words = append(words, a.name("accounts", e.AccountID))
	} else {
		words = append(words, e.Connector)
	}
	words = append(words, e.Operation, e.Resource, e.Method, e.Host+e.Path)
	if e.Status != 0 {
		words = append(words, strconv.Itoa(e.Status))
	}
	if e.Millis != 0 {
		words = append(words, fmt.Sprintf("%.0fms", e.Millis))
	}
	if e.ActorKind != "" && e.ActorKind != "agent" {
		words = append(words, "by "+cmp.Or(e.Actor, e.ActorKind))
	}
	if e.Detail != "" {
		words = append(words, "– "+e.Detail)
	}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), "  ")
}
