package command

import (
	"net/http"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// noun makes a command whose subcommands are calls.
func noun(name, usage, short, long string, calls []call, more ...*cobra.Command) caddycmd.Command {
	return caddycmd.Command{Name: name, Usage: usage, Short: short, Long: long + howToReach, CobraFunc: func(cmd *cobra.Command) {
		cmd.AddCommand(commands(calls)...)
		cmd.AddCommand(more...)
	}}
}

// nouns are the resources of the REST API that have no more to them on the command
// line than their operations.
var nouns = []caddycmd.Command{appsCommand, linksCommand, webhooksCommand, tokensCommand, settingsCommand, usageCommand, budgetsCommand, healthCommand}

var (
	organisation = member{option: "organisation", name: "organisation", help: "Whose it is (default: the admin token's own)"}
	clientID     = member{option: "client-id", name: "client_id", help: "The client's id"}
	clientSecret = member{option: "client-secret", name: "secrets.client_secret", help: "Its secret", kind: hidden}
)

var appCalls = []call{
	{use: "list", short: "Lists OAuth clients", method: http.MethodGet, path: "/apps", columns: []string{"ID=id", "CONNECTOR=connector", "MODE=mode", "NAME=name", "CLIENT ID=client_id", "ACTIVE=active"},
		sends: []member{{option: "connector", name: "connector", help: "Only those of this connector"}, {option: "mode", name: "mode", help: "Only these: managed or own"}}},
	{use: "show ID", short: "Shows an OAuth client, without its secrets", method: http.MethodGet, path: "/apps/{}"},
	{use: "create --connector KEY --client-id ID", short: "Stores an OAuth client", method: http.MethodPost, path: "/apps", data: true, sends: []member{
		{option: "connector", name: "connector", help: "The connector's key", required: true},
		{option: "mode", name: "mode", help: "managed: the operator's, for every organisation; own (or your-own): one organisation's"},
		clientID, clientSecret, organisation, {option: "name", name: "name", help: "What it is called (default: default)"},
		{option: "host", name: "hosts", help: "Where it may prove itself", kind: list}, {option: "redirect-uri", name: "redirect_uris", help: "A callback of your own", kind: list}}},
	{use: "update ID", short: "Edits an OAuth client", method: http.MethodPatch, path: "/apps/{}", data: true, sends: []member{
		clientID, clientSecret, {option: "name", name: "name", help: "What it is called"}, {option: "active", name: "active", help: "Whether it is used (--active=false: not)", kind: yes}}},
	{use: "delete ID", short: "Deletes an OAuth client that no account uses", method: http.MethodDelete, path: "/apps/{}"},
}

var appsCommand = noun("apps", "list|show|create|update|delete", "Looks after OAuth clients", `
OAuth clients are what accounts sign in through: the operator's (managed), for
everybody, or an organisation's own. Secrets come from a file or standard input.

Examples:

  attache apps list --connector github
  attache apps create --connector github --mode managed --client-id Iv1.8a61 --client-secret @secret
  attache apps update app_0sgcas7 --client-secret - < secret
`, appCalls)

var linksCommand = noun("links", "list|create|show|delete", "Makes links at which people connect accounts", `
A link lets whoever has it connect one account, with no other access.

Examples:

  attache links create --account github:work
  attache links list
  attache links delete ses_0sgcas7
`, []call{
	{use: "list", short: "Lists links", method: http.MethodGet, path: "/connect/sessions", columns: []string{"ID=id", "ACCOUNT=account_id", "STATUS=status", "UNTIL=expires_at"}},
	{use: "show ID", short: "Says what became of a link", method: http.MethodGet, path: "/connect/sessions/{}"},
	{use: "create --account-id ID", short: "Makes a link and prints it, this once", method: http.MethodPost, path: "/connect/sessions", once: "url", data: true, sends: []member{
		{option: "account-id", name: "account_id", help: "The account: its id (acc_…)", required: true}, {option: "option", name: "option", help: "The only way to connect that it offers"},
		{option: "scope", name: "additional_scopes", help: "A scope to ask for too", kind: list}, {option: "expires-in", name: "expires_in", help: "Seconds that it works (default: 3600)", kind: number},
		{option: "allow-other-identity", name: "allow_other_identity", help: "Let the account become somebody else's at the service", kind: yes}}},
	{use: "delete ID", short: "Ends a link", method: http.MethodDelete, path: "/connect/sessions/{}"},
})

var webhooksCommand = noun("webhooks", "list|show|create|update|delete|test|deliveries|redeliver", "Tells other programs of what happens", `
A webhook is told by a signed POST when accounts change, and what approvals are asked for.

Examples:

  attache webhooks create --url https://ops.example.com/hook --event account.expired --event account.error
  attache webhooks deliveries wh_0sgcas7
  attache webhooks test wh_0sgcas7
`, []call{
	{use: "list", short: "Lists webhooks", method: http.MethodGet, path: "/webhooks", columns: []string{"ID=id", "URL=url", "EVENTS=events", "ACTIVE=active"}},
	{use: "show ID", short: "Shows a webhook", method: http.MethodGet, path: "/webhooks/{}"},
	{use: "create --url URL --event EVENT", short: "Makes a webhook and prints the key of its signatures, this once", method: http.MethodPost, path: "/webhooks", once: "secret", data: true, sends: []member{
		{option: "url", name: "url", help: "Where to post", required: true}, {option: "event", name: "events", help: "Of what to tell: account.expired, account.*, *", kind: list, required: true}, organisation, {option: "format", name: "format", help: "slack (default: that of standardwebhooks.com)"}}},
	{use: "update ID", short: "Edits a webhook", method: http.MethodPatch, path: "/webhooks/{}", data: true, sends: []member{
		{option: "url", name: "url", help: "Where to post"}, {option: "event", name: "events", help: "Of what to tell", kind: list}, {option: "active", name: "active", help: "Whether it is told (--active=false: not)", kind: yes}}},
	{use: "delete ID", short: "Deletes a webhook", method: http.MethodDelete, path: "/webhooks/{}"},
	{use: "test ID", short: "Sends it a test", method: http.MethodPost, path: "/webhooks/{}/test"},
	{use: "deliveries ID", short: "Lists what it was told, and how that went", method: http.MethodGet, path: "/webhooks/{}/deliveries", columns: []string{"ID=id", "EVENT=event", "STATE=state", "ATTEMPTS=attempts", "STATUS=status", "ERROR=error", "AT=created_at"}},
	{use: "redeliver ID DELIVERY", short: "Tells it again", method: http.MethodPost, path: "/webhooks/{}/deliveries/{}/redeliver"},
})

var tokensCommand = noun("tokens", "list|create|delete|me", "Looks after tokens for the REST API", `
Admin tokens, by the REST API; attache admin token does the same in the vault itself.

Examples:

  attache tokens create --name ci --role operator --until 30d > ci.token
  attache tokens list
  attache tokens me
`, []call{
	{use: "list", short: "Lists tokens, without the tokens themselves", method: http.MethodGet, path: "/tokens", columns: []string{"ID=id", "NAME=name", "ROLE=role", "ORGANISATION=organisation", "UNTIL=expires_at"}},
	{use: "create --name NAME --role ROLE", short: "Makes a token and prints it, this once", method: http.MethodPost, path: "/tokens", once: "token", sends: []member{
		{option: "name", name: "name", help: "What it is for", required: true}, {option: "role", name: "role", help: "viewer, operator or admin", required: true},
		{option: "organisation", name: "organisation", help: "The one that it sees; * is every one (default: the admin token's own)"}, {option: "until", name: "expires_at", help: "When it ends", kind: when}}},
	{use: "delete ID", short: "Ends a token at once", method: http.MethodDelete, path: "/tokens/{}"},
	{use: "me", short: "Says who the token in use is", method: http.MethodGet, path: "/me"},
})

var settingsCommand = noun("settings", "show|set", "What an account may do: refresh by itself, calls a minute, patience, repetitions", `
Examples:

  attache settings show github:work
  attache settings set github:work --rate-limit 60 --timeout 30
`, []call{
	{use: "show ID|CONNECTOR:NAME", short: "Shows an account's settings", method: http.MethodGet, path: "/accounts/{}", only: "settings"},
	{use: "set ID|CONNECTOR:NAME", short: "Changes an account's settings; what is not given stays", method: http.MethodPatch, path: "/accounts/{}", only: "settings", data: true, sends: []member{
		{option: "auto-refresh", name: "settings.auto_refresh", help: "Refresh tokens by themselves (--auto-refresh=false: not)", kind: yes},
		{option: "rate-limit", name: "settings.rate_limit", help: "Calls a minute; 0: no limit", kind: number},
		{option: "timeout", name: "settings.timeout", help: "Seconds until an answer must begin; 0: the default", kind: number},
		{option: "retry-attempts", name: "settings.retry_attempts", help: "Repetitions where the service does not answer", kind: number},
		{option: "expires-in", name: "settings.expires_in", help: "Seconds that a token lives where the service does not say; 0: as the connector has it", kind: number}}},
})

var usageCommand = noun("usage", "account|agents|accounts|connectors", "Counts calls", `
Examples:

  attache usage account github:work --start 2026-11-01 --end 2026-12-01
  attache usage connectors --days 30
`, []call{
	{use: "account ID|CONNECTOR:NAME", short: "Calls, errors and bytes of an account by day, and its most used paths", method: http.MethodGet, path: "/accounts/{}/usage", sends: []member{
		{option: "start", name: "start", help: "The first day: 2026-11-01"}, {option: "end", name: "end", help: "The last day"}}},
	countsOf("agents", "agent"), countsOf("accounts", "account"), countsOf("connectors", "connector"),
})

var budgetsCommand = noun("budgets", "list", "Says how budgets stand", `
Budgets are lines of agents, accounts and grants: see docs/budgets.md.

Examples:

  attache budgets list
  attache budgets list --agent-id agt_0sgcas7
`, []call{
	{use: "list", short: "What was used of which budget, and when it begins anew", method: http.MethodGet, path: "/budgets", whole: true, columns: []string{"OF=owner_kind", "NAME=owner", "BUDGET=budget", "USED=shown", "ANEW=resets_at"},
		sends: []member{{option: "agent-id", name: "agent_id", help: "Only those of an agent and its grants"}, {option: "account-id", name: "account_id", help: "Only those of an account and its grants"}}},
})

// countsOf is a call that counts by agent, account or connector.
func countsOf(use, kind string) call {
	return call{use: use, short: "Counts calls by " + kind, method: http.MethodGet, path: "/usage", fixed: map[string]any{"kind": kind}, sends: []member{
		{option: "ids", name: "ids", help: "Of which, with commas"}, {option: "days", name: "days", help: "How far to look back (default: 14)", kind: number}}}
}

var healthCommand = noun("health", "account|status|vault|overview", "Says how accounts and the vault are", `
Examples:

  attache health account github:work
  attache health overview
`, []call{
	{use: "account ID|CONNECTOR:NAME", short: "How an account does: its token, its errors, when it last worked", method: http.MethodGet, path: "/accounts/{}/health"},
	{use: "status ID|CONNECTOR:NAME", short: "Whether an account can be used, and what to do if not", method: http.MethodGet, path: "/accounts/{}/status"},
	{use: "vault", short: "How the vault is", method: http.MethodGet, path: "/status"},
	{use: "overview", short: "What was called, and what needs a person", method: http.MethodGet, path: "/overview"},
})

// Further operations of nouns that have files of their own.
var (
	budgetMember = member{option: "budget", name: "budgets", help: "How much may be used, as \"1000 requests per day\", or a price; replaces all of them", kind: list}
	accountCalls = []call{
		{use: "update ID|CONNECTOR:NAME", short: "Edits an account: name, owner, metadata", method: http.MethodPatch, path: "/accounts/{}", data: true, sends: []member{
			{option: "name", name: "name", help: "What it is called"}, {option: "identifier", name: "identifier", help: "Whose it is"}, {option: "identifier-type", name: "identifier_type", help: "What its owner is: user, org, custom"}, budgetMember}},
		{use: "status ID|CONNECTOR:NAME", short: "Whether an account can be used, and what to do if not", method: http.MethodGet, path: "/accounts/{}/status"},
	}
	agentCalls = []call{
		{use: "show ID|NAME", short: "Shows an agent", method: http.MethodGet, path: "/agents/{}"},
		{use: "update ID|NAME", short: "Edits an agent", method: http.MethodPatch, path: "/agents/{}", data: true, sends: []member{
			{option: "name", name: "name", help: "What it is called"}, {option: "description", name: "description", help: "What it is for"},
			{option: "disabled", name: "disabled", help: "Stop it (--disabled=false: let it go on)", kind: yes}, {option: "until", name: "expires_at", help: "When it ends", kind: when}, budgetMember}},
		{use: "allow ID|NAME --connector KEY", short: "Says which connectors an agent may use at all, whatever it is granted", method: http.MethodPut, path: "/agents/{}/connectors", sends: []member{
			{option: "connector", name: "connectors", help: "One that it may use; all others it may not", kind: list, required: true}}},
		{use: "allow-all ID|NAME", short: "Lets an agent use every connector that it is granted", method: http.MethodPut, path: "/agents/{}/connectors", fixed: map[string]any{"connectors": nil}},
		{use: "tokens ID|NAME", short: "Lists an agent's tokens, without the tokens themselves", method: http.MethodGet, path: "/agents/{}/tokens", whole: true, columns: []string{"ID=id", "NAME=name", "LAST4=last4", "UNTIL=expires_at"}},
		{use: "end-token ID|NAME TOKEN", short: "Ends an agent's token", method: http.MethodDelete, path: "/agents/{}/tokens/{}"},
	}
	connectorMembers = []member{
		{option: "title", name: "title", help: "What people read"}, {option: "active", name: "active", help: "Whether it is used (--active=false: not)", kind: yes},
		{option: "host", name: "hosts", help: "Where its credentials may go", kind: list}, {option: "base-url", name: "base_url", help: "Where the API is"},
		{option: "grant-type", name: "grant_type", help: "client_credentials (default), refresh_token, authorization_code, device_code, gcs_service_account, aws_iam"},
		{option: "token-url", name: "token_url", help: "The token endpoint"}, {option: "authorize-url", name: "authorize_url", help: "Where people sign in"}, {option: "device-url", name: "device_url", help: "Where device codes come from"},
		{option: "content-type", name: "content_type", help: "Of the token request: application/x-www-form-urlencoded (default) or application/json"}, {option: "scope", name: "scope", help: "Separated by spaces"},
		{option: "header-as-payload", name: "header_as_payload", help: "Send client id and secret in an Authorization header, not in the body", kind: yes},
		{option: "test-path", name: "test_path", help: "A path that answers 200 with a good credential"}, {option: "service-account-email", name: "service_account_email", help: "For gcs_service_account"},
		clientID, {option: "client-secret", name: "client_secret", help: "The client's secret", kind: hidden}, {option: "refresh-token", name: "refresh_token", help: "A refresh token", kind: hidden},
		{option: "service-account", name: "service_account", help: "The JSON key of a Google service account", kind: hidden}, {option: "agent-id", name: "agents", help: "An agent that may use it, by id", kind: list},
		{option: "mcp", name: "mcp", help: "The URL of a remote MCP server, instead of all this"}, {option: "definition", name: "definition", help: "The connector as YAML, instead of all this", kind: hidden}}
	connectorCalls = []call{
		{use: "create --name NAME", short: "Makes a connector: from a form, a definition in YAML, or the URL of an MCP server", method: http.MethodPost, path: "/connectors", data: true,
			sends: append([]member{{option: "name", name: "name", help: "What it is called: letters, digits, _ and -"}}, connectorMembers...)},
		{use: "update KEY", short: "Edits a connector that was made so", method: http.MethodPatch, path: "/connectors/{}", data: true, sends: connectorMembers},
		{use: "delete KEY", short: "Deletes a connector that was made so, with the account that its form made", method: http.MethodDelete, path: "/connectors/{}"},
		{use: "metadata KEY", short: "What a connector needs to be connected, as the REST API says it", method: http.MethodGet, path: "/connectors/{}/metadata"},
	}
	grantCalls = []call{
		{use: "explain AGENT --method METHOD --url URL", short: "Says what would become of an agent's request, and which rule decides; nothing is sent", method: http.MethodPost, path: "/agents/{}/explain", sends: []member{
			{option: "method", name: "method", help: "The method", required: true}, {option: "url", name: "url", help: "Where to", required: true}, {option: "body", name: "body", help: "The body", kind: hidden}, {option: "content-type", name: "content_type", help: "Of the body (default: application/json)"}, {option: "account", name: "account", help: "Which account the agent would choose"}}},
		{use: "update AGENT GRANT", short: "Edits a grant", method: http.MethodPatch, path: "/agents/{}/grants/{}", data: true, sends: []member{
			{option: "scope", name: "scopes", help: "read, write, presign or placeholder; replaces them", kind: list}, {option: "rule", name: "operations", help: "What the agent may do; replaces the rules", kind: list}, {option: "until", name: "expires_at", help: "When it ends", kind: when}, budgetMember}},
	}
)
