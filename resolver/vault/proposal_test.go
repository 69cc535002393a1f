package vault_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/resolver/approval"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// A rule that an agent proposes gets into its grant when a person accepts it, before the
// rule in its way or behind all; what is refused is not asked again for a day.
func TestProposals(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		ctx := t.Context()
		clock := vaulttest.NewClock()
		c.Now = clock.Now
		v := vaulttest.Open(t, c)
		s := v.As(vault.Actor{Kind: "person", Name: "kim"}, vault.All)
		agent, _, err := s.CreateAgent(ctx, vault.NewAgent{Name: "research"})
		if err != nil {
			t.Fatal(err)
		}
		acct, err := s.CreateAccount(ctx, vault.NewAccount{Connector: "github", Name: "work", Option: "token"})
		if err != nil {
			t.Fatal(err)
		}
		g, err := s.CreateGrant(ctx, vault.NewGrant{AgentID: agent.ID, AccountID: acct.ID, Scopes: []string{"read", "write"}, Operations: []string{"deny effect:delete", "allow read"}})
		if err != nil {
			t.Fatal(err)
		}
		w, _, err := s.CreateWebhook(ctx, vault.NewWebhook{URL: "https://hooks.example/x", Events: []string{"proposal.filed", "proposal.decided"}})
		if err != nil {
			t.Fatal(err)
		}
		file := func(line, rule string) (approval.Approval, bool) {
			a, filed, err := v.FileApproval(ctx, approval.Propose(approval.Request{Organisation: vault.DefaultOrganisation, Connector: "github", AgentID: agent.ID, Agent: "research", AccountID: acct.ID, Account: "work", GrantID: g.ID,
				Effect: "write", Allow: line, Rule: rule}, "because\n<script>"))
			if err != nil {
				t.Fatal(err)
			}
			return a, filed
		}
		a, _ := file("allow repos/delete", "deny effect:delete")
		b, _ := file("allow issues/create", "")
		if again, filed := file("allow issues/create", ""); filed || again.ID != b.ID {
			t.Errorf("filed twice: %v", again.ID)
		}
		clock.Advance(3 * time.Hour)
		if got, err := s.Approval(ctx, a.ID); err != nil || got.Stands(clock.Now()) != approval.Pending || got.Preview.Said != "because <script>" {
			t.Errorf("after three hours: %+v, %v", got, err)
		}
		for _, x := range []vault.Decision{{Yes: true, Scope: approval.Once}, {Yes: true, Scope: approval.Minutes}} {
			if _, err := s.Answer(ctx, a.ID, x); !errors.Is(err, vault.ErrScope) {
				t.Errorf("a proposal for %s: %v", x.Scope, err)
			}
		}
		for id, rule := range map[string]string{a.ID: "", b.ID: "ask issues/create"} {
			if _, err := s.Answer(ctx, id, vault.Decision{Yes: true, Scope: approval.Rule, Rule: rule}); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := s.Grant(ctx, g.ID); err != nil || strings.Join(got.Operations, "|") != "allow repos/delete|deny effect:delete|allow read|ask issues/create" {
			t.Errorf("the grant has %v, %v", got.Operations, err)
		}
		if got, err := s.Approval(ctx, b.ID); err != nil || got.State != approval.Approved || got.Allow != "ask issues/create" {
			t.Errorf("narrowed: %+v, %v", got, err)
		}
		if _, err := s.Answer(ctx, b.ID, vault.Decision{Back: true}); !errors.Is(err, vault.ErrDecided) {
			t.Errorf("a rule is taken back here: %v", err)
		}
		if again, filed := file("allow issues/create", ""); !filed {
			t.Errorf("after it was accepted, and taken out again, it cannot be proposed: %+v", again)
		}
		d, _ := file("allow repos/get", "")
		if _, err := s.Answer(ctx, d.ID, vault.Decision{Reason: "no"}); err != nil {
			t.Fatal(err)
		}
		clock.Advance(2 * time.Hour)
		if again, filed := file("allow repos/get", ""); filed || again.State != approval.Denied || again.Reason != "no" {
			t.Errorf("two hours after a no: %+v", again)
		}
		clock.Advance(approval.RefusedFor)
		if _, filed := file("allow repos/get", ""); !filed {
			t.Error("a day after a no it is not filed")
		}
		list, err := s.Approvals(ctx, vault.ApprovalFilter{Kind: "request"}, vault.Page{Limit: 10})
		if err != nil || len(list.Items) != 0 {
			t.Errorf("among requests: %v, %v", list.Items, err)
		}
		told, err := s.Deliveries(ctx, w.ID, vault.Page{Limit: 50})
		if err != nil || len(told.Items) < 6 {
			t.Errorf("webhooks heard %d, %v", len(told.Items), err)
		}
		n := 0
		for ; err == nil && n < 3*approval.MaxProposals; n++ {
			_, _, err = v.FileApproval(ctx, approval.Propose(approval.Request{Organisation: vault.DefaultOrganisation, AgentID: agent.ID, AccountID: acct.ID, GrantID: g.ID, Allow: "allow x" + fmt.Sprint(n)}, ""))
		}
		if !errors.Is(err, approval.ErrTooMany) || n > approval.MaxProposals+1 {
			t.Errorf("%d were filed: %v", n, err)
		}
	})
}
