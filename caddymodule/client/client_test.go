package client_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/providers/secret"
)

const token = "token-of-an-agent-0123456789"

// serve is a proxy, or something else, that gives one answer, but for the proof
// that it knows the token.
func serve(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != client.ProofPath {
			h(w, r)
			return
		}
		digest := sha256.Sum256([]byte(token))
		address := r.Context().Value(http.LocalAddrContextKey).(net.Addr).String()
		_ = json.NewEncoder(w).Encode(client.NewProof(r.URL.Query().Get("nonce"), address, nil, digest[:]))
	}))
	t.Cleanup(s.Close)
	return client.New(parseURL(t, s.URL), secret.New(token), nil)
}

func TestAbout(t *testing.T) {
	want := about(openai, github)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/attache" || r.Header.Get("Authorization") != "Bearer "+token {
			t.Errorf("%s with Authorization %q", r.URL.Path, r.Header.Get("Authorization"))
		}
		_ = json.NewEncoder(w).Encode(want)
	})
	got, err := c.About(t.Context())
	if err != nil || got.Agent != "local" || len(got.Connectors) != 2 || got.Connectors[1].Env["GH_TOKEN"] != "attache" {
		t.Errorf("About = %+v, %v, want %+v", got, err, want)
	}
}

// What is wrong is said with the address and the next step, and without the token.
func TestErrors(t *testing.T) {
	problem := func(status int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Attache-Error", code)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"detail":"a \u001b[31mreason","next":"Do this."}`))
		}
	}
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(s)) }
	}
	tests := []struct {
		name       string
		h          http.HandlerFunc
		code, says string
		next       string
	}{
		{"another server", http.NotFound, "not_attache", "404", "--proxy"},
		{"HTML", text("<html>"), "not_attache", "no JSON of ours", "--proxy"},
		{"an empty object", text("{}"), "not_attache", "names no agent", "--proxy"},
		{"endless", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte(strings.Repeat("[", 1<<16))); err != nil {
					return
				}
			}
		}, "not_attache", "no JSON of ours", "--proxy"},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, "not_attache", "302", "--proxy"},
		{"unknown agent", problem(401, "unknown_agent"), "unknown_agent", "does not know this token", "--token-file"},
		{"another refusal", problem(403, "cross_site"), "cross_site", "a  [31mreason", "Do this."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := serve(t, tt.h)
			_, err := c.About(t.Context())
			var e *client.Error
			if !errors.As(err, &e) {
				t.Fatalf("About = %v, want a *client.Error", err)
			}
			if e.Code != tt.code || !strings.Contains(e.Msg, tt.says) || !strings.Contains(e.Next, tt.next) || !strings.Contains(e.Msg, c.URL.Host) {
				t.Errorf("About = %s: %q, next %q, want %s with %q, next %q, and the address", e.Code, e.Msg, e.Next, tt.code, tt.says, tt.next)
			}
			if strings.Contains(e.Msg+e.Next, token) {
				t.Errorf("the token is in the error: %q", e.Msg)
			}
		})
	}
}

func TestNobodyAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, err = client.New(parseURL(t, "http://"+addr), secret.Value{}, nil).About(t.Context())
	var e *client.Error
	if !errors.As(err, &e) || e.Code != "unreachable" || !strings.Contains(e.Msg, addr) || !strings.Contains(e.Msg, "refused") || !strings.Contains(e.Next, "attache run") {
		t.Errorf("About = %+v, want unreachable, the address, why, and what to do", err)
	}
}

func TestWithoutToken(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Attache-Error", "unknown_agent")
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer s.Close()
	_, err := client.New(parseURL(t, s.URL), secret.Value{}, nil).About(t.Context())
	if err == nil || !strings.Contains(err.Error(), "wants an agent's token") {
		t.Errorf("About = %v, want that a token is wanted", err)
	}
}

// A client of ours never goes through the proxy that it asks about.
func TestNoProxyOfTheEnvironment(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { _ = json.NewEncoder(w).Encode(about()) })
	if _, err := c.About(t.Context()); err != nil {
		t.Errorf("About = %v", err)
	}
}

func TestCA(t *testing.T) {
	ca := newCA(t, "ours")
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/attache/ca.pem" {
			t.Errorf("path = %s", r.URL.Path)
		}
		_, _ = w.Write(ca)
	})
	if got, err := c.CA(t.Context()); err != nil || string(got) != string(ca) {
		t.Errorf("CA = %q, %v", got, err)
	}
	other := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("hello")) })
	if _, err := other.CA(t.Context()); err == nil {
		t.Errorf("CA of something else = nil, want an error")
	}
}

func TestTest(t *testing.T) {
	var paths []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.Method+" "+r.URL.EscapedPath())
		_, _ = w.Write([]byte(`{"ok":false,"status":401,"expected":200}`))
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for _, account := range []string{"", "work", "a b/c"} {
		got, err := c.Test(ctx, "github", account)
		if err != nil || got.OK || got.Status != 401 || got.Expected != 200 {
			t.Errorf("Test(github, %q) = %+v, %v", account, got, err)
		}
	}
	want := []string{"POST /.well-known/attache/test/github", "POST /.well-known/attache/test/github:work", "POST /.well-known/attache/test/github:a%20b%2Fc"}
	if !slices.Equal(paths, want) {
		t.Errorf("asked for %q, want %q", paths, want)
	}
}
