package runs

import (
	"context"
	"errors"
	"testing"

	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/run"
)

// agents is a directory of one agent, with a token.
type agents struct {
	resolver.Directory
	gone  bool     // the agent
	known [][]byte // the token's digest
	away  error    // the vault
}

func (a *agents) AgentByID(_ context.Context, id string) (*resolver.Agent, error) {
	if a.gone || id != "research" {
		return nil, resolver.ErrUnknownAgent
	}
	return &resolver.Agent{ID: id, Name: id}, nil
}

func (a *agents) AgentByToken(context.Context, string, string) (*resolver.Agent, error) {
	return nil, resolver.ErrUnknownAgent
}

func (a *agents) TokenDigests(context.Context, string) ([][]byte, error) { return a.known, a.away }

// A run's token is its agent's, while the run, the agent and the token by which it was
// opened are there. That the vault is away ends nothing.
func TestDirectory(t *testing.T) {
	ctx, away := t.Context(), errors.New("away")
	inner := &agents{known: [][]byte{{1}}}
	desk := run.NewDesk(new(run.Memory), func(string, error) {})
	t.Cleanup(func() { _ = desk.Close(context.Background()) })
	d := New(inner, desk, nil, func() {})
	r, minted, err := desk.Open(ctx, run.Run{AgentID: "research", Agent: "research", Opener: "01", Confined: true})
	if err != nil {
		t.Fatal(err)
	}
	token := minted.Reveal()
	want := func(what, name, token string, want error) *resolver.Agent {
		t.Helper()
		a, err := d.AgentByToken(ctx, name, token)
		if !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
		return a
	}
	inner.away, inner.known = away, nil
	want("nobody has seen it, and the vault is away", "", token, away)
	inner.away, inner.known = nil, [][]byte{{1}}
	if a := want("it goes on", "research", token, nil); a == nil || a.Run.Name() != r.ID || !a.Run.Confines() {
		t.Errorf("%+v", a)
	}
	want("as another agent", "other", token, resolver.ErrUnknownAgent)
	want("an agent's own token", "", "att_x", resolver.ErrUnknownAgent)
	inner.away, inner.known = away, nil
	want("the vault is away", "", token, nil)
	inner.away = nil
	d.epoch.Add(1) // as the vault tells
	want("its opener's token is gone", "", token, resolver.ErrUnknownAgent)
	inner.known = [][]byte{{1}}
	want("and is there again", "", token, nil)
	// Another configuration looks anew.
	inner.known = nil
	if _, err := New(inner, desk, nil, func() {}).AgentByToken(ctx, "", token); !errors.Is(err, resolver.ErrUnknownAgent) {
		t.Errorf("after a reload without the token: %v", err)
	}
	inner.known, inner.gone = [][]byte{{1}}, true
	want("its agent is gone", "", token, resolver.ErrUnknownAgent)
	inner.gone = false
	if err := desk.End(ctx, r.ID, "exited"); err != nil {
		t.Fatal(err)
	}
	want("it has ended", "", token, run.ErrEnded)
	want("it has ended", "", token, resolver.ErrUnknownAgent)
}
