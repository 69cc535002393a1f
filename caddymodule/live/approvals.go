package live

import (
	"context"

	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/approval"
	"github.com/attache-proxy/attache/resolver/tool"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Approvals is an approval.Store in a vault, for agents of the configuration file too.
type Approvals struct {
	*vault.Vault
	Static *resolver.Static
}

// FileApproval implements approval.Store.
func (a Approvals) FileApproval(ctx context.Context, r *approval.Request) (approval.Approval, bool, error) {
	named := *r
	named.AgentID = a.id(r.AgentID, r.Agent)
	return a.Vault.FileApproval(ctx, &named)
}

// id is the agent's as the vault has it.
func (a Approvals) id(id, name string) string {
	if a.Static.Has(&resolver.Agent{ID: id, Name: name}) {
		return vault.FileAgent + name
	}
	return id
}

// Of returns an approval that an agent asked for, or vault.ErrNotFound.
func (a Approvals) Of(ctx context.Context, agent *resolver.Agent, id string) (approval.Approval, error) {
	found, err := a.ApprovalNow(ctx, id)
	if err == nil && found.AgentID != a.id(agent.ID, agent.Name) {
		err = vault.ErrNotFound
	}
	if err != nil {
		return approval.Approval{}, err
	}
	return found, nil
}

// Hear wakes those who wait at a desk when their approvals change, and lets go of what is
// known of tools when that does, until cancel.
func (a Approvals) Hear(d *approval.Desk, tools *tool.Book) (cancel func()) {
	return a.Subscribe(func(c vault.Change) {
		switch c.Kind {
		case vault.KindTool:
			tools.Forget()
		case vault.KindApproval:
			d.Heard(c.ID)
		case vault.KindEverything:
			d.Heard("")
			tools.Forget()
		}
	})
}

var _ approval.Store = Approvals{}
