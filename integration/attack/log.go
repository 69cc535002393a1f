package main

import (
	"bytes"
	"strings"
	"sync"
)

// logFile is what the proxy wrote to its standard error. Of a long run it keeps
// the newest part, and has looked through what it dropped.
type logFile struct {
	mu  sync.Mutex
	b   []byte
	bad []string // lines that must not be, of what was dropped
}

// keptLog is how much stays, in bytes.
const keptLog = 64 << 20

func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b = append(l.b, p...)
	if len(l.b) > keptLog {
		cut := bytes.LastIndexByte(l.b[:keptLog/2], '\n') + 1
		l.bad = append(l.bad, badLines(l.b[:cut])...)
		l.b = bytes.Clone(l.b[cut:])
	}
	return len(p), nil
}

func (l *logFile) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.b)
}

// lines are those that hold all of some texts.
func (l *logFile) lines(texts ...string) (found []string) {
	l.mu.Lock()
	all := l.b // only ever appended to, or replaced
	l.mu.Unlock()
	for line := range bytes.Lines(all) {
		hit := true
		for _, t := range texts {
			hit = hit && bytes.Contains(line, []byte(t))
		}
		if hit {
			found = append(found, string(line))
		}
	}
	return found
}

// wrong are the lines that must not be in any log: a secret, a crash.
func (l *logFile) wrong() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append(l.bad, badLines(l.b)...)
}

func badLines(log []byte) (bad []string) {
	for line := range bytes.Lines(log) {
		text := string(line)
		if found := leaks(text); found != "" {
			bad = append(bad, "the secret of "+found+": "+text)
		}
		for _, crash := range []string{"panic: ", "http: panic serving", "WARNING: DATA RACE", "fatal error: "} {
			if strings.Contains(text, crash) {
				bad = append(bad, text)
			}
		}
	}
	return bad
}
