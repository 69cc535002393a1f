package resolver_test

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
)

// Where the grant says placeholder, a credential of the client's own stays, at the
// paths that the connector names, and the account's goes nowhere then.
func TestClientsOwnCredential(t *testing.T) {
	const account, own, token = "account-key-0123456789", "sess-of-the-clients-own", "tester-token-0123456789"
	basic := func(pair string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) }
	tests := []struct {
		name, paths   string // of the connector's inject
		without       bool   // a grant without placeholder
		path          string
		authorization string
		want          string // Authorization at the service
		key, wantsKey string // X-Key, which is another place
		connection    string
	}{
		{name: "its own", authorization: "Bearer " + own, want: "Bearer " + own},
		{name: "its own, in Basic", authorization: basic("me:" + own), want: basic("me:" + own)},
		{name: "without a word of the grant", without: true, authorization: "Bearer " + own, want: "Bearer " + account},
		{name: "nothing", want: "Bearer " + account},
		{name: "our placeholder", authorization: "token attache", want: "Bearer " + account},
		{name: "our placeholder in Basic", authorization: basic("x-access-token:attache"), want: "Bearer " + account},
		{name: "a connector's placeholder", authorization: "Bearer sk-ant-attache", want: "Bearer " + account},
		{name: "the agent's token", authorization: "Bearer " + token, want: "Bearer " + account},
		{name: "the agent's token as a user", authorization: basic(token + ":"), want: "Bearer " + account},
		{name: "a scheme alone", authorization: "Bearer", want: "Bearer " + account},
		{name: "a scheme and blanks", authorization: "bearer  ", want: "Bearer " + account},
		{name: "for the next hop alone", authorization: "Bearer " + own, connection: "close, authorization", want: "Bearer " + account},
		{name: "Basic of nothing", authorization: basic(":"), want: "Bearer " + account},
		{name: "its own beside our placeholder", authorization: "Bearer " + own, key: "attache", want: "Bearer " + account},
		{name: "its own beside the agent's token", authorization: "Bearer " + own, key: token, want: "Bearer " + account},
		{name: "at a path", paths: "/oauth/**", path: "/oauth/me", authorization: "Bearer " + own, want: "Bearer " + own},
		{name: "at another path", paths: "/oauth/**", path: "/v1/me", authorization: "Bearer " + own, want: "Bearer " + account},
		{name: "in the other place", key: own, wantsKey: own},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inject := ""
			if tt.paths != "" {
				inject = "inject: {placeholder: [" + tt.paths + "]}\n"
			}
			acct := &resolver.Account{Name: "a", Fields: secret.Values{"key": secret.New(account)}}
			w := newWorld(t, worldConfig{
				yaml:     "key: svc\nhosts: [svc.example]\nenv: {SVC_API_KEY: sk-ant-attache}\n" + inject + "auth: {key: {type: credentials, fields: {key: {secret: true}}, sign: {header: {Authorization: 'Bearer {fields.key}', X-Key: ''}}}}\n",
				accounts: []*resolver.Account{acct}, grants: []resolver.Grant{{Connector: "svc", Write: true, Placeholder: !tt.without}},
				service: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					fmt.Fprintf(w, "%s|%s", strings.Replace(r.Header.Get("Authorization"), account, "ACCOUNT", 1), r.Header.Get("X-Key"))
				}),
			})
			path := tt.path
			if path == "" {
				path = "/v1/x"
			}
			req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://svc.example"+path, nil)
			if tt.authorization != "" {
				req.Header.Set("Authorization", tt.authorization)
			}
			if tt.connection != "" {
				req.Header.Set("Connection", tt.connection)
			}
			if tt.key != "" {
				req.Header.Set("X-Key", tt.key)
			}
			ask := w.ask("GET", path)
			ask.Header, ask.Token = req.Header, secret.New(token)
			call, err := w.Decide(t.Context(), ask)
			if err != nil {
				t.Fatal(err)
			}
			res, err := w.Send(req, call)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Replace(tt.want, account, "ACCOUNT", 1) + "|" + tt.wantsKey
			if got := body(t, res); got != want {
				t.Errorf("the service got %q, want %q", got, want)
			}
			if e, kept := call.Event(), !strings.Contains(want, "ACCOUNT"); e.Kept != kept || e.Connector != "svc" || e.Account != "a" {
				t.Errorf("audited: %+v, want kept %v", e, kept)
			}
		})
	}
}

// What the agent is known by here goes to no host of a stranger.
func TestAgentsTokenStays(t *testing.T) {
	const token = "tester-token-0123456789"
	got := make(chan http.Header, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header }))
	defer srv.Close()
	acct := &resolver.Account{Name: "a", Fields: secret.Values{"key": secret.New("account-key-0123456789")}}
	w := newWorld(t, worldConfig{yaml: readingYAML, accounts: []*resolver.Account{acct}})
	req, _ := http.NewRequestWithContext(t.Context(), "GET", srv.URL+"/x", nil)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("X-Api-Key", "its-own-0123456789")
	host, port, _ := net.SplitHostPort(req.URL.Host)
	ask := resolver.AskOf(req, req.URL)
	ask.Agent, ask.Target = w.agent, resolver.Target{Host: host, Port: port, Plain: true}
	call, err := w.Decide(t.Context(), ask)
	if err != nil || call.Connector != nil {
		t.Fatalf("%v, %v", call, err)
	}
	call.Token = secret.New(token)
	res, err := w.Send(req, call)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if h := <-got; h.Get("Authorization") != "" || h.Get("X-Api-Key") != "its-own-0123456789" {
		t.Errorf("the stranger got %v", h)
	}
}
