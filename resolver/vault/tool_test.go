package vault_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/attache-proxy/attache/resolver/listing"
	"github.com/attache-proxy/attache/resolver/tool"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// A tool is known by what it said first; another word stops it, for all replicas, until a
// person accepts what was looked at.
func TestTools(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		ctx := t.Context()
		v := vaulttest.Open(t, c)
		s := v.As(vault.Actor{Kind: "person", Name: "kim"}, vault.All)
		w, _, err := s.CreateWebhook(ctx, vault.NewWebhook{URL: "https://hooks.example/x", Events: []string{"tool.changed"}})
		if err != nil {
			t.Fatal(err)
		}
		of := tool.Server{Organisation: vault.DefaultOrganisation, Connector: "mcp", AccountID: "acc_x", Account: "one", Host: "mcp.example"}
		says := func(digest, text string) listing.Tool { return listing.Tool{Name: "a", Digest: digest, Says: text} }
		see := func(tools ...listing.Tool) map[string]tool.State {
			t.Helper()
			known, err := v.ToolsSeen(ctx, of, tools)
			if err != nil {
				t.Fatal(err)
			}
			return known
		}
		heard := 0
		defer v.Subscribe(func(c vault.Change) {
			if c.Kind == vault.KindTool {
				heard++
			}
		})()
		if known := see(says("1", `{"name":"a"}`), listing.Tool{Name: "unclear"}); known["a"].Changed || known["a"].Digest != "1" || len(known) != 1 {
			t.Errorf("at first: %+v", known)
		}
		if known := see(says("1", "{}")); known["a"].Changed || heard != 1 {
			t.Errorf("the same again: %+v, %d changes", known, heard)
		}
		see(says("2", `{"name":"a","annotations":{"destructiveHint":true}}`))
		see(says("3", `{"name":"a","description":"x","annotations":{"destructiveHint":true}}`))
		if known, err := v.ToolsOf(ctx, of); err != nil || !known["a"].Changed {
			t.Errorf("changed: %+v, %v", known, err)
		}
		if known := see(says("1", `{"name":"a"}`)); !known["a"].Changed {
			t.Error("a server that says the first again goes on by itself")
		}
		elsewhere := of
		elsewhere.Host = "other.example"
		if known, err := v.ToolsOf(ctx, elsewhere); err != nil || len(known) != 0 {
			t.Errorf("at another host: %+v, %v", known, err)
		}
		list, err := s.ListTools(ctx, vault.ToolFilter{Changed: true}, vault.Page{Limit: 10})
		if n, more := s.ChangedTools(ctx); err != nil || len(list.Items) != 1 || n != 1 || more != nil {
			t.Fatalf("%+v, %v, %d, %v", list.Items, err, n, more)
		}
		id := list.Items[0].ID
		stranger := v.As(vault.Actor{Kind: "person", Name: "eve"}, "other")
		if _, err := stranger.AcceptTool(ctx, id, "3"); !errors.Is(err, vault.ErrNotFound) {
			t.Errorf("another organisation accepts: %v", err)
		}
		if _, err := s.AcceptTool(ctx, id, "2"); !errors.Is(err, vault.ErrConflict) {
			t.Errorf("what was looked at is not what is said: %v", err)
		}
		got, err := s.AcceptTool(ctx, id, "3")
		if err != nil || got.Digest != "3" || !got.Hints.Destructive || got.AcceptedBy == "" {
			t.Errorf("%+v, %v", got, err)
		}
		if known, err := v.ToolsOf(ctx, of); err != nil || known["a"].Changed || known["a"].Digest != "3" || !known["a"].Hints.Destructive {
			t.Errorf("accepted: %+v, %v", known, err)
		}
		if told, err := s.Deliveries(ctx, w.ID, vault.Page{Limit: 50}); err != nil || len(told.Items) != 1 {
			t.Errorf("webhooks heard %d, %v", len(told.Items), err)
		}
		var many []listing.Tool
		for i := range tool.Most + 10 {
			many = append(many, listing.Tool{Name: fmt.Sprint("t", i), Digest: "1"})
		}
		if known := see(many...); len(known) != tool.Most {
			t.Errorf("%d are known", len(known))
		}
		if err := v.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		if known, err := v.ToolsOf(ctx, of); err != nil || len(known) != 0 {
			t.Errorf("of an account that is not there %d are kept, %v", len(known), err)
		}
	})
}
