// Package mcp finds out, from the URL of a remote MCP server alone, how its
// clients are authorized, and registers a client there: the client's part of the
// MCP authorization specification (revision 2026-07-28, and those before) up to the authorization
// itself, which is OAuth's authorization code flow as for any other connector.
//
// Nothing that a server says is believed because it says so: its metadata must
// be about this server, come from where it belongs, name endpoints that may be
// called, and be small.
package mcp

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Finder asks servers. Its zero value does not work: HTTP must be set.
type Finder struct {
	// HTTP sends requests through the address guard and follows no redirects.
	HTTP Doer
	// Allow refuses URLs beside those that are not absolute https: it looks at the
	// addresses of a host, so that nobody's browser or token is sent to a private
	// one. nil allows all.
	Allow func(ctx context.Context, u *url.URL) error
	// AllowHTTP says to which hosts plain HTTP may be spoken; nil means none.
	AllowHTTP func(host string) bool
}

// Doer sends a request.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// Server is what was found out.
type Server struct {
	// URL is the server's, in its canonical form.
	URL string
	// Resource is what tokens are asked for (RFC 8707): the server's own name of
	// itself, or its URL.
	Resource string
	// Name is the server's title; it may be empty.
	Name string
	// Scopes to ask for first: those of the challenge, else all of the server's;
	// nil leaves it to the authorization server.
	Scopes []string
	// Later are the scopes that the server may want beyond those. A client is
	// registered for all of them: authorization servers refuse it others.
	Later []string

	// Issuer is the authorization server; empty for one without metadata.
	Issuer string
	// The endpoints; RegistrationURL and RevokeURL may be empty.
	AuthorizeURL, TokenURL, RegistrationURL, RevokeURL string
	// AuthMethods are how a client may prove itself at the token endpoint, in
	// RFC 7591's words.
	AuthMethods []string
	// TakesDocuments says that a client may be the URL of a document that
	// describes it, without being registered.
	TakesDocuments bool
	// NamesItself says that callbacks must carry iss (RFC 9207).
	NamesItself bool
	// Prompt is "consent" where a refresh token comes only after being asked for.
	Prompt string
}

// findTimeout bounds everything that finding a server does.
const findTimeout = 30 * time.Second

// Error says why a server cannot be used, for the person who named it.
type Error struct {
	// Step is what was being done.
	Step string
	// Why holds no more of what came than URLs and short cleaned words.
	Why string
	// Temporary says that the same may work later.
	Temporary bool

	// refusedMetadata says that a registration may be taken with other metadata.
	refusedMetadata bool
	cause           error
}

func (e *Error) Error() string { return e.Step + ": " + e.Why }
func (e *Error) Unwrap() error { return e.cause }

func refused(step, format string, args ...any) *Error {
	return &Error{Step: step, Why: fmt.Sprintf(format, args...)}
}

// Find asks the server without a token, and follows what its refusal says to
// the authorization server's metadata.
func (f *Finder) Find(ctx context.Context, server string) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	u, err := f.canonical(ctx, server)
	if err != nil {
		return nil, err
	}
	said, err := f.knock(ctx, u)
	if err != nil {
		return nil, err
	}
	s := &Server{URL: u.String(), Resource: u.String()}
	res, err := f.resource(ctx, u, said)
	if err != nil {
		return nil, err
	}
	if res == nil {
		return s, f.withoutResource(ctx, s, u, said)
	}
	s.Resource, s.Name = res.Resource, short(res.Name, 128)
	meta, err := f.authorizationServer(ctx, res.Servers)
	if err != nil {
		return nil, err
	}
	s.take(meta)
	s.scope(said.Scopes, res.Scopes, meta.Scopes)
	return s, nil
}

// scope chooses what to ask for. Some authorization servers hand out refresh
// tokens only to those who ask for offline_access and for consent.
func (s *Server) scope(challenged, resource, server []string) {
	if s.Scopes = usable(challenged); s.Scopes == nil {
		s.Scopes = resource
	}
	const offline = "offline_access"
	if len(s.Scopes) > 0 && slices.Contains(server, offline) && !slices.Contains(s.Scopes, offline) {
		s.Scopes = append(slices.Clone(s.Scopes), offline)
	}
	if slices.Contains(s.Scopes, offline) {
		s.Prompt = "consent"
	}
	s.Later = nil
	for _, scope := range resource {
		if !slices.Contains(s.Scopes, scope) {
			s.Later = append(s.Later, scope)
		}
	}
}

// canonical is the server's URL as its tokens name it: scheme and host in lower
// case, no default port, no fragment, no slash that means nothing.
func (f *Finder) canonical(ctx context.Context, server string) (*url.URL, error) {
	const step = "the server's URL"
	u, err := url.Parse(server)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return nil, refused(step, "want https://HOST/PATH")
	case u.User != nil:
		return nil, refused(step, "leave the user and password out")
	case u.RawQuery != "" || u.ForceQuery:
		return nil, refused(step, "leave the query out; the agent sends its own")
	case len(server) > 2048:
		return nil, refused(step, "it is longer than 2048 characters")
	}
	u.Fragment, u.RawFragment = "", ""
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.TrimSuffix(strings.ToLower(u.Host), ".")
	if port := u.Port(); port == "443" && u.Scheme == "https" || port == "80" && u.Scheme == "http" {
		u.Host = strings.TrimSuffix(u.Host, ":"+port)
	}
	if u.Path == "/" {
		u.Path, u.RawPath = "", ""
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." {
			return nil, refused(step, "the path has dot segments in it")
		}
	}
	return u, f.check(ctx, step, u)
}

// check refuses URLs that must not be called, by us or by a person's browser.
func (f *Finder) check(ctx context.Context, step string, u *url.URL) error {
	switch {
	case u.Scheme == "https" && u.Host != "":
	case u.Scheme == "http" && f.AllowHTTP != nil && f.AllowHTTP(u.Hostname()):
	case u.Scheme == "http":
		return refused(step, "%s is not https; plain HTTP is for addresses that the operator named with allow_address", place(u))
	default:
		return refused(step, "it is no https URL")
	}
	if u.User != nil || u.Fragment != "" {
		return refused(step, "the URL on %s has a user or a fragment in it", place(u))
	}
	if f.Allow == nil {
		return nil
	}
	if err := f.Allow(ctx, u); err != nil {
		return &Error{Step: step, Why: place(u) + " may not be called: its address is not public, or its name cannot be resolved", cause: err}
	}
	return nil
}

// endpoint is check for a URL of a document; an empty one is none.
func (f *Finder) endpoint(ctx context.Context, name, raw string) error {
	if raw == "" {
		return nil
	}
	u, err := url.Parse(raw)
	if err != nil || len(raw) > 2048 || strings.ContainsAny(raw, unfit) {
		return refused(name, "it is no URL")
	}
	return f.check(ctx, name, u)
}

// place is a URL's origin, for messages.
func place(u *url.URL) string { return u.Scheme + "://" + u.Host }

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && a.Hostname() == b.Hostname() && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"https": "443", "http": "80"}[u.Scheme]
}
