package resolver_test

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"testing"

	"github.com/attache-proxy/attache/resolver"
)

// What a service opens for a credential, a session, is not the agent's, unless the
// connector says so; and the agent brings none of its own.
func TestCookiesPassOnlyWhereSaid(t *testing.T) {
	service := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Set-Cookie"] = []string{"session=1; Path=/"}
		w.WriteHeader(http.StatusEarlyHints)
		w.Header()["Set-Cookie2"] = []string{"session=2"}
		w.Header()["Seen"] = r.Header["Cookie"]
	})
	for _, c := range []struct {
		says, sign string
		seen       []string // by the service, where the agent sends own=1
		sets       bool
	}{
		{"", "bearer", nil, false},
		{"cookies: drop\n", "bearer", nil, false},
		{"keep: [cookie]\n", "bearer", []string{"own=1"}, false},
		{"cookies: pass\n", "bearer", []string{"own=1"}, true},
		{"", "{cookie: {sid: '{token}'}}", []string{"sid=*************************"}, false},
		{"cookies: pass\n", "{cookie: {sid: '{token}'}}", []string{"own=1; sid=*************************"}, true},
	} {
		w := newWorld(t, worldConfig{yaml: "key: svc\nhosts: [svc.example]\n" + c.says + "auth: {key: {type: credentials, fields: {key: {secret: true}}, sign: " + c.sign + "}}\n",
			accounts: []*resolver.Account{account("a", "tok-0123456789-ABCDEFGHIJ")}, service: service})
		early := false
		trace := &httptrace.ClientTrace{Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
			early = early || len(h["Set-Cookie"]) > 0
			return nil
		}}
		req, _ := http.NewRequestWithContext(httptrace.WithClientTrace(context.Background(), trace), "GET", "https://svc.example/", nil)
		req.Header.Set("Cookie", "own=1")
		call, err := w.Decide(t.Context(), w.ask("GET", "/"))
		if err != nil {
			t.Fatal(err)
		}
		res, err := w.Send(req, call)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header["Seen"]; !slices.Equal(got, c.seen) {
			t.Errorf("%q, sign %s: the service saw Cookie %q, want %q", c.says, c.sign, got, c.seen)
		}
		if sets, sets2 := len(res.Header["Set-Cookie"]) > 0, len(res.Header["Set-Cookie2"]) > 0; sets != c.sets || sets2 != c.sets || early != c.sets {
			t.Errorf("%q: Set-Cookie passes %v, Set-Cookie2 %v, in 103 %v; want %v", c.says, sets, sets2, early, c.sets)
		}
	}
}
