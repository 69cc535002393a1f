// Package tool knows the tools of MCP servers: what each said of itself when it was first
// seen, or when a person last looked. One that says something else is stopped until
// somebody has looked again.
package tool

import (
	"context"
	"strings"
	"sync"

	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/resolver/listing"
)

// Server is whose tools they are: what an account reaches at a host.
type Server struct {
	Organisation, Connector string
	// AccountID is the vault's, or of the configuration file's.
	AccountID, Account string
	Host               string
}

// State is how a tool stands.
type State struct {
	// Digest is of what it said when it was accepted.
	Digest string
	Hints  listing.Hints
	// Changed says that it has said something else since: it is stopped.
	Changed bool
}

// Most is how many tools of a server are known; others are not offered.
const Most = 500

// Store remembers tools, for all replicas.
type Store interface {
	// ToolsOf is how a server's tools stand, by name.
	ToolsOf(ctx context.Context, s Server) (map[string]State, error)
	// ToolsSeen keeps what a server says of its tools, and returns how all of them stand.
	ToolsSeen(ctx context.Context, s Server, seen []listing.Tool) (map[string]State, error)
}

// Book is what is known here. It is safe for concurrent use; a nil Book knows nothing.
type Book struct {
	store Store

	mu    sync.Mutex
	known map[Server]map[string]State
	// times is how often something was forgotten: what was read before is not kept.
	times int
}

// maxServers bounds what is kept in memory.
const maxServers = 2000

// NewBook is a book over a store.
func NewBook(store Store) *Book { return &Book{store: store, known: map[Server]map[string]State{}} }

// Forget forgets how tools stand: some have changed, or were accepted.
func (b *Book) Forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.known)
	b.times++
}

// Of is how a server's tools stand, by name. What is returned is only read.
func (b *Book) Of(ctx context.Context, s Server) (map[string]State, error) {
	if b == nil {
		return nil, nil
	}
	b.mu.Lock()
	known, ok := b.known[s]
	times := b.times
	b.mu.Unlock()
	if ok {
		return known, nil
	}
	known, err := b.store.ToolsOf(ctx, s)
	if err == nil {
		b.keep(s, known, times)
	}
	return known, err
}

func (b *Book) keep(s Server, known map[string]State, times int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.times != times {
		return
	}
	if len(b.known) >= maxServers {
		clear(b.known)
	}
	b.known[s] = known
}

// See takes what a server says of its tools, and returns which of them are offered, by
// their places: none where that cannot be kept.
func (b *Book) See(ctx context.Context, s Server, tools []listing.Tool) []bool {
	offered := make([]bool, len(tools))
	if b == nil {
		for i := range offered {
			offered[i] = true
		}
		return offered
	}
	known, err := b.Of(ctx, s)
	if err == nil && !allKnown(known, tools) {
		if known, err = b.store.ToolsSeen(ctx, s, tools); err == nil {
			b.mu.Lock()
			times := b.times
			b.mu.Unlock()
			b.keep(s, known, times)
		}
	}
	if err != nil {
		return offered
	}
	for i, t := range tools {
		state, ok := known[t.Name]
		offered[i] = ok && !state.Changed && t.Digest != "" && t.Digest == state.Digest
	}
	return offered
}

func allKnown(known map[string]State, tools []listing.Tool) bool {
	for _, t := range tools {
		state, ok := known[t.Name]
		switch {
		case t.Digest == "", !ok && len(known) >= Most: // it will not be known
		case !ok, !state.Changed && state.Digest != t.Digest:
			return false
		}
	}
	return true
}

// Effect is what calling a tool does: effect, or what is stricter by what the server says
// of the tool. Only a server that is trusted makes reading of it.
func (s State) Effect(effect operations.Effect, trusted bool) operations.Effect {
	switch {
	case s.Hints.Destructive && !s.Hints.ReadOnly && (effect == operations.Write || effect == operations.Read):
		return operations.Delete
	case trusted && s.Hints.ReadOnly && effect == operations.Write:
		return operations.Read
	}
	return effect
}

// Called is the tool that an operation calls; empty where it calls none.
func Called(operation string) string {
	name, ok := strings.CutPrefix(operation, "tools/call ")
	if !ok {
		return ""
	}
	return name
}
