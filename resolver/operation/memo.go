package operation

import (
	"slices"
	"strings"
	"sync"

	"github.com/attache-proxy/attache/resolver/rule"
)

// Bounds of what is remembered: the length of a document, and of all in one generation,
// of which there are two.
const (
	maxRemembered  = 16 << 10
	maxGeneration  = 512 << 10
	rememberedCost = 256 // what an entry takes beside its text, about
)

// memo remembers what documents of GraphQL do. Clients send the same text with other
// variables, and to parse it takes ten times as long as all else that is read of a
// request. What a document does hangs on its text and the name alone, and both are
// compared whole.
type memo struct {
	mu         sync.Mutex
	young, old map[chosenText]reading
	size       int // of young
}

// chosenText is a document, and the name of the operation that is chosen of it.
type chosenText struct{ document, name string }

// reading is what was read of it; why says why nothing could be.
type reading struct {
	does []rule.Does
	why  string
}

var documents memo

// of returns what a document does, by make where that is not remembered. What it returns is
// the caller's.
func (m *memo) of(document, name string, make func() ([]rule.Does, string)) ([]rule.Does, string) {
	key := chosenText{document, name}
	if r, ok := m.get(key); ok {
		return slices.Clone(r.does), r.why
	}
	does, why := make()
	if len(document)+len(name) <= maxRemembered {
		m.put(chosenText{strings.Clone(document), strings.Clone(name)}, reading{slices.Clone(does), why})
	}
	return does, why
}

func (m *memo) get(key chosenText) (r reading, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, ok = m.young[key]; ok {
		return r, true
	}
	if r, ok = m.old[key]; ok {
		m.keep(key, r)
	}
	return r, ok
}

func (m *memo) put(key chosenText, r reading) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keep(key, r)
}

// keep puts an entry among the young ones, which become the old ones when they are too much.
func (m *memo) keep(key chosenText, r reading) {
	size := len(key.document) + len(key.name) + len(r.does)*rememberedCost + rememberedCost
	if m.young == nil || m.size+size > maxGeneration {
		m.old, m.young, m.size = m.young, map[chosenText]reading{}, 0
	}
	if _, ok := m.young[key]; !ok {
		m.young[key] = r
		m.size += size
	}
}
