package command

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/admin/api"
	"github.com/attache-proxy/attache/caddymodule/client"
)

var accountsCommand = caddycmd.Command{
	Name:  "accounts",
	Usage: "list|show|create|update|authorize|credentials|status|test|refresh|activate|suspend|resume|revoke|delete",
	Short: "Connects accounts and looks after them",
	Long: `
Accounts are somebody's connections to services. Secrets are asked for on the
terminal without echo, or read from a file or standard input; they are never
options, which others on the machine see, and nothing prints them again.

An account is named by its id (acc_…) or as CONNECTOR:NAME.

Examples:

  attache accounts list --state expired,error
  attache accounts create --connector github --option token --name work
  attache accounts create --connector github --option token --name work --field token=@github.token
  pass show acme | attache accounts create --connector acme --field api_key=-
  attache accounts authorize zendesk:support      # prints where a person signs in, and waits
  attache accounts show github:work
  attache accounts revoke github:work --reason 'laptop stolen'
` + howToReach,
	CobraFunc: func(cmd *cobra.Command) {
		cmd.AddCommand(
			apiCommand("list", "Lists accounts", cobra.NoArgs, func(cmd *cobra.Command) {
				f := cmd.Flags()
				f.String("connector", "", "Only those of this connector")
				f.String("state", "", "Only those in this state: pending, active, expired, revoked, error, suspended; several with commas")
				f.String("identifier", "", "Only those of this user, organisation or other owner")
				f.String("identifier-type", "", "Only those of owners of this type: user, org, custom")
				f.String("name", "", "Only those of this name")
				f.String("organisation", "", "Only those of this organisation")
				jsonFlag(cmd)
			}, listAccounts),
			apiCommand("show ID|CONNECTOR:NAME", "Shows an account, without its secrets", cobra.ExactArgs(1), jsonFlag, showAccount),
			apiCommand("create --connector KEY", "Makes an account, and prints its id", cobra.NoArgs, func(cmd *cobra.Command) {
				f := cmd.Flags()
				f.String("connector", "", "The connector's key (attache connectors list)")
				f.String("option", "", "Which of its ways to connect (default: the first)")
				f.String("name", "", "What it is called, once per connector and owner (default: default)")
				f.String("identifier", "", "Whose it is")
				f.String("identifier-type", "", "What its owner is: user, org, custom (default: user)")
				f.String("organisation", "", "The organisation it belongs to (default: the admin token's own)")
				fieldFlag(cmd)
				f.Bool("no-test", false, "Store the credentials untested; it then waits for accounts test, or accounts activate")
				f.Bool("test-mode", false, "For trying things out: nothing is tested, what is missing is made up")
				jsonFlag(cmd)
				_ = cmd.MarkFlagRequired("connector")
			}, createAccount),
			authorizeCommand(),
			apiCommand("credentials ID|CONNECTOR:NAME", "Replaces an account's credentials", cobra.ExactArgs(1), func(cmd *cobra.Command) {
				cmd.Flags().String("option", "", "Another of the connector's ways to connect (default: the account's)")
				fieldFlag(cmd)
				cmd.Flags().Bool("no-test", false, "Store them untested")
				jsonFlag(cmd)
			}, setCredentials),
		)
		cmd.AddCommand(accountActions()...)
		cmd.AddCommand(commands(accountCalls)...)
	},
}

func listAccounts(a *asking, _ []string) error {
	q := a.query("connector", "state", "identifier", "identifier-type", "name", "organisation")
	items := client.List[api.Account](a.ctx, a.api, client.Path("accounts"), q)
	return printList(a, items, "ID|ACCOUNT|STATE|OF|AT SERVICE|LAST USED", func(x api.Account) []string {
		return []string{x.ID, x.Connector + ":" + x.Name, shownState(x), x.Identifier, whoThere(x), shownTime(x.LastUsedAt)}
	})
}

// shownState is a state and, where it is not the good one, its reason.
func shownState(x api.Account) string {
	if x.State != "active" && x.StateReason != nil && x.StateReason.Code != "" && x.StateReason.Code != x.State {
		return x.State + " (" + x.StateReason.Code + ")"
	}
	return x.State
}

// whoThere is who the account is at the service.
func whoThere(x api.Account) string {
	if x.Provider == nil {
		return ""
	}
	return cmp.Or(x.Provider.Label, x.Provider.Email, x.Provider.ID)
}

func showAccount(a *asking, args []string) error {
	item, err := a.account(args[0])
	if err != nil {
		return err
	}
	if a.on("json") {
		return PrintJSON(a.cmd, item.JSON)
	}
	x := item.Value
	facts := [][2]string{
		{"id", x.ID}, {"account", x.Connector + ":" + x.Name}, {"option", x.Option}, {"state", shownState(x)}, {"since", shownTime(x.StateSince)},
		{"of", strings.TrimSpace(x.Identifier + " " + x.IdentifierType)}, {"organisation", x.Organisation}, {"at service", whoThere(x)},
		{"scopes", strings.Join(x.Scopes, " ")}, {"token until", shownTime(x.ExpiresAt)}, {"last used", shownTime(x.LastUsedAt)},
	}
	if x.StateReason != nil {
		facts = slices.Insert(facts, 4, [2]string{"because", x.StateReason.Detail})
	}
	for _, name := range slices.Sorted(maps.Keys(x.Fields)) {
		facts = append(facts, [2]string{name, x.Fields[name]})
	}
	for _, s := range x.Secrets {
		facts = append(facts, [2]string{s.Field, strings.TrimSpace("secret " + strings.TrimSuffix("…"+s.Last4, "…"))})
	}
	if x.LastError != nil {
		facts = append(facts, [2]string{"last error", x.LastError.Error + ", " + shownTime(&x.LastError.At)})
	}
	if x.ReadOnly {
		facts = append(facts, [2]string{"declared", "in the Caddyfile; edit it there"})
	}
	a.printFacts(facts)
	return nil
}

func createAccount(a *asking, _ []string) error {
	o, err := a.option(a.flag("connector"), a.flag("option"))
	if err != nil {
		return err
	}
	values, err := a.given(o)
	if err == nil && !a.on("test-mode") {
		err = a.complete(o, values, func(string) bool { return false })
	}
	if err != nil {
		return err
	}
	b := api.NewAccount{Connector: a.flag("connector"), Option: o.Name, Name: a.flag("name"), Identifier: a.flag("identifier"),
		IdentifierType: a.flag("identifier-type"), Organisation: a.flag("organisation"), Credentials: values, TestMode: a.on("test-mode")}
	if a.on("no-test") {
		b.Test = new(bool)
	}
	item, err := client.Ask[api.Account](a.ctx, a.api, http.MethodPost, client.Path("accounts"), nil, b)
	if err != nil {
		return err
	}
	return a.made(item)
}

// made tells of an account that was made or got new credentials: its id on
// standard output, what to do next beside it.
func (a *asking) made(item client.Item[api.Account]) error {
	if a.on("json") {
		return PrintJSON(a.cmd, item.JSON)
	}
	x := item.Value
	next := "let an agent use it: attache grants create --agent NAME --account " + x.ID
	if x.State == "pending" {
		next = "attache accounts test " + x.ID + " tests its credentials, attache accounts authorize " + x.ID + " lets a person sign in"
	}
	who := whoThere(x)
	if who != "" {
		who = " (" + who + " at the service)"
	}
	a.remark("%s:%s is %s%s; %s", x.Connector, x.Name, x.State, who, next)
	a.print("%s", x.ID)
	return nil
}

func setCredentials(a *asking, args []string) error {
	x, o, err := a.accountAndOption(args[0])
	if err != nil {
		return err
	}
	values, err := a.given(o)
	if err == nil {
		err = a.complete(o, values, func(string) bool { return false })
	}
	if err != nil {
		return err
	}
	body := struct {
		Option      string            `json:"option,omitempty"`
		Credentials map[string]string `json:"credentials"`
		Test        *bool             `json:"test,omitempty"`
	}{a.flag("option"), values, nil}
	if a.on("no-test") {
		body.Test = new(bool)
	}
	item, err := client.Ask[api.Account](a.ctx, a.api, http.MethodPut, client.Path("accounts", x.ID, "credentials"), nil, body)
	if err != nil {
		return err
	}
	return a.made(item)
}

// accountActions are the commands that do one thing with one account.
func accountActions() []*cobra.Command {
	reason := func(cmd *cobra.Command) {
		cmd.Flags().String("reason", "", "Why, for the audit")
		jsonFlag(cmd)
	}
	action := func(name, short string, flags func(*cobra.Command)) *cobra.Command {
		return apiCommand(name+" ID|CONNECTOR:NAME", short, cobra.ExactArgs(1), flags, func(a *asking, args []string) error { return actOn(a, name, args[0]) })
	}
	return []*cobra.Command{
		apiCommand("test ID|CONNECTOR:NAME", "Runs the connector's test request; fails where the service does not take the credentials", cobra.ExactArgs(1), jsonFlag, testAccount),
		action("refresh", "Obtains a new token now", jsonFlag),
		action("activate", "Lets an account work without a test", reason),
		action("suspend", "Stops an account; its credentials stay", reason),
		action("resume", "Lets a suspended account go on", reason),
		action("revoke", "Disconnects an account: its secrets are deleted, here and at the service", reason),
		apiCommand("delete ID|CONNECTOR:NAME", "Deletes an account, its secrets, grants and usage, and revokes it at the service", cobra.ExactArgs(1), func(cmd *cobra.Command) {
			cmd.Flags().Bool("keep-at-service", false, "Do not ask the service to forget its tokens")
			jsonFlag(cmd)
		}, deleteAccount),
	}
}

// atService says what the service did with the tokens of an account.
var atService = map[string]string{
	"revoked":       "the service forgot its tokens",
	"cannot_revoke": "the service has no way to revoke: remove the access in its own settings",
	"failed":        "the service did not confirm: its tokens may work there until they end",
	"skipped":       "its tokens were left to the service",
}

func actOn(a *asking, action, given string) error {
	id, err := a.accountID(given)
	if err != nil {
		return err
	}
	var body any
	if reason := a.flag("reason"); reason != "" {
		body = map[string]string{"reason": reason}
	}
	item, err := client.Ask[struct {
		api.Account
		AtService string `json:"at_service"`
	}](a.ctx, a.api, http.MethodPost, client.Path("accounts", id, action), nil, body)
	if err != nil {
		return err
	}
	if a.on("json") {
		return PrintJSON(a.cmd, item.JSON)
	}
	if said := atService[item.Value.AtService]; said != "" {
		a.remark("%s", said)
	}
	a.print("%s %s", item.Value.ID, item.Value.State)
	return nil
}

func testAccount(a *asking, args []string) error {
	id, err := a.accountID(args[0])
	if err != nil {
		return err
	}
	item, err := client.Ask[struct {
		OK               *bool
		Tested, Obtained bool
		Status, Expected int
		Error, State     string
	}](a.ctx, a.api, http.MethodPost, client.Path("accounts", id, "test"), nil, nil)
	if err != nil {
		return err
	}
	t := item.Value
	switch {
	case a.on("json"):
		err = PrintJSON(a.cmd, item.JSON)
	case t.OK == nil && t.Obtained:
		a.remark("The connector has no test request; the service gave a token.")
		a.print("%s %s", id, t.State)
	case t.OK == nil:
		a.remark("The connector has no test request: nothing was tried.")
		fallthrough
	default:
		a.print("%s %s", id, t.State)
	}
	if err == nil && t.OK != nil && !*t.OK {
		return &client.Error{Code: "test_failed", Msg: "the test failed: " + client.Printable(t.Error)}
	}
	return err
}

func deleteAccount(a *asking, args []string) error {
	id, err := a.accountID(args[0])
	if err != nil {
		return err
	}
	q := url.Values{}
	if a.on("keep-at-service") {
		q.Set("revoke", "false")
	}
	answer, err := a.api.Do(a.ctx, http.MethodDelete, client.Path("accounts", id), q, nil)
	if err != nil {
		return err
	}
	if said := atService[answer.Header.Get("Attache-At-Service")]; said != "" {
		a.remark("%s", said)
	}
	return a.deleted(id)
}
