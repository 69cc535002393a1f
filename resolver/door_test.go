package resolver

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/attache-proxy/attache/providers"
)

// TestChoiceOfEveryPair: of two places that say which account is meant, the one
// that is nearer to the single request wins, and both win over the default.
func TestChoiceOfEveryPair(t *testing.T) {
	places := []struct {
		name string
		say  func(c *Choice, account string)
	}{
		{"header", func(c *Choice, a string) { c.Header = a }},
		{"address", func(c *Choice, a string) { c.Address = a }},
		{"user", func(c *Choice, a string) { c.User = a }},
		{"default", func(*Choice, string) {}}, // the account is called default there
	}
	call := &Call{Connector: &providers.Connector{Definition: &providers.Definition{Key: "github"}}}
	account := func(name string) Granted {
		return Granted{Account: &Account{ID: "github:" + name, Name: name, Default: name == "default"}}
	}
	var all []Granted
	for _, p := range places {
		all = append(all, account(p.name))
	}
	for i, stronger := range places {
		for _, weaker := range places[i:] {
			t.Run(fmt.Sprintf("%s over %s", stronger.name, weaker.name), func(t *testing.T) {
				var c Choice
				weaker.say(&c, weaker.name)
				stronger.say(&c, stronger.name)
				got, err := choose(all, call, Ask{Agent: &Agent{Name: "a"}, Account: c.Account()})
				if err != nil || got.Account.Name != stronger.name {
					t.Errorf("choose(%+v) = %v, %v; want %s", c, got.Account, err, stronger.name)
				}
			})
		}
	}
	// Without any word: the only one, though it is not the default; of several none.
	ask := Ask{Agent: &Agent{Name: "a"}}
	if got, err := choose([]Granted{account("work")}, call, ask); err != nil || got.Account.Name != "work" {
		t.Errorf("the only one: %v, %v", got.Account, err)
	}
	var ref *Refusal
	if _, err := choose([]Granted{account("work"), account("home")}, call, ask); !errors.As(err, &ref) || ref.Code != "account_ambiguous" {
		t.Errorf("two and no word: %v, want account_ambiguous", err)
	}
	// A name is no guess: one that is not granted is refused, whatever else there is.
	if _, err := choose(all, call, Ask{Agent: ask.Agent, Account: Choice{Header: "nobody", User: "user"}.Account()}); !errors.As(err, &ref) || ref.Code != "account_unknown" {
		t.Errorf("an unknown name: %v, want account_unknown", err)
	}
}

// choose chooses among what an agent was granted for the call's connector.
func choose(granted []Granted, call *Call, ask Ask) (Granted, error) {
	r := &Resolver{directory: grantedAll{granted: granted}}
	return r.choose(context.Background(), &Call{Connector: call.Connector}, ask, []providers.Entry{{Connector: call.Connector}})
}

// grantedAll is a directory in which every agent was granted the same.
type grantedAll struct {
	Directory
	granted []Granted
}

// Granted implements Directory.
func (g grantedAll) Granted(context.Context, *Agent, string) ([]Granted, error) {
	return g.granted, nil
}
