package resolver_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/cache"
)

// maxResolveAllocs is how many allocations one request may cost from identify
// to sign, in the steady state.
const maxResolveAllocs = 7

const benchConnector = `
key: svc
title: Service
hosts: [svc.example]
auth:
  token:
    type: credentials
    fields: {token: {title: Token, secret: true}}
    sign: bearer
`

// steady is a resolver and a request that it can sign without any I/O.
type steady struct {
	*resolver.Resolver
	request *http.Request
	token   string
}

func newSteady(tb testing.TB) *steady {
	tb.Helper()
	d, err := providers.Parse("svc.yaml", []byte(benchConnector))
	if err != nil {
		tb.Fatal(err)
	}
	c, err := providers.Compile(d)
	if err != nil {
		tb.Fatal(err)
	}
	option, _ := c.Option("")
	acct := &resolver.Account{ID: "svc:default", Name: "default", Connector: c, Option: option, State: resolver.StateActive,
		Fields: secret.Values{"token": secret.New("service-token-0123456789")}}
	if err := acct.Prepare(); err != nil {
		tb.Fatal(err)
	}
	s := &steady{token: "tester-token-0123456789"}
	dir := resolver.NewStatic([]*resolver.Account{acct})
	if err := dir.AddAgent("tester", []secret.Value{secret.New(s.token)}, []resolver.Grant{{Connector: "svc"}}); err != nil {
		tb.Fatal(err)
	}
	index, err := providers.NewIndex([]*providers.Connector{c}, acct.Bindings()...)
	if err != nil {
		tb.Fatal(err)
	}
	s.Resolver = resolver.New(resolver.Config{Index: index, Directory: dir,
		Credentials: &resolver.Credentials{Cache: cache.NewMemory(0), HTTP: func(*providers.Connector) oauth.Doer { return nil }}})
	s.request = canceledRequest(tb)
	return s
}

// canceledRequest is one that http.Transport gives back unsent: its context
// has ended. So Send does everything up to signing, and no I/O.
func canceledRequest(tb testing.TB) *http.Request {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://svc.example/v1/items?limit=10", nil)
	if err != nil {
		tb.Fatal(err)
	}
	req.Header = http.Header{"User-Agent": {"sdk/1.0"}, "Accept": {"application/json"}, "Accept-Encoding": {"gzip, deflate"}, "Authorization": {"Bearer placeholder"}}
	return req
}

// resolve takes one request from identify to sign.
func (s *steady) resolve() error {
	ctx := s.request.Context()
	agent, account, err := s.Identify(ctx, "tester", s.token)
	if err != nil {
		return err
	}
	call, err := s.Decide(ctx, resolver.Ask{Agent: agent, Account: account, Method: http.MethodGet, Path: "/v1/items",
		Target: resolver.Target{Host: "svc.example", Port: "443"}})
	if err != nil {
		return err
	}
	_, err = s.Send(s.request, call)
	return err
}

// BenchmarkResolve is a request from identify to sign. It also pays for what
// http.Transport does before it notices that the context has ended, which
// BenchmarkUnsent measures alone.
func BenchmarkResolve(b *testing.B) {
	s := newSteady(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.resolve(); !errors.Is(err, context.Canceled) {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnsent(b *testing.B) {
	req, tr := canceledRequest(b), &http.Transport{}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tr.RoundTrip(req); !errors.Is(err, context.Canceled) {
			b.Fatal(err)
		}
	}
}

func TestResolveAllocations(t *testing.T) {
	s, req, tr := newSteady(t), canceledRequest(t), &http.Transport{}
	if err := s.resolve(); !errors.Is(err, context.Canceled) {
		t.Fatalf("Send = %v, want %v: it must end after signing", err, context.Canceled)
	}
	unsent := testing.AllocsPerRun(1000, func() { _, _ = tr.RoundTrip(req) })
	got := testing.AllocsPerRun(1000, func() { _ = s.resolve() }) - unsent
	if got >= maxResolveAllocs {
		t.Errorf("allocations from identify to sign = %v, want fewer than %d", got, maxResolveAllocs)
	}
}
