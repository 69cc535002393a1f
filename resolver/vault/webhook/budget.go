package webhook

import (
	"context"
	"time"

	"github.com/attache-proxy/attache/resolver/vault/database"
)

// Budget is what a webhook is told of one that is nearly used up.
type Budget struct {
	Organisation string    `json:"organisation"`
	OwnerKind    string    `json:"owner_kind"` // agent, account or grant
	OwnerID      string    `json:"owner_id"`
	Owner        string    `json:"owner"`
	Line         string    `json:"budget"`
	Used         string    `json:"used"`
	Most         string    `json:"most"`
	ResetsAt     time.Time `json:"resets_at"`
}

// BudgetWarning is the event that four fifths of a budget are used.
const BudgetWarning = "budget.warning"

// WarnOfBudget tells the webhooks that want it.
func (q *Queue) WarnOfBudget(ctx context.Context, b Budget) error {
	return q.db.Write(ctx, func(t *database.Tx) error {
		var p payload
		p.Data.Budget = &b
		return enqueue(ctx, t, BudgetWarning, b.Organisation, &p)
	})
}
