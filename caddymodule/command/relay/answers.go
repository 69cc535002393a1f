package relay

import (
	"bytes"
	"sync"
)

// answers looks at what the proxy says to a request after which the connection may be
// something else. All other answers pass unseen.
type answers struct {
	// told says whether the connection was given over; one for each expect.
	told chan bool
	// ended is closed when the proxy says no more.
	ended chan struct{}

	mu    sync.Mutex
	watch *watch
}

// watch is one answer that is waited for.
type watch struct {
	tunnel  bool // CONNECT: any success; else 101
	swallow bool // the client did not ask: it does not see the success
	text    []byte
}

func newAnswers() *answers {
	return &answers{told: make(chan bool, 1), ended: make(chan struct{})}
}

// expect is called before the request goes on.
func (a *answers) expect(w watch) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.watch = &w
}

// wait reports whether the connection was given over.
func (a *answers) wait() bool {
	select {
	case took := <-a.told:
		return took
	case <-a.ended:
		return false
	}
}

// see takes what the proxy said, and returns what the client is to be told of it.
// Where the connection was given over with it, the caller tells so.
func (a *answers) see(text []byte) (said []byte, switched bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w := a.watch
	if w == nil || len(text) == 0 {
		return text, false
	}
	w.text = append(w.text, text...)
	for {
		if len(w.text) < len("HTTP/1.1 200") {
			break
		}
		status := string(w.text[len("HTTP/1.1 "):len("HTTP/1.1 200")])
		end := bytes.Index(w.text, []byte("\r\n\r\n"))
		took := status == "101" || w.tunnel && status[0] == '2'
		interim := status[0] == '1' && !took
		if end < 0 && (interim || took && w.swallow) {
			break
		}
		if interim {
			w.text = w.text[end+4:]
			continue
		}
		a.watch = nil
		if !took {
			a.told <- false
			if w.swallow {
				return w.text, false
			}
			return text, false
		}
		if w.swallow {
			return w.text[end+4:], true
		}
		return text, true
	}
	if w.swallow {
		return nil, false
	}
	return text, false
}
