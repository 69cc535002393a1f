package command

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/admin/api"
	"github.com/attache-proxy/attache/caddymodule/client"
)

var agentsCommand = caddycmd.Command{
	Name:  "agents",
	Usage: "list|show|create|update|allow|token|tokens|delete",
	Short: "Lists, makes and deletes agents of the vault",
	Long: `
Agents are who calls through the proxy. Each has a token, which is printed alone
on standard output, this once.

Examples:

  attache agents list
  attache agents create research > research.token
  attache agents token research --name night-shift --until 30d
  attache agents delete research
` + howToReach,
	CobraFunc: func(cmd *cobra.Command) {
		cmd.AddCommand(
			apiCommand("list", "Lists agents", cobra.NoArgs, func(cmd *cobra.Command) {
				cmd.Flags().String("organisation", "", "Only those of this organisation")
				jsonFlag(cmd)
			}, listAgents),
			apiCommand("create NAME", "Makes an agent and prints its token, this once", cobra.ExactArgs(1), func(cmd *cobra.Command) {
				f := cmd.Flags()
				f.String("description", "", "What it is for")
				f.StringArray("connector", nil, "The only connector that it may use, whatever it is granted (repeatable; default: any)")
				f.StringArray("budget", nil, "How much it may use, or a price (repeatable): \"25 USD per month\"")
				f.String("organisation", "", "Whose it is (default: the admin token's own)")
				f.String("until", "", untilHelp)
				jsonFlag(cmd)
			}, createAgent),
			apiCommand("token ID|NAME", "Gives an agent a further token and prints it, this once", cobra.ExactArgs(1), func(cmd *cobra.Command) {
				cmd.Flags().String("name", "cli", "What the token is for")
				cmd.Flags().String("until", "", untilHelp)
				jsonFlag(cmd)
			}, createAgentToken),
			apiCommand("delete ID|NAME", "Deletes an agent, its tokens and grants", cobra.ExactArgs(1), jsonFlag, deleteAgent),
		)
		cmd.AddCommand(commands(agentCalls)...)
	},
}

func listAgents(a *asking, _ []string) error {
	items := client.List[api.Agent](a.ctx, a.api, client.Path("agents"), a.query("organisation"))
	return printList(a, items, "ID|NAME|STATE|CONNECTORS|CREATED", func(x api.Agent) []string {
		connectors := "any"
		if x.Connectors != nil {
			connectors = strings.Join(x.Connectors, " ")
		}
		return []string{x.ID, x.Name, agentState(x), connectors, shownTime(x.CreatedAt)}
	})
}

func agentState(x api.Agent) string {
	switch {
	case x.Disabled:
		return "disabled"
	case x.ExpiresAt != nil && x.ExpiresAt.Before(time.Now()):
		return "over"
	case x.ReadOnly:
		return "in the Caddyfile"
	}
	return "active"
}

func createAgent(a *asking, args []string) error {
	end, err := a.until()
	if err != nil {
		return err
	}
	item, err := client.Ask[api.NewAgent](a.ctx, a.api, http.MethodPost, client.Path("agents"), nil, struct {
		Organisation string    `json:"organisation,omitempty"`
		Name         string    `json:"name"`
		Description  string    `json:"description,omitempty"`
		Connectors   []string  `json:"connectors,omitempty"`
		Budgets      []string  `json:"budgets,omitempty"`
		ExpiresAt    time.Time `json:"expires_at,omitzero"`
	}{a.flag("organisation"), args[0], a.flag("description"), a.flags("connector"), a.flags("budget"), end})
	if err != nil {
		return err
	}
	if !a.on("json") {
		a.remark("agent %s is %s; let it use an account: attache grants create --agent %s --account CONNECTOR:NAME", item.Value.Name, item.Value.ID, item.Value.ID)
	}
	return a.printToken(item.Value.Token, item.JSON)
}

func createAgentToken(a *asking, args []string) error {
	id, err := a.agentID(args[0])
	if err != nil {
		return err
	}
	end, err := a.until()
	if err != nil {
		return err
	}
	item, err := client.Ask[api.NewToken](a.ctx, a.api, http.MethodPost, client.Path("agents", id, "tokens"), nil, struct {
		Name      string    `json:"name"`
		ExpiresAt time.Time `json:"expires_at,omitzero"`
	}{a.flag("name"), end})
	if err != nil {
		return err
	}
	return a.printToken(item.Value.Token, item.JSON)
}

// printToken prints a token alone, as admin token create does, or the JSON that
// it came in.
func (a *asking) printToken(token *string, answer json.RawMessage) error {
	if a.on("json") {
		return PrintJSON(a.cmd, answer)
	}
	a.print("%s", *cmp.Or(token, new(string)))
	return nil
}

func deleteAgent(a *asking, args []string) error {
	id, err := a.agentID(args[0])
	if err != nil {
		return err
	}
	if _, err := a.api.Do(a.ctx, http.MethodDelete, client.Path("agents", id), nil, nil); err != nil {
		return err
	}
	return a.deleted(id)
}
