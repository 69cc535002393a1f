// Package attache is the REST API of Attaché: connected accounts, agents and what each
// may use.
//
//	c, err := attache.New(attache.Config{})   // ATTACHE_ADMIN, ATTACHE_ADMIN_TOKEN
//	a, err := c.Accounts.Create(ctx, attache.NewAccount{Connector: "github", Credentials: …})
//
// An error of the API is an *Error; its code says what happened:
//
//	if attache.Is(err, attache.CodeAccountExpired) { … }
//
// Everything but this file is generated from docs/openapi.json.
package attache

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"
)

// Config says where the API is, and who asks.
type Config struct {
	// Origin is where attache_admin listens; default ATTACHE_ADMIN, else
	// http://127.0.0.1:8081. Plain HTTP goes to this machine alone.
	Origin string
	// Token is an admin token; default ATTACHE_ADMIN_TOKEN.
	Token string
	// HTTP sends the requests; default a client of its own, which follows no redirect.
	HTTP *http.Client
}

// New makes a client. It asks nobody.
func New(conf Config) (*Client, error) {
	origin := cmp.Or(conf.Origin, os.Getenv("ATTACHE_ADMIN"), "http://127.0.0.1:8081")
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("attache: %q is no origin, such as https://connect.example.com", origin)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !here(u.Hostname())) {
		return nil, errors.New("attache: the origin must be https, or http on this machine: the token would be readable on the way")
	}
	token := strings.TrimSpace(cmp.Or(conf.Token, os.Getenv("ATTACHE_ADMIN_TOKEN")))
	if token == "" {
		return nil, errors.New("attache: there is no token: give one, or set ATTACHE_ADMIN_TOKEN")
	}
	client := conf.HTTP
	if client == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		if here(u.Hostname()) {
			t.Proxy = nil // an agent's HTTP_PROXY is no way to this machine
		}
		client = &http.Client{Transport: t, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return calls(&caller{u.Scheme + "://" + u.Host, token, client}), nil
}

func here(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Error is an error of the API.
type Error struct {
	Problem
}

func (e *Error) Error() string { return e.Code + ": " + e.Detail }

// Is reports whether err is an error of the API with one of the codes.
func Is(err error, codes ...Code) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	for _, c := range codes {
		if string(c) == e.Code {
			return true
		}
	}
	return false
}

// Option changes one call.
type Option func(*http.Request)

// Idempotent makes a POST safe to repeat: with the same key it is done once.
func Idempotent(key string) Option {
	return func(r *http.Request) { r.Header.Set("Idempotency-Key", key) }
}

// IfMatch edits what is at that version alone: its ETag.
func IfMatch(etag string) Option { return func(r *http.Request) { r.Header.Set("If-Match", etag) } }

type caller struct {
	origin, token string
	http          *http.Client
}

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 64 << 20

func (c *caller) call(ctx context.Context, method, path string, query url.Values, body, out any, options []Option) error {
	if path == "" {
		return errors.New("attache: an id is empty, or a dot")
	}
	var send io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("attache: %w", err)
		}
		send = bytes.NewReader(text)
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, c.origin+path, send)
	if err != nil {
		return fmt.Errorf("attache: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Accept", "application/json")
	if send != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, o := range options {
		o(r)
	}
	res, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("attache: %w", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("attache: reading the answer: %w", err)
	}
	if res.StatusCode/100 != 2 {
		e := &Error{}
		if json.Unmarshal(text, &e.Problem) != nil || e.Code == "" {
			return fmt.Errorf("attache: %s was answered %d by something else than Attaché", method, res.StatusCode)
		}
		return e
	}
	if out == nil || len(text) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("attache: %s was not answered as documented: %w", method, err)
	}
	return nil
}

// segment is one segment of a path; empty for what would become another path.
func segment(s string) string {
	if s == "." || s == ".." {
		return ""
	}
	return url.PathEscape(s)
}

// path joins parts; it is empty where one of them is.
func path(parts ...string) string {
	for _, p := range parts {
		if p == "" {
			return ""
		}
	}
	return strings.Join(parts, "")
}

// given is a body that may be left out: a nil pointer sends none.
func given[T any](p *T) any {
	if p == nil {
		return nil
	}
	return p
}
