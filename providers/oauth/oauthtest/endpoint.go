// Package oauthtest is an authorization server for tests. It does what RFC 6749
// says, rotates refresh tokens and notices their reuse, and does everything wrong
// that it is told to do wrong. It runs in a test or, with Control, in
// a process of its own.
package oauthtest

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Options are how an Endpoint behaves while nothing goes wrong.
type Options struct {
	// Lifetime of access tokens; without it they live for ever and expires_in is
	// left out.
	Lifetime time.Duration
	// Rotate replaces the refresh token at each refresh. Using an old one then kills
	// its family: all tokens of that account.
	Rotate bool
	// Grace lets the refresh token before the present one work for this long.
	Grace time.Duration
	// ClientID and ClientSecret are required when not empty, as HTTP Basic or in the
	// body.
	ClientID, ClientSecret string
	// Issuer goes along with authorization answers (RFC 9207) when not empty.
	Issuer string
	// Interval of device polling; 5 s when zero.
	Interval time.Duration
	// Fault is asked at each token request what shall go wrong; nil: nothing.
	Fault func(*Call) Fault
	// Client says who asks, for Gone; nil: nobody in particular.
	Client func(*http.Request) string
	// Now is time.Now when nil.
	Now func() time.Time
}

// Call is a token request, for Options.Fault.
type Call struct {
	N         int // counts from 1
	GrantType string
	Account   string // empty when it is not known
	Request   *http.Request
}

// Endpoint is the server. It is safe for concurrent use.
type Endpoint struct {
	mux *http.ServeMux

	mu       sync.Mutex
	o        Options
	calls    int
	faults   int
	families map[string]*family     // by account
	refresh  map[string]*family     // by refresh token, old ones too
	access   map[string]*access     // by access token
	open     map[*tokenRequest]bool // token requests that are not answered yet
	away     map[string]bool        // clients that are Gone
	codes    map[string]code        // by authorization code
	devices  map[string]*device     // by device code
}

// New returns an Endpoint. Its routes are GET /authorize, POST /token, POST
// /device, POST /revoke and GET /resource, which answers
// {"account":"…"} to an access token that lives and 401 to others.
func New(o Options) *Endpoint {
	e := &Endpoint{
		o: o, mux: http.NewServeMux(), families: map[string]*family{}, refresh: map[string]*family{},
		access: map[string]*access{}, codes: map[string]code{}, devices: map[string]*device{},
		open: map[*tokenRequest]bool{}, away: map[string]bool{},
	}
	if e.o.Now == nil {
		e.o.Now = time.Now
	}
	if e.o.Interval == 0 {
		e.o.Interval = 5 * time.Second
	}
	e.mux.HandleFunc("GET /authorize", e.authorize)
	e.mux.HandleFunc("POST /token", e.token)
	e.mux.HandleFunc("POST /device", e.device)
	e.mux.HandleFunc("POST /revoke", e.revoke)
	e.mux.HandleFunc("/resource", e.resource)
	return e
}

func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) { e.mux.ServeHTTP(w, r) }

// SetFault changes what goes wrong from now on.
func (e *Endpoint) SetFault(f func(*Call) Fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.o.Fault = f
}

// resource is an API behind the tokens.
func (e *Endpoint) resource(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	account, ok := e.Check(token)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
		return
	}
	answer(w, http.StatusOK, map[string]any{"account": account})
}

// Check says whose access token this is, and false when it does not work.
func (e *Endpoint) Check(token string) (account string, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	a := e.access[token]
	if a == nil || a.family.killed || a.revoked || !a.expiry.IsZero() && !e.o.Now().Before(a.expiry) {
		return "", false
	}
	a.family.use(a)
	return a.family.account, true
}

// answer writes JSON as RFC 6749 §5.1 wants it.
func answer(w http.ResponseWriter, status int, v map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// refuse writes an error of RFC 6749 §5.2.
func refuse(w http.ResponseWriter, code, description string) {
	status := http.StatusBadRequest
	if code == "invalid_client" {
		status = http.StatusUnauthorized
	}
	answer(w, status, map[string]any{"error": code, "error_description": description})
}

// random makes a token that says what it is.
func random(kind string) string { return kind + "_" + strings.ToLower(rand.Text()) }
