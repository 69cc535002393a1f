package integration_test

import (
	"crypto/tls"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// demo is the usual set-up: a proxy with one service behind it that asks for a
// bearer token, at https://demo.test and http://demo.test.
type demo struct {
	*attache
	Service *service // over TLS, HTTP/1.1 or HTTP/2
	Trust   *authority
}

// demoToken is what the service asks for and the agent never has.
const demoToken = "demo-token-7d0b6a1c94e2"

// newDemo starts a service with everything of streaming.go behind a proxy.
func newDemo(t testing.TB, more ...func(*setup)) *demo {
	t.Helper()
	integration(t)
	ca := newAuthority(t, "services")
	d := &demo{Trust: ca, Service: newService(t, ca, demoService(), "demo.test")}
	s := setup{
		Attache: connector("demo", "demo.test", d.Service, "bearer {fields.key}", "DEMO_TOKEN") + agentLocal("demo"),
		Env:     []string{"DEMO_TOKEN=" + demoToken},
		Trust:   []*authority{ca},
	}
	for _, change := range more {
		change(&s)
	}
	d.attache = newAttache(t, s)
	return d
}

// eachProtocol runs a test with a service that has HTTP/2 and with one that has
// HTTP/1.1 alone, which the proxy asks with a client of its own.
func eachProtocol(t *testing.T, test func(t *testing.T, d *demo)) {
	t.Run("HTTP2 to the service", func(t *testing.T) { test(t, newDemo(t)) })
	t.Run("HTTP1 to the service", func(t *testing.T) {
		integration(t)
		ca := newAuthority(t, "services")
		s := &service{}
		server := &http.Server{TLSConfig: &tls.Config{Certificates: []tls.Certificate{ca.leaf(t, time.Time{}, "demo.test")}}, Protocols: new(http.Protocols)}
		server.Protocols.SetHTTP1(true)
		l := listen(t)
		s.URL = "https://" + l.Addr().String()
		s.serve(t, server, demoService())
		go server.ServeTLS(l, "", "")
		test(t, newDemo(t, func(c *setup) {
			c.Attache, c.Trust = connector("demo", "demo.test", s, "bearer {fields.key}", "DEMO_TOKEN")+agentLocal("demo"), []*authority{ca}
		}).at(s))
	})
}

// at is the demo with another service.
func (d *demo) at(s *service) *demo {
	d.Service = s
	return d
}

// demoService is whoami with the streaming resources, all behind the token.
func demoService() http.Handler {
	mux := streaming()
	mux.Handle("/whoami", whoami(bearer(demoToken)))
	return requires(bearer(demoToken), mux)
}

// agentToken is the token of the agent `worker` in proxies that ask for one.
const agentToken = "worker-token-2f9c81d07be3"

// withAgentToken makes the listener ask who calls: the agent `worker`, which
// may use the demo service, has a token; nobody is there by default.
func withAgentToken(s *setup) {
	s.Attache = strings.Replace(s.Attache, agentLocal("demo"), "agent worker {\n\ttoken {env.WORKER_TOKEN}\n\tgrant demo read write\n}\n", 1)
	s.Env = append(s.Env, "WORKER_TOKEN="+agentToken)
	s.Listener = "unmatched deny"
}

// checkSpread looks at lines "SECONDS text": there are n, and they came one
// after the other rather than all at the end.
func checkSpread(t testing.TB, r result, n int) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(r.Stdout), "\n")
	if len(lines) != n {
		t.Fatalf("got %d lines, want %d: %v", len(lines), n, r)
	}
	last, _, _ := strings.Cut(lines[n-1], " ")
	if s, err := strconv.ParseFloat(last, 64); err != nil || s < 0.3 {
		t.Errorf("the last of %d lines came %s s after the first, want at least 0.3: it was buffered: %v", n, last, r)
	}
}
