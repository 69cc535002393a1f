package vault_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	runs "github.com/attache-proxy/attache/resolver/run"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// A run is there from its beginning to its end, which comes once: by itself, by a person,
// or by silence; other organisations see nothing of it.
func TestRuns(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		ctx := t.Context()
		clock := vaulttest.NewClock()
		c.Now = clock.Now
		v := vaulttest.Open(t, c)
		person := v.As(vault.Actor{Kind: "person", Name: "kim@example.com"}, "acme")
		stranger := v.As(vault.Actor{Kind: "person", Name: "lee@example.com"}, "other")
		open := func(digest string) runs.Run {
			t.Helper()
			r := runs.Run{Organisation: "acme", AgentID: "research", Agent: "research", Program: "sh", User: "kim", Confined: true, Opener: "opener"}
			if err := v.OpenRun(ctx, &r, digest); err != nil {
				t.Fatal(err)
			}
			return r
		}
		state := func(id string, want runs.State, why string) runs.Run {
			t.Helper()
			r, err := person.Run(ctx, id)
			if err != nil || r.Stands(clock.Now()) != want || r.Why != why {
				t.Errorf("%s %q (%v), want %s %q", r.Stands(clock.Now()), r.Why, err, want, why)
			}
			return r
		}
		one, two, three := open("one"), open("two"), open("three")
		if r, err := v.RunOf(ctx, "one"); err != nil || r.ID != one.ID || !r.Confined || r.Opener != "opener" || r.Program != "sh" {
			t.Errorf("%+v, %v", r, err)
		}
		if _, err := v.RunOf(ctx, "none"); !errors.Is(err, runs.ErrNone) {
			t.Errorf("the run of no token: %v", err)
		}
		ended := map[string]bool{}
		t.Cleanup(v.Subscribe(func(c vault.Change) {
			if c.Kind == vault.KindRun {
				ended[c.ID] = true
			}
		}))
		if err := v.CloseRun(ctx, one.ID, "exited"); err != nil || !ended[one.ID] {
			t.Errorf("%v, heard %v", err, ended)
		}
		if _, err := person.EndRun(ctx, one.ID); err != nil { // again
			t.Error(err)
		}
		state(one.ID, runs.Ended, "exited")
		if _, err := stranger.EndRun(ctx, two.ID); !errors.Is(err, vault.ErrNotFound) {
			t.Errorf("of another organisation: %v", err)
		}
		state(two.ID, runs.Running, "")
		if r, err := person.EndRun(ctx, two.ID); err != nil || !strings.Contains(r.Why, "kim") {
			t.Errorf("%+v, %v", r, err)
		}
		// Notes count whatever happens; they bring nothing back.
		clock.Advance(20 * time.Second)
		if err := v.NoteRuns(ctx, []runs.Note{{ID: two.ID, Seen: clock.Now(), Calls: 3, Refusals: 1}, {ID: three.ID, Seen: clock.Now(), Calls: 2}, {ID: three.ID, Calls: 1}, {ID: "run_none", Calls: 9}}); err != nil {
			t.Fatal(err)
		}
		if r := state(two.ID, runs.Ended, "ended by kim@example.com"); r.Calls != 3 || r.Refusals != 1 {
			t.Errorf("%+v", r)
		}
		clock.Advance(20 * time.Second)
		if r := state(three.ID, runs.Running, ""); r.Calls != 3 {
			t.Errorf("%+v", r)
		}
		clock.Advance(runs.Lease)
		state(three.ID, runs.Lapsed, "")
		for want, n := range map[runs.State]int{runs.Running: 0, runs.Ended: 2, runs.Lapsed: 1, "": 3} {
			if l, err := person.Runs(ctx, vault.RunFilter{State: want}, vault.Page{}); err != nil || len(l.Items) != n {
				t.Errorf("%q: %d runs, %v, want %d", want, len(l.Items), err, n)
			}
		}
		if l, err := stranger.Runs(ctx, vault.RunFilter{}, vault.Page{}); err != nil || len(l.Items) != 0 {
			t.Errorf("another organisation sees %v, %v", l.Items, err)
		}
		if l, err := person.Runs(ctx, vault.RunFilter{AgentID: "file:research", User: "kim"}, vault.Page{}); err != nil || len(l.Items) != 3 {
			t.Errorf("by agent and user: %v, %v", l.Items, err)
		}
		if _, err := person.EndRun(ctx, three.ID); err != nil {
			t.Error(err)
		}
		state(three.ID, runs.Ended, "lapsed") // when it was heard of last
		events, err := person.Audit(ctx, vault.AuditFilter{Run: two.ID}, vault.Page{})
		if err != nil || len(events.Items) != 2 || events.Items[0].Code != "run.ended" || events.Items[0].Actor.Name != "kim@example.com" {
			t.Errorf("the audit: %+v, %v", events.Items, err)
		}
		// What is old goes.
		clock.Advance(100 * 24 * time.Hour)
		if err := v.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		if l, err := person.Runs(ctx, vault.RunFilter{}, vault.Page{}); err != nil || len(l.Items) != 0 {
			t.Errorf("after 100 days: %d, %v", len(l.Items), err)
		}
	})
}
