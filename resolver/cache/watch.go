package cache

import (
	"slices"
	"sync"
)

// watchers are those who wait for an account's credential to change, so that
// the losers of a race for a refresh need not poll.
type watchers struct {
	mu   sync.Mutex
	byID map[string][]chan struct{}
}

// watch returns a channel that is closed by the next tell of id, and a function
// that gives up waiting.
func (w *watchers) watch(id string) (<-chan struct{}, func()) {
	ch := make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byID == nil {
		w.byID = map[string][]chan struct{}{}
	}
	w.byID[id] = append(w.byID[id], ch)
	return ch, func() { w.forget(id, ch) }
}

func (w *watchers) forget(id string, ch chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := slices.DeleteFunc(w.byID[id], func(c chan struct{}) bool { return c == ch })
	if len(left) == 0 {
		delete(w.byID, id)
	} else {
		w.byID[id] = left
	}
}

// tell wakes everybody who watches id.
func (w *watchers) tell(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ch := range w.byID[id] {
		close(ch)
	}
	delete(w.byID, id)
}

// tellAll wakes everybody.
func (w *watchers) tellAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, chs := range w.byID {
		for _, ch := range chs {
			close(ch)
		}
		delete(w.byID, id)
	}
}
