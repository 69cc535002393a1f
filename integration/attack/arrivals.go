package main

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"
)

// arrival is a request as a service got it.
type arrival struct {
	id      string // of the attempt, from X-Attack
	service string // modern, raw, thief or trap
	method  string
	host    string
	text    string // all of it, the Basic pair decoded
	marks   []canary
}

// signed reports whether a credential came along.
func (a arrival) signed() bool { return len(a.marks) > 0 }

// arrivals is what all services got, by attempt.
type arrivals struct {
	mu   sync.Mutex
	by   map[string][]arrival
	says map[string]*says
	all  int
}

func newArrivals() *arrivals {
	return &arrivals{by: map[string][]arrival{}, says: map[string]*says{}}
}

var (
	attackID   = regexp.MustCompile(`(?i)X-Attack: ?([a-z0-9.]+)`)
	basicValue = regexp.MustCompile(`(?i)Basic ([A-Za-z0-9+/=]+)`)
)

// add keeps a request. Its marks are found here, so that no attack forgets it.
func (l *arrivals) add(a arrival) {
	if m := attackID.FindStringSubmatch(a.text); a.id == "" && m != nil {
		a.id = m[1]
	}
	for _, m := range basicValue.FindAllStringSubmatch(a.text, -1) {
		if pair, err := base64.StdEncoding.DecodeString(m[1]); err == nil {
			a.text += "\nBasic " + string(pair)
			if string(pair) == "user:"+weak {
				a.marks = append(a.marks, canary{name: "weak", hosts: []string{"weak.test"}})
			}
		}
	}
	a.marks = append(a.marks, find(secrets, a.text)...)
	if a.id != "" || strings.Contains(a.text, "Authorization: ") {
		a.marks = append(a.marks, find(marks, a.text)...) // else an agent may have written a key's id, which it knows, into a URL
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all++
	if a.id == "" && a.wrong("") == "" {
		return // the proxy's own: tests and token requests
	}
	l.by[a.id] = append(l.by[a.id], a)
}

// of are the requests that reached a service because of an attempt.
func (l *arrivals) of(id string) []arrival {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.by[id]
}

// answer sets what services say to an attempt.
func (l *arrivals) answer(id string, s *says) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.says[id] = s
}

func (l *arrivals) answerTo(id string) *says {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.says[id]
}

// forget drops what a finished attempt left.
func (l *arrivals) forget(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.by, id)
	delete(l.says, id)
}

// wrong says what holds for every request that arrives, whatever was tried;
// empty when all of it does.
func (a arrival) wrong(as string) string {
	for _, c := range a.marks {
		if c.name == "client" && a.service == "modern" {
			continue // its token endpoint
		}
		if !c.mayBeAt(a.host) || a.service == "thief" || a.service == "trap" {
			return fmt.Sprintf("the credential %q reached %s as Host %q", c.name, a.service, a.host)
		}
	}
	for agent, token := range agentTokens {
		if strings.Contains(a.text, token) {
			return fmt.Sprintf("the token of the agent %s reached %s", agent, a.service)
		}
	}
	switch {
	case a.service == "trap":
		return "a request reached an address that nobody allowed"
	case a.signed() && (as == "stranger" || as == "nobody"):
		return fmt.Sprintf("an agent without a grant had %s %s signed", a.method, a.host)
	case a.signed() && as == "reader" && !readingMethods[a.method] && !readingPosts[a.path()]:
		return fmt.Sprintf("a grant for reading had %s signed", a.method)
	}
	return ""
}

// What a grant for reading may send: these methods, and POST where the stage's
// connectors list it.
var (
	readingMethods = map[string]bool{"GET": true, "HEAD": true, "OPTIONS": true}
	readingPosts   = map[string]bool{"POST /search": true, "POST /v1/search": true, "POST /form": true, "POST /graph": true}
)

// path is the request's method and path.
func (a arrival) path() string {
	line, _, _ := strings.Cut(a.text, "\n")
	method, rest, _ := strings.Cut(line, " ")
	path, _, _ := strings.Cut(rest, " ")
	path, _, _ = strings.Cut(path, "?")
	if decoded, err := url.PathUnescape(path); err == nil {
		path = decoded
	}
	return method + " " + strings.TrimSpace(path)
}
