package command

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/admin/api"
	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/caddymodule/command/rules"
)

var grantsCommand = caddycmd.Command{
	Name:  "grants",
	Usage: "list|create|update|delete|explain|suggest|replay|diff|test",
	Short: "Says which agent may use which account",
	Long: `
A grant lets an agent use an account: for reading, or with --write for all. It
holds from the agent's next request on.

Examples:

  attache grants list --agent research
  attache grants create --agent research --account github:work
  attache grants create --agent research --account github:work --write --method POST --path '/repos/*/issues/**'
  attache grants create --agent research --account github:work --rule 'allow read' --rule 'allow issues/create on acme/*'
  attache grants create --agent research --account acc_0sgcas6yb073d30fdcwgd2k734 --until 12h
  attache grants delete grt_0sgcas726jbkd4vts96p74w2b0
` + howToReach,
	CobraFunc: func(cmd *cobra.Command) {
		cmd.AddCommand(
			apiCommand("list", "Lists who may use what; those of the Caddyfile with --agent", cobra.NoArgs, func(cmd *cobra.Command) {
				f := cmd.Flags()
				f.String("agent", "", "Only what this agent may use: ID or NAME")
				f.String("account", "", "Only who may use this account: ID or CONNECTOR:NAME")
				f.String("connector", "", "Only those of this connector's accounts")
				jsonFlag(cmd)
			}, listGrants),
			apiCommand("create --agent ID|NAME --account ID|CONNECTOR:NAME", "Lets an agent use an account, and prints the grant's id", cobra.NoArgs, func(cmd *cobra.Command) {
				f := cmd.Flags()
				f.String("agent", "", "Who: ID or NAME")
				f.String("account", "", "What: ID or CONNECTOR:NAME")
				f.Bool("write", false, "For writing too, not for reading alone")
				f.Bool("presign", false, "The agent may have URLs that work without the proxy for a while")
				f.Bool("placeholder", false, "A credential of the client's own stays; the account's is placed where there is none, or a placeholder")
				f.Bool("confined", false, "Only in confined runs (attache exec --confine), which somebody starts who has the launch key")
				f.StringArray("rule", nil, "What the agent may do, as often as there are rules; the first that matches decides, a deny is the end: \"allow read\", \"deny effect:delete\", \"allow issues/create on acme/*\"")
				f.StringArray("budget", nil, "How much may be used by this grant, or a price (repeatable): \"1000 requests per day\", \"price 0.01 per issues/create\"")
				f.StringArray("host", nil, "Only requests to this host; *.name for every name below (repeatable)")
				f.StringArray("method", nil, "Only requests with this method (repeatable)")
				f.StringArray("path", nil, "Only this path: * is a run of characters in one segment, ** at the end any rest (repeatable)")
				f.String("until", "", untilHelp)
				jsonFlag(cmd)
				_, _ = cmd.MarkFlagRequired("agent"), cmd.MarkFlagRequired("account")
			}, createGrant),
			apiCommand("delete ID", "Takes an account away from an agent", cobra.ExactArgs(1), jsonFlag, deleteGrant),
		)
		cmd.AddCommand(commands(grantCalls)...)
		cmd.AddCommand(rules.Commands(rules.Room{Told: told, Load: loadCatalog, Flags: dirFlag, JSON: PrintJSON, Moment: moment, Quiet: func(code int) error { return exitCode(code) },
			Call: func(use, short string, args cobra.PositionalArgs, flags func(*cobra.Command), run func(rules.Asking, []string) error) *cobra.Command {
				return apiCommand(use, short, args, flags, func(a *asking, args []string) error {
					return run(rules.Asking{Ctx: a.ctx, Cmd: a.cmd, API: a.api, AgentID: a.agentID, AccountID: a.accountID}, args)
				})
			}})...)
	},
}

func listGrants(a *asking, _ []string) error {
	path, q := client.Path("grants"), a.query("connector")
	if given := a.flag("account"); given != "" {
		id, err := a.accountID(given)
		if err != nil {
			return err
		}
		q.Set("account_id", id)
	}
	if given := a.flag("agent"); given != "" {
		id, err := a.agentID(given)
		if err != nil {
			return err
		}
		if len(q) == 0 { // this list has the Caddyfile's grants too
			path = client.Path("agents", id, "grants")
		} else {
			q.Set("agent_id", id)
		}
	}
	return printList(a, client.List[api.Grant](a.ctx, a.api, path, q), "ID|AGENT|ACCOUNT|MAY|ONLY|UNTIL", func(g api.Grant) []string {
		account := a.name("accounts", g.AccountID)
		if account == "" {
			account = g.Connector + ":*"
		}
		id := g.ID
		if g.ReadOnly {
			id = "in the Caddyfile"
		}
		return []string{id, a.name("agents", g.AgentID), account, strings.Join(g.Scopes, " "), shownRules(g.Rules, g.Operations), cmp.Or(shownTime(g.ExpiresAt), "for ever")}
	})
}

// shownRules is what a grant is narrowed to.
func shownRules(rules []api.Rule, operations []string) string {
	out := slices.Clone(operations)
	for _, r := range rules {
		out = append(out, strings.Join(strings.Fields(strings.Join(r.Methods, ",")+" "+strings.Join(r.Hosts, ",")+r.Path), " "))
	}
	return strings.Join(out, "; ")
}

func createGrant(a *asking, _ []string) error {
	agent, err := a.agentID(a.flag("agent"))
	if err != nil {
		return err
	}
	account, err := a.accountID(a.flag("account"))
	if err != nil {
		return err
	}
	end, err := a.until()
	if err != nil {
		return err
	}
	scopes, operations := []string{"read"}, a.flags("rule")
	if len(operations) > 0 && !a.on("write") {
		scopes = append(scopes, "write") // the rules alone decide
	}
	for _, more := range []string{"write", "presign", "placeholder", "confined"} {
		if a.on(more) {
			scopes = append(scopes, more)
		}
	}
	item, err := client.Ask[api.Grant](a.ctx, a.api, http.MethodPost, client.Path("agents", agent, "grants"), nil, struct {
		AccountID  string     `json:"account_id"`
		Scopes     []string   `json:"scopes"`
		Rules      []api.Rule `json:"rules,omitempty"`
		Operations []string   `json:"operations,omitempty"`
		Budgets    []string   `json:"budgets,omitempty"`
		ExpiresAt  time.Time  `json:"expires_at,omitzero"`
	}{account, scopes, places(a.flags("host"), a.flags("method"), a.flags("path")), operations, a.flags("budget"), end})
	if err != nil {
		return err
	}
	if a.on("json") {
		return PrintJSON(a.cmd, item.JSON)
	}
	a.print("%s", item.Value.ID)
	return nil
}

// places allow each of the methods at each of the paths of these hosts; none of
// any allows all.
func places(hosts, methods, paths []string) (out []api.Rule) {
	for i := range methods {
		methods[i] = strings.ToUpper(methods[i])
	}
	if len(paths) == 0 && len(hosts)+len(methods) > 0 {
		paths = []string{""}
	}
	for _, path := range paths {
		out = append(out, api.Rule{Hosts: hosts, Methods: methods, Path: path})
	}
	return out
}

// deleteGrant looks for the grant's agent, by whom the API has it.
func deleteGrant(a *asking, args []string) error {
	for item, err := range client.List[api.Grant](a.ctx, a.api, client.Path("grants"), nil) {
		if err != nil {
			return err
		}
		if g := item.Value; g.ID == args[0] {
			if _, err := a.api.Do(a.ctx, http.MethodDelete, client.Path("agents", g.AgentID, "grants", g.ID), nil, nil); err != nil {
				return err
			}
			return a.deleted(g.ID)
		}
	}
	return errors.New("there is no grant of that id; attache grants list shows all there are")
}
