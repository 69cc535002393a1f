package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
)

// Client is how we introduce ourselves to an authorization server.
type Client struct {
	// Name is shown to people who are asked for consent.
	Name string
	// RedirectURIs are where their browsers may be sent back to.
	RedirectURIs []string
	// DocumentURL is where ClientDocument can be fetched by authorization
	// servers; empty where they cannot reach us.
	DocumentURL string
}

// Registration is a client of an authorization server.
type Registration struct {
	ClientID     string
	ClientSecret secret.Value // zero for a public client
	// Auth is the connector's token_auth: basic, post or none.
	Auth string
	// How it came about: "document" or "dynamic".
	How string
	// SecretExpiry is when the secret ends; zero means never.
	SecretExpiry time.Time
}

// metadata is a client's (RFC 7591 §2), or the document that describes one.
type metadata struct {
	ClientID      string   `json:"client_id,omitempty"`
	Name          string   `json:"client_name"`
	RedirectURIs  []string `json:"redirect_uris"`
	GrantTypes    []string `json:"grant_types"`
	ResponseTypes []string `json:"response_types"`
	AuthMethod    string   `json:"token_endpoint_auth_method"`
	Type          string   `json:"application_type,omitempty"`
	Scope         string   `json:"scope,omitempty"`
}

func (c *Client) metadata(auth string) metadata {
	m := metadata{Name: c.Name, RedirectURIs: c.RedirectURIs, AuthMethod: auth,
		GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"}}
	m.Type = "web"
	if slices.ContainsFunc(c.RedirectURIs, func(uri string) bool { return strings.HasPrefix(uri, "http:") }) {
		m.Type = "native" // OpenID registration allows plain HTTP to loopback to these alone
	}
	return m
}

// Document is the client as authorization servers fetch it from its DocumentURL,
// which is then its client_id. It has no secret: PKCE and the redirect URIs
// protect it.
func (c *Client) Document() []byte {
	m := c.metadata("none")
	m.ClientID, m.Type = c.DocumentURL, ""
	b, _ := json.MarshalIndent(m, "", "  ")
	return append(b, '\n')
}

// auths are the ways of proving oneself that we can register for, best first,
// and the connector's word for each.
var auths = [][2]string{{"client_secret_basic", "basic"}, {"client_secret_post", "post"}, {"none", "none"}}

// methods are the ways of proving oneself that the server lists and we know, best
// first; none is the last, listed or not: a server may take what it does not list, and
// PKCE protects a public client.
func (s *Server) methods() (all []string) {
	for _, a := range auths {
		if slices.Contains(s.AuthMethods, a[0]) || a[0] == "none" {
			all = append(all, a[0])
		}
	}
	return all
}

// method is the best way of proving oneself that the server takes and we know.
func (s *Server) method() (registered, tokenAuth string) {
	for _, a := range auths {
		if slices.Contains(s.AuthMethods, a[0]) {
			return a[0], a[1]
		}
	}
	return "", ""
}

// Proof is the connector's token_auth for a client that has a secret.
func (s *Server) Proof() string {
	if _, auth := s.method(); auth != "" && auth != "none" {
		return auth
	}
	return "post"
}

// ErrNoRegistration means that the server's clients are registered by hand.
var ErrNoRegistration = refused("registering a client", "the authorization server registers none by itself; register one there by hand and give its client_id")

// Register makes us a client of the server: by our document where it takes
// documents and can reach ours, else dynamically (RFC 7591).
func (f *Finder) Register(ctx context.Context, s *Server, c Client) (*Registration, error) {
	if s.TakesDocuments && strings.HasPrefix(c.DocumentURL, "https://") {
		return &Registration{ClientID: c.DocumentURL, Auth: "none", How: "document"}, nil
	}
	if s.RegistrationURL == "" {
		return nil, ErrNoRegistration
	}
	var first *Error
	var tried []string
	for _, method := range s.methods() {
		m := c.metadata(method)
		m.Scope = strings.Join(slices.Concat(s.Scopes, s.Later), " ")
		r, err := f.register(ctx, s.RegistrationURL, m)
		if err == nil {
			return r, nil
		}
		no, ok := errors.AsType[*Error](err)
		if !ok {
			return nil, err
		}
		if tried = append(tried, method); first == nil {
			first = no
		}
		if !no.refusedMetadata {
			break
		}
	}
	if len(tried) > 1 {
		first.Why += "; tried " + strings.Join(tried, ", ")
	}
	if method, _ := s.method(); method == "" {
		first.Why += "; its clients prove themselves in ways that we do not know: register one there by hand"
	}
	return nil, first
}

func (f *Finder) register(ctx context.Context, endpoint string, m metadata) (*Registration, error) {
	const step = "registering a client"
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	body, err := json.Marshal(m)
	if err != nil {
		return nil, refused(step, "our metadata cannot be written")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, refused(step, "registration_endpoint is no URL")
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}, "User-Agent": {"attache"}}
	res, err := f.HTTP.Do(req)
	if err != nil {
		return nil, unanswered(step, req.URL, err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusCreated && res.StatusCode != http.StatusOK {
		return nil, notRegistered(req.URL, res)
	}
	var answer registered
	if err := object(step, req.URL, res.Body, &answer); err != nil {
		return nil, err
	}
	return answer.registration(m.AuthMethod)
}

// notRegistered says why not, in the server's words where it has some (RFC 7591 §3.2.2).
func notRegistered(u *url.URL, res *http.Response) *Error {
	const step = "registering a client"
	e := refused(step, "%s answers %d", place(u), res.StatusCode)
	e.Temporary = res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests
	var no struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	if object(step, u, res.Body, &no) == nil && no.Code != "" {
		e.Why += ", " + short(no.Code, 64)
		if no.Description != "" {
			e.Why += ": " + short(no.Description, 200)
		}
	}
	e.refusedMetadata = (res.StatusCode == http.StatusBadRequest || res.StatusCode == http.StatusUnprocessableEntity) && no.Code != "invalid_redirect_uri"
	return e
}

// registered is a registration's answer (RFC 7591 §3.2.1).
type registered struct {
	ClientID     string  `json:"client_id"`
	ClientSecret string  `json:"client_secret"`
	SecretExpiry float64 `json:"client_secret_expires_at"` // seconds since 1970; 0 means never
	AuthMethod   string  `json:"token_endpoint_auth_method"`
}

func (a *registered) registration(asked string) (*Registration, error) {
	const step = "registering a client"
	if a.ClientID == "" || len(a.ClientID) > 2048 || len(a.ClientSecret) > 16<<10 || strings.ContainsFunc(a.ClientID+a.ClientSecret, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, refused(step, "the answer has no client_id that can be used")
	}
	r := &Registration{ClientID: a.ClientID, ClientSecret: secret.New(a.ClientSecret), How: "dynamic"}
	if a.AuthMethod == "" {
		a.AuthMethod = asked
	}
	if a.ClientSecret == "" {
		a.AuthMethod = "none"
	}
	i := slices.IndexFunc(auths, func(m [2]string) bool { return m[0] == a.AuthMethod })
	if i < 0 {
		return nil, refused(step, "we were registered to prove ourselves by %s, which was not asked for", short(a.AuthMethod, 40))
	}
	r.Auth = auths[i][1]
	if a.SecretExpiry > 0 && a.SecretExpiry < 1<<40 && a.ClientSecret != "" {
		r.SecretExpiry = time.Unix(int64(a.SecretExpiry), 0)
		if !r.SecretExpiry.After(time.Now()) {
			return nil, refused(step, "the secret that came has expired already")
		}
	}
	return r, nil
}
