package main

// verbs names each operation in the libraries: the words of the documents that operators
// come with where they have one, else list, get, create, update and delete. An operation
// that is missing here is an error; "-" leaves one out: streams and files are read with
// an HTTP client, and browsers' sessions are no program's.
var verbs = map[string]string{
	"list-accounts":         "accounts.list",
	"create-account":        "accounts.create",
	"get-account":           "accounts.get",
	"update-account":        "accounts.update",
	"delete-account":        "accounts.delete",
	"activate-account":      "accounts.activate",
	"suspend-account":       "accounts.suspend",
	"resume-account":        "accounts.resume",
	"revoke-account":        "accounts.revoke",
	"test-account":          "accounts.test",
	"authorize-account":     "accounts.getAuthUrl",
	"exchange-code":         "accounts.exchangeCode",
	"refresh-account":       "accounts.refreshTokens",
	"get-account-status":    "accounts.getStatus",
	"get-account-health":    "accounts.getHealth",
	"get-account-usage":     "accounts.getUsage",
	"set-credentials":       "accounts.setCredentials",
	"bulk-create-accounts":  "accounts.createBulk",
	"bulk-refresh-accounts": "accounts.refreshTokensBulk",
	"bulk-account-settings": "accounts.updateSettingsBulk",
	"get-test-tokens":       "accounts.getTestTokens",
	"play-account":          "accounts.play",
	"presign":               "accounts.presign",
	"set-bucket-access":     "accounts.setBucketAccess",

	"list-agents":          "agents.list",
	"create-agent":         "agents.create",
	"get-agent":            "agents.get",
	"update-agent":         "agents.update",
	"delete-agent":         "agents.delete",
	"set-agent-connectors": "agents.setConnectors",
	"list-agent-grants":    "agents.listGrants",
	"create-grant":         "agents.grant",
	"explain-request":      "agents.explain",
	"suggest-rules":        "agents.suggestRules",
	"replay-rules":         "agents.replayRules",
	"get-grant":            "agents.getGrant",
	"update-grant":         "agents.updateGrant",
	"delete-grant":         "agents.deleteGrant",
	"list-agent-tokens":    "agents.listTokens",
	"create-agent-token":   "agents.createToken",
	"delete-agent-token":   "agents.deleteToken",

	"list-approvals":     "approvals.list",
	"get-approval":       "approvals.get",
	"approve":            "approvals.approve",
	"deny":               "approvals.deny",
	"take-back-approval": "approvals.takeBack",
	"list-runs":          "runs.list",
	"get-run":            "runs.get",
	"end-run":            "runs.end",

	"list-tools":  "tools.list",
	"get-tool":    "tools.get",
	"accept-tool": "tools.accept",

	"list-apps":  "apps.list",
	"create-app": "apps.create",
	"get-app":    "apps.get",
	"update-app": "apps.update",
	"delete-app": "apps.delete",

	"list-connectors":           "connectors.list",
	"create-connector":          "connectors.create",
	"get-connector":             "connectors.get",
	"update-connector":          "connectors.update",
	"delete-connector":          "connectors.delete",
	"list-connector-metadata":   "connectors.listMetadata",
	"get-connector-metadata":    "connectors.getMetadata",
	"list-connector-operations": "connectors.listOperations",
	"find-connector-operation":  "connectors.findOperation",
	"get-app-mode":              "connectors.getAppMode",
	"set-app-mode":              "connectors.setAppMode",

	"list-connect-sessions":  "links.list",
	"create-connect-session": "links.create",
	"get-connect-session":    "links.get",
	"delete-connect-session": "links.delete",

	"list-webhooks":   "webhooks.list",
	"create-webhook":  "webhooks.create",
	"get-webhook":     "webhooks.get",
	"update-webhook":  "webhooks.update",
	"delete-webhook":  "webhooks.delete",
	"list-deliveries": "webhooks.listDeliveries",
	"redeliver":       "webhooks.redeliver",
	"test-webhook":    "webhooks.test",

	"list-tokens":  "tokens.list",
	"create-token": "tokens.create",
	"delete-token": "tokens.delete",

	"list-audit":         "audit.list",
	"list-grants":        "grants.list",
	"list-organisations": "organisations.list",
	"get-usage":          "usage.get",
	"list-budgets":       "budgets.list",
	"get-overview":       "overview.get",
	"get-status":         "status.get",
	"get-me":             "me.get",

	"export-audit": "-", "stream-events": "-", "get-session": "-", "end-session": "-",
}

// spread are operations whose body is given as arguments, in this order, as the documents
// write the call.
var spread = map[string][]string{"exchange-code": {"code", "state"}}

// part is a call of the documents that is a part of another.
type part struct {
	name, of, doc string
	// member is what of the answer is returned, or, with send, what of the body is given.
	member string
	send   bool
}

var parts = []part{
	{"accounts.getMetadata", "get-account", "The operator's own metadata of an account.", "metadata", false},
	{"accounts.updateMetadata", "update-account", "Replaces the operator's own metadata of an account.", "metadata", true},
	{"accounts.updateSettings", "update-account", "Changes settings; what is absent stays.", "settings", true},
	{"accounts.getTokenStatus", "get-account-status", "Where an account's token stands: state, usable, expires_at.", "", false},
}
