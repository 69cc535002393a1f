package usage

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// Meter reads one answer as it passes. It is safe for concurrent use.
type Meter struct {
	spec   *Spec
	events bool // a stream of events

	mu       sync.Mutex
	scan     scanner
	in, out  int64 // of headers; -1 where they say nothing
	total    int64
	line     []byte // the beginning of a line, as far as it tells what it is
	passes   bool   // the line is data
	ignores  bool   // the line is something else
	event    int64  // bytes of data of this event
	count    int64  // events
	sum      int64  // bytes of their data
	smallest int64
}

// Meter begins to read an answer.
func (s *Spec) Meter(status int, h http.Header) *Meter {
	m := &Meter{spec: s, in: -1, out: -1, scan: scanner{root: s.answer, sums: make([]int64, s.in+s.out)}}
	m.events = strings.HasPrefix(strings.ToLower(h.Get("Content-Type")), "text/event-stream")
	if n, ok := header(h, s.headers.Input); ok {
		m.in = n
	}
	if n, ok := header(h, s.headers.Output); ok {
		m.out = n
	}
	return m
}

func header(h http.Header, name string) (int64, bool) {
	if name == "" {
		return 0, false
	}
	n, err := strconv.ParseInt(h.Get(name), 10, 64)
	return min(n, MaxTokens), err == nil && n >= 0
}

// Passes counts bytes that nobody here can read.
func (m *Meter) Passes(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events, m.total = false, m.total+n
}

var dataField = []byte("data:")

// Write reads what passes, decoded. It keeps nothing of it and has no errors.
func (m *Meter) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total += int64(len(p))
	for _, b := range p {
		if m.events {
			m.ofEvents(b)
		} else {
			m.scan.feed(b)
		}
	}
	return len(p), nil
}

// ofEvents reads a stream of events: what stands behind "data:" in its lines.
func (m *Meter) ofEvents(b byte) {
	if b == '\n' || b == '\r' {
		if len(m.line) == 0 && !m.passes && !m.ignores && b == '\n' {
			m.endEvent()
		}
		m.line, m.passes, m.ignores = m.line[:0], false, false
		return
	}
	switch {
	case m.ignores:
	case m.passes:
		m.event++
		m.scan.feed(b)
	default:
		m.line = append(m.line, b)
		m.passes = bytes.Equal(m.line, dataField)
		m.ignores = !bytes.HasPrefix(dataField, m.line)
	}
}

// maxEnvelope is how much of an event may be other than text.
const maxEnvelope = 512

// leastEnvelope is how short an event may be that tells how much of them is other than text: data: [DONE] does not.
const leastEnvelope = 16

func (m *Meter) endEvent() {
	if m.event > 0 {
		if m.count++; m.event >= leastEnvelope && (m.smallest == 0 || m.event < m.smallest) {
			m.smallest = m.event
		}
		m.sum += m.event
	}
	m.event = 0
	m.scan.restart()
}

// Tokens is what the answer came to. Sent is how long the request's body was, failed says
// that the status is one of an error, which costs nothing that it does not say, and whole that it came to its end. Of an
// answer that was cut off at least what passed counts.
func (m *Meter) Tokens(sent int64, failed, whole bool) Tokens {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.events {
		m.endEvent()
	} else if m.scan.state == inNumber {
		m.scan.number()
	}
	t := Tokens{Model: m.scan.model}
	in, saidIn := m.said(0, m.spec.in, m.in)
	out, saidOut := m.said(m.spec.in, m.spec.in+m.spec.out, m.out)
	t.In, t.Out = in, out
	if failed {
		return t
	}
	if !saidIn && len(m.scan.sums) > 0 {
		t.In, t.Estimated = estimate(sent), true
	}
	if !saidOut && !(saidIn && whole) || !whole {
		if passed := m.passed(); passed > out {
			t.Out, t.Estimated = passed, true
		}
	}
	return t
}

func (m *Meter) said(from, to int, header int64) (sum int64, said bool) {
	for i := from; i < to; i++ {
		sum, said = sum+m.scan.sums[i], said || m.scan.said[i]
	}
	if header >= 0 {
		sum, said = max(sum, header), true
	}
	return min(sum, MaxTokens), said
}

// passed estimates the tokens of what passed: in a stream of events one for each, and what
// their data is longer than the shortest of them; else by the bytes.
func (m *Meter) passed() int64 {
	if !m.events {
		return estimate(m.total)
	}
	return min(m.count+estimate(m.sum-m.count*min(m.smallest, maxEnvelope)), MaxTokens)
}
