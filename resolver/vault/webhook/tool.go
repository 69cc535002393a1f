package webhook

import (
	"context"

	"github.com/attache-proxy/attache/resolver/vault/database"
)

// Tool is what a webhook is told of one that says something else than it did.
type Tool struct {
	Organisation string `json:"organisation"`
	Connector    string `json:"connector"`
	Account      string `json:"account"`
	AccountID    string `json:"account_id"`
	Host         string `json:"host"`
	Tool         string `json:"tool"`
}

// ToolChanged is the event that a tool was stopped, since it says something else.
const ToolChanged = "tool.changed"

// EnqueueTool tells the webhooks that want it.
func EnqueueTool(ctx context.Context, t *database.Tx, a Tool) error {
	var p payload
	p.Data.Tool = &a
	return enqueue(ctx, t, ToolChanged, a.Organisation, &p)
}

// Events are all that webhooks are told of; states are those of accounts.
func Events[S ~string](states []S) []string {
	all := []string{"approval.requested", "approval.decided", "proposal.filed", "proposal.decided", ToolChanged, BudgetWarning, "account.created", "account.updated", "account.credentials_set", "account.deleted"}
	for _, s := range states {
		all = append(all, "account."+string(s))
	}
	return all
}
