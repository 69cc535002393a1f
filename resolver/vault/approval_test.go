package vault_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attache-proxy/attache/resolver/approval"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// asked is a request of an agent to merge, with a body.
func asked(body string) *approval.Request {
	return &approval.Request{Organisation: "default", Connector: "github", AgentID: "file:research", Agent: "research", AccountID: "acc_1", Account: "work", Operation: "pulls/merge", Effect: "write", Resource: "acme/site",
		Method: "PUT", URL: "https://api.github.com/repos/acme/site/pulls/1/merge", Rule: "ask pulls/merge", Allow: "allow pulls/merge on acme/site", Digest: "digest of " + body, Act: "act", Place: "place",
		Preview: approval.Preview{Body: body, Bytes: int64(len(body))}}
}

// A question is one, whoever asks it how often; one answer wins; a yes that is good once
// is used once; another body, agent, account or organisation has nothing of it.
func TestApprovals(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		ctx := t.Context()
		clock := vaulttest.NewClock()
		c.Now = clock.Now
		v := vaulttest.Open(t, c)
		person := v.As(vault.Actor{Kind: "person", Name: "kim@example.com"}, vault.All)
		file := func(r *approval.Request) (approval.Approval, bool) {
			t.Helper()
			a, filed, err := v.FileApproval(ctx, r)
			if err != nil {
				t.Fatal(err)
			}
			return a, filed
		}
		yes := func(id string, s approval.Scope) {
			t.Helper()
			if _, err := person.Answer(ctx, id, vault.Decision{Yes: true, Scope: s}); err != nil {
				t.Fatal(err)
			}
		}

		var heard sync.Map
		t.Cleanup(v.Subscribe(func(c vault.Change) {
			if c.Kind == vault.KindApproval {
				heard.Store(c.ID, true)
			}
		}))
		a, filed := file(asked("one"))
		if again, twice := file(asked("one")); !filed || twice || again.ID != a.ID || again.State != approval.Pending {
			t.Fatalf("asked twice: %+v, %+v", a, again)
		}
		if _, ok := heard.Load(a.ID); !ok {
			t.Error("nobody heard of the question")
		}
		for what, change := range map[string]func(*approval.Request){
			"another body": func(r *approval.Request) { r.Digest = "other" }, "another agent": func(r *approval.Request) { r.AgentID = "file:other" }, "another account": func(r *approval.Request) { r.AccountID = "acc_2" },
			"another grant": func(r *approval.Request) { r.GrantID = "grt_2" }, "another organisation": func(r *approval.Request) { r.Organisation = "other" }, "a body that was not read": func(r *approval.Request) { r.Flight = true },
		} {
			r := asked("one")
			r.Digest += what
			change(r)
			if b, filed := file(r); !filed || b.ID == a.ID {
				t.Errorf("%s is taken for the same", what)
			}
		}
		if err := v.UseApproval(ctx, a.ID); !errors.Is(err, approval.ErrGone) {
			t.Errorf("used before anybody answered: %v", err)
		}

		// One answer wins, and one use.
		var won, refused int
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				_, err := person.Answer(ctx, a.ID, vault.Decision{Yes: i%2 == 0, Scope: approval.Once, Reason: "no"})
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won++
				case errors.Is(err, vault.ErrDecided):
					refused++
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won != 1 || refused != 7 {
			t.Errorf("%d answers won, %d were refused", won, refused)
		}
		b, _ := file(asked("two"))
		yes(b.ID, approval.Once)
		if got, _ := file(asked("two")); got.ID != b.ID || got.State != approval.Approved || got.By != "person:kim@example.com" {
			t.Errorf("after a yes: %+v", got)
		}
		used := 0
		for range 8 {
			all.Go(func() {
				err := v.UseApproval(ctx, b.ID)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					used++
				} else if !errors.Is(err, approval.ErrGone) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if used != 1 {
			t.Errorf("a yes was used %d times", used)
		}
		if c, filed := file(asked("two")); !filed || c.ID == b.ID {
			t.Error("nobody is asked again after the yes was used")
		}

		// A yes for a time, and for a resource.
		d, _ := file(asked("three"))
		yes(d.ID, approval.Minutes)
		if got, filed := file(asked("another body")); filed || got.ID != d.ID || got.Single() {
			t.Errorf("within the quarter of an hour: %+v", got)
		}
		other := asked("other act")
		other.Act, other.Place = "other", "other"
		if _, filed := file(other); !filed {
			t.Error("a yes for a time is one for something else")
		}
		clock.Advance(approval.MinutesFor + time.Second)
		e, filed := file(asked("another body"))
		if !filed {
			t.Error("a yes for a time does not end")
		}
		yes(e.ID, approval.Resource)
		far := asked("far")
		far.Act = "other"
		if got, filed := file(far); filed || got.ID != e.ID {
			t.Errorf("on the resource: %+v", got)
		}
		// It can be taken back, and no is no for a while.
		if _, err := person.Answer(ctx, e.ID, vault.Decision{}); !errors.Is(err, vault.ErrDecided) {
			t.Errorf("a second answer: %v", err)
		}
		if _, err := person.Answer(ctx, e.ID, vault.Decision{Back: true, Reason: "too\nmuch"}); err != nil {
			t.Fatal(err)
		}
		if got, filed := file(asked("another body")); filed || got.State != approval.Denied || got.Reason != "too much" {
			t.Errorf("taken back: %+v", got)
		}
		clock.Advance(approval.DeniedFor + time.Second)
		f, filed := file(asked("another body"))
		if !filed {
			t.Error("a no is for ever")
		}
		// What nobody answers ends.
		clock.Advance(approval.PendingFor)
		if _, err := person.Answer(ctx, f.ID, vault.Decision{Yes: true, Scope: approval.Once}); !errors.Is(err, vault.ErrDecided) {
			t.Errorf("answered after its end: %v", err)
		}
		if _, filed := file(asked("another body")); !filed {
			t.Error("a question that is over is still open")
		}
		if problems, err := v.Verify(ctx); err != nil || len(problems) > 0 {
			t.Error(problems, err)
		}
	})
}

// People see what they may, and what stands in a request is sealed.
func TestApprovalsAreSealedAndSeen(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		ctx := t.Context()
		clock := vaulttest.NewClock()
		c.Now = clock.Now
		v := vaulttest.Open(t, c)
		all := v.As(vault.Actor{Kind: "person", Name: "kim"}, vault.All)
		hook, _, err := all.CreateWebhook(ctx, vault.NewWebhook{URL: "https://hooks.example.com", Events: []string{"approval.*"}})
		if err != nil {
			t.Fatal(err)
		}
		a, _, err := v.FileApproval(ctx, asked("canary-0123456789"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := all.Approval(ctx, a.ID)
		if err != nil || got.Preview.Body != "canary-0123456789" {
			t.Fatalf("%+v, %v", got, err)
		}
		other := v.As(vault.Actor{Kind: "person", Name: "eve"}, "other")
		if _, err := other.Approval(ctx, a.ID); !errors.Is(err, vault.ErrNotFound) {
			t.Errorf("another organisation reads it: %v", err)
		}
		if _, err := other.Answer(ctx, a.ID, vault.Decision{Yes: true, Scope: approval.Once}); !errors.Is(err, vault.ErrNotFound) {
			t.Errorf("another organisation answers it: %v", err)
		}
		if l, err := other.Approvals(ctx, vault.ApprovalFilter{}, vault.Page{}); err != nil || len(l.Items) > 0 {
			t.Errorf("another organisation lists it: %v, %v", l, err)
		}
		for state, n := range map[approval.State]int{"": 1, approval.Pending: 1, approval.Expired: 0, approval.Approved: 0} {
			if l, err := all.Approvals(ctx, vault.ApprovalFilter{State: state}, vault.Page{}); err != nil || len(l.Items) != n {
				t.Errorf("%s: %d, %v", state, len(l.Items), err)
			}
		}
		if n, err := all.OpenApprovals(ctx); n != 1 || err != nil {
			t.Errorf("%d are open, %v", n, err)
		}
		if _, err := all.Answer(ctx, a.ID, vault.Decision{Yes: true, Scope: approval.Rule}); !errors.Is(err, vault.ErrScope) {
			t.Errorf("a rule in a grant of the configuration file: %v", err)
		}
		if _, err := all.Answer(ctx, a.ID, vault.Decision{Reason: "not now"}); err != nil {
			t.Fatal(err)
		}
		if err := v.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		ds, err := all.Deliveries(ctx, hook.ID, vault.Page{})
		if err != nil || len(ds.Items) != 2 {
			t.Fatalf("%d deliveries, %v", len(ds.Items), err)
		}
		for _, d := range ds.Items {
			if strings.Contains(d.Payload, "canary") || !strings.Contains(d.Payload, a.ID) || strings.Contains(d.Payload, `"account":{`) {
				t.Errorf("a webhook is told %s", d.Payload)
			}
		}
		if !strings.Contains(ds.Items[0].Payload, "not now") || ds.Items[0].Event != "approval.decided" {
			t.Errorf("the answer is told as %s", ds.Items[0].Payload)
		}
		events, err := all.Audit(ctx, vault.AuditFilter{}, vault.Page{})
		if err != nil {
			t.Fatal(err)
		}
		var codes []string
		for _, e := range events.Items {
			codes = append(codes, e.Code+" "+e.Actor.String()+" "+e.Detail)
		}
		if text := strings.Join(codes, "\n"); !strings.Contains(text, "approval.denied person:kim "+a.ID+": not now") || !strings.Contains(text, "approval.requested agent:research "+a.ID) {
			t.Errorf("the audit has %s", text)
		}
		// Old ones are let go of.
		clock.Advance(31 * 24 * time.Hour)
		if err := v.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := all.Approval(ctx, a.ID); !errors.Is(err, vault.ErrNotFound) {
			t.Errorf("kept for ever: %v", err)
		}
	})
}

// An agent cannot ask people without end.
func TestApprovalsAreBounded(t *testing.T) {
	c := vaulttest.SQLite(t)
	clock := vaulttest.NewClock()
	c.Now = clock.Now
	v := vaulttest.Open(t, c)
	ctx := t.Context()
	var err error
	n := 0
	for ; err == nil && n < 2*approval.MaxPending; n++ {
		_, _, err = v.FileApproval(ctx, asked(fmt.Sprint(n)))
	}
	if !errors.Is(err, approval.ErrTooMany) || n != approval.MaxPending+1 {
		t.Errorf("%d were asked: %v", n, err)
	}
	if _, filed, err := v.FileApproval(ctx, asked("0")); filed || err != nil {
		t.Errorf("one that is open is not found any more: %v", err)
	}
	other := asked("0")
	other.AgentID = "file:other"
	if _, _, err := v.FileApproval(ctx, other); err != nil {
		t.Errorf("another agent is bounded by it: %v", err)
	}
	// Those who hang up and ask anew have no more.
	hung := asked("")
	hung.AgentID = "file:hangs-up"
	for n, err = 0, nil; err == nil && n < 2*approval.MaxHourly; n++ {
		var a approval.Approval
		hung.Digest = fmt.Sprint(n)
		if a, _, err = v.FileApproval(ctx, hung); err == nil {
			err = v.WithdrawApproval(ctx, a.ID)
		}
	}
	if !errors.Is(err, approval.ErrTooMany) || n != approval.MaxHourly+1 {
		t.Errorf("%d were asked by one that hangs up: %v", n, err)
	}
	clock.Advance(approval.PendingFor + time.Second)
	if _, _, err := v.FileApproval(ctx, asked("new")); err != nil {
		t.Errorf("after an hour: %v", err)
	}
}

// A yes with a rule puts the rule before the one that asked; a grant that was taken away
// has the last word.
func TestApprovalMakesRule(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		ctx := t.Context()
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
		g, err := s.CreateGrant(ctx, vault.NewGrant{AgentID: agent.ID, AccountID: acct.ID, Scopes: []string{"read", "write"}, Operations: []string{"deny effect:delete", "ask pulls/merge", "allow read"}})
		if err != nil {
			t.Fatal(err)
		}
		ask := func(body string) approval.Approval {
			r := asked(body)
			r.AgentID, r.AccountID, r.GrantID = agent.ID, acct.ID, g.ID
			a, _, err := v.FileApproval(ctx, r)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		a, b := ask("one"), ask("two")
		if _, err := s.Answer(ctx, a.ID, vault.Decision{Yes: true, Scope: approval.Rule}); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Grant(ctx, g.ID); err != nil || strings.Join(got.Operations, "|") != "deny effect:delete|allow pulls/merge on acme/site|ask pulls/merge|allow read" {
			t.Errorf("the grant has %v, %v", got.Operations, err)
		}
		rules := []string{"allow read"}
		if _, err := s.UpdateGrant(ctx, g.ID, 0, vault.GrantEdit{Operations: &rules}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Answer(ctx, b.ID, vault.Decision{Yes: true, Scope: approval.Rule}); !errors.Is(err, vault.ErrConflict) {
			t.Errorf("a rule in a grant that does not ask any more: %v", err)
		}
		if got, err := s.Approval(ctx, b.ID); err != nil || got.State != approval.Pending {
			t.Errorf("half an answer: %+v, %v", got, err)
		}
		if err := s.DeleteGrant(ctx, g.ID, 0); err != nil {
			t.Fatal(err)
		}
		if err := v.UseApproval(ctx, a.ID); !errors.Is(err, approval.ErrGone) {
			t.Errorf("a yes beats a grant that was taken away: %v", err)
		}
	})
}
