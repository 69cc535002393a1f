package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/providers/secret"
)

const adminToken = "atm_token-of-an-operator"

// api is a client of a REST API that answers as h does.
func api(t *testing.T, h http.HandlerFunc) *client.API {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	a, err := client.NewAPI(s.URL, secret.New(adminToken))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAPIAsks(t *testing.T) {
	a := api(t, func(w http.ResponseWriter, r *http.Request) {
		var body map[string]string
		_ = json.NewDecoder(r.Body).Decode(&body)
		fmt.Fprintf(w, `{"Text": "%s %s %s %s %s"}`, r.Method, r.URL.EscapedPath(), r.URL.Query().Get("name"), r.Header.Get("Authorization"), body["reason"])
	})
	got, err := client.Ask[struct{ Text string }](t.Context(), a, http.MethodPost, client.Path("accounts", "file:a:b/../ü", "test"),
		url.Values{"name": {"Top Zip"}}, map[string]string{"reason": "<lost>"})
	want := "POST /api/v1/accounts/file:a:b%2F..%2F%C3%BC/test Top Zip Bearer " + adminToken + " <lost>"
	if err != nil || got.Value.Text != want {
		t.Errorf("Ask = %q, %v, want %q", got.Value.Text, err, want)
	}
}

// The proxy variables of the environment are for agents.
func TestAPIUsesNoProxy(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	a := api(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) })
	if _, err := a.Do(t.Context(), http.MethodGet, "/me", nil, nil); err != nil {
		t.Errorf("Do = %v", err)
	}
}

func TestAPIReadsAllPages(t *testing.T) {
	asked := 0
	a := api(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.URL.Query().Get("connector") != "shop" {
			t.Errorf("query %s", r.URL.RawQuery)
		}
		switch r.URL.Query().Get("after") {
		case "":
			_, _ = w.Write([]byte(`{"items":[{"n":1},{"n":2}],"next":"a"}`))
		case "a":
			_, _ = w.Write([]byte(`{"items":[],"next":"b"}`))
		default: // a server that does not come to an end
			_, _ = w.Write([]byte(`{"items":[{"n":3}],"next":"b"}`))
		}
	})
	query := url.Values{"connector": {"shop"}}
	var got []string
	for item, err := range client.List[struct{ N int }](t.Context(), a, "/accounts", query) {
		got = append(got, fmt.Sprintf("%d%s%v", item.Value.N, item.JSON, err))
	}
	if s := strings.Join(got, " "); s != `1{"n":1}<nil> 2{"n":2}<nil> 3{"n":3}<nil>` {
		t.Errorf("List = %s", s)
	}
	if len(query) != 1 {
		t.Errorf("the query was changed: %v", query)
	}
	asked = 0
	for range client.List[struct{ N int }](t.Context(), a, "/accounts", query) {
		break
	}
	if asked != 1 {
		t.Errorf("%d pages were read for one item", asked)
	}
}

// What is wrong is said, fit for a terminal, and without the token.
func TestAPIErrors(t *testing.T) {
	problem := func(w http.ResponseWriter, status int, body string) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
	tests := []struct {
		name             string
		h                http.HandlerFunc
		code, says, next string
	}{
		{"a problem", func(w http.ResponseWriter, _ *http.Request) {
			problem(w, 404, `{"code":"ACCOUNT_NOT_FOUND","detail":"No \u001b[31m\u202esuch account."}`)
		}, "ACCOUNT_NOT_FOUND", "No  [31m such account. (ACCOUNT_NOT_FOUND)", ""},
		{"two mistakes", func(w http.ResponseWriter, _ *http.Request) {
			problem(w, 422, `{"code":"INVALID_CREDENTIALS","detail":"Two.","errors":[{"location":"body.a","message":"is missing"},{"location":"body.b","message":"is wrong"}]}`)
		}, "INVALID_CREDENTIALS", "Two.", "body.a: is missing\n  body.b: is wrong"},
		{"a wrong token", func(w http.ResponseWriter, _ *http.Request) {
			problem(w, 401, `{"code":"UNAUTHORIZED","detail":"Send an admin token."}`)
		}, "UNAUTHORIZED", "Send an admin token.", "ATTACHE_ADMIN_TOKEN"},
		{"the proxy", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Attache-Error", "unknown_agent")
			problem(w, 401, `{"code":"unknown_agent","detail":"Who?"}`)
		}, "not_attache", "it is the proxy for agents", "--admin URL"},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, "not_attache", "302", "--admin URL"},
		{"another server", http.NotFound, "not_attache", "404", "--admin URL"},
		{"HTML", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "not_attache", "no JSON", "--admin URL"},
		{"another shape", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`["a"]`)) }, "not_attache", "no JSON of ours", "--admin URL"},
		{"endless", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte(strings.Repeat(" ", 1<<20))); err != nil {
					return
				}
			}
		}, "not_attache", "too large", "--admin URL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := api(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/elsewhere" {
					t.Error("the redirect was followed")
				}
				tt.h(w, r)
			})
			_, err := client.Ask[struct{ N int }](t.Context(), a, http.MethodGet, "/me", nil, nil)
			var e *client.Error
			if !errors.As(err, &e) {
				t.Fatalf("Ask = %v, want a client.Error", err)
			}
			if e.Code != tt.code || !strings.Contains(e.Msg, tt.says) || !strings.Contains(e.Next, tt.next) {
				t.Errorf("Ask = %s: %s\n%s\nwant %s: %s\n%s", e.Code, e.Msg, e.Next, tt.code, tt.says, tt.next)
			}
			if strings.Contains(e.Msg+e.Next, adminToken) || strings.ContainsAny(e.Msg, "\x1b\u202e") {
				t.Errorf("not for a terminal: %q", e.Msg)
			}
		})
	}
}

func TestAPIAddresses(t *testing.T) {
	for _, tt := range []struct{ at, says string }{
		{"http://192.0.2.1:8081", "is not this machine"}, // looked at before anything is sent
		{"http://[2001:db8::1]", "is not this machine"},
		{"192.0.2.1:8081", "is not this machine"},
		{"http://[::ffff:192.0.2.1]:8081", "is not this machine"},
		{"http://127.0.0.1:1", "no REST API answers at http://127.0.0.1:1"},
		{"127.0.0.1:1", "no REST API answers at 127.0.0.1:1"},
		{"unix//nowhere/admin.sock|0600", "no such file"},
		{"http://me:geheim@127.0.0.1:8081", "a token does not belong into the address"},
		{"http://127.0.0.1:8081/?token=geheim", "leave out ?"},
		{"ftp://127.0.0.1", "is none"},
		{"http://", "is none"},
		{"http://geheim\x7f", "is none"},
	} {
		a, err := client.NewAPI(tt.at, secret.New(adminToken))
		if err == nil {
			_, err = a.Do(t.Context(), http.MethodGet, "/me", nil, nil)
		}
		if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v, want %s", tt.at, err, tt.says)
		}
	}
}

func TestEvents(t *testing.T) {
	a := api(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Last-Event-ID") != "evt_0" || r.URL.Query().Get("kind") != "use" {
			t.Errorf("Last-Event-ID %q, %s", r.Header.Get("Last-Event-ID"), r.URL.RawQuery)
		}
		_, _ = w.Write([]byte(": connected\n\nid: evt_1\nevent: use\ndata: {\"a\":\ndata: 1}\n\n: still here\n\nid: evt_2\ndata: {\"a\":2}\n\nid: evt_3\ndata: {\"half"))
	})
	var got []string
	open := 0
	err := a.Events(t.Context(), url.Values{"kind": {"use"}}, "evt_0", func() { open++ }, func(id string, data json.RawMessage) error {
		got = append(got, id+string(data))
		return nil
	})
	var e *client.Error
	if !errors.As(err, &e) || e.Code != "unreachable" {
		t.Errorf("Events = %v, want that the stream broke", err)
	}
	if s := strings.Join(got, " "); s != `evt_1{"a":1} evt_2{"a":2}` || open != 1 {
		t.Errorf("Events gave %s, opened %d times", s, open)
	}
	stop := errors.New("enough")
	if err := a.Events(t.Context(), url.Values{"kind": {"use"}}, "evt_0", func() {}, func(string, json.RawMessage) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("Events = %v, want %v", err, stop)
	}
}
