package mcp

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// resourceDocument is a protected resource's metadata (RFC 9728 §2).
type resourceDocument struct {
	Resource string   `json:"resource"`
	Servers  []string `json:"authorization_servers"`
	Scopes   []string `json:"scopes_supported"`
	Methods  []string `json:"bearer_methods_supported"`
	Name     string   `json:"resource_name"`
}

// resource finds the server's own metadata: where its challenge says, else
// below its path and at its root. It returns nil where there is none.
func (f *Finder) resource(ctx context.Context, u *url.URL, said said) (*resourceDocument, error) {
	const step = "the server's metadata"
	var tries []*url.URL
	if said.ResourceMetadata != "" {
		at, err := u.Parse(said.ResourceMetadata)
		if err != nil || !sameOrigin(at, u) || at.User != nil {
			return nil, refused(step, "the server says that it lies at another origin than its own")
		}
		tries = append(tries, at)
	}
	tries = append(tries, wellKnown(u, "oauth-protected-resource", u.Path), wellKnown(u, "oauth-protected-resource", ""))
	for _, at := range unique(tries) {
		var doc resourceDocument
		found, err := f.document(ctx, step, at, &doc)
		if err != nil {
			return nil, err
		}
		if found {
			return &doc, doc.check(u, at)
		}
	}
	return nil, nil
}

// check refuses metadata that is not about the server that was asked (RFC 9728
// §3.3): it names the server's URL, or the one into which the address of the
// metadata was made, which the server's lies below.
func (d *resourceDocument) check(u, at *url.URL) error {
	const step = "the server's metadata"
	r, err := url.Parse(d.Resource)
	switch {
	case err != nil || d.Resource == "" || len(d.Resource) > 2048 || strings.ContainsAny(d.Resource, unfit):
		return refused(step, "resource is missing or no URL")
	case !sameOrigin(lower(r), u) || r.RawQuery != "" || r.User != nil || r.Fragment != "" || !sameResource(r, u, at):
		return refused(step, "it is about another resource than %s", u)
	case len(d.Servers) == 0:
		return refused(step, "authorization_servers is missing")
	case d.Methods != nil && !slices.Contains(d.Methods, "header"):
		return refused(step, "the server takes no tokens in the Authorization header")
	}
	d.Scopes = usable(d.Scopes)
	return nil
}

// unfit are characters that no URL has, and that would mean something in a
// connector's definition.
const unfit = "{} \t\r\n\"<>\\"

// sameResource reports whether r is the server u, or the resource whose metadata
// lies at at, and the server below it.
func sameResource(r, u, at *url.URL) bool {
	path := strings.TrimSuffix(r.EscapedPath(), "/")
	if path == strings.TrimSuffix(u.EscapedPath(), "/") {
		return true
	}
	about, ok := strings.CutPrefix(at.EscapedPath(), "/.well-known/oauth-protected-resource")
	return ok && path == strings.TrimSuffix(about, "/") && within(u.EscapedPath(), path)
}

// within reports whether path is prefix or below it.
func within(path, prefix string) bool {
	prefix = strings.TrimSuffix(prefix, "/")
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

func lower(u *url.URL) *url.URL {
	v := *u
	v.Scheme, v.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	return &v
}

// serverDocument is an authorization server's metadata (RFC 8414 §2, OpenID
// Connect Discovery 1.0 §3).
type serverDocument struct {
	Issuer         string   `json:"issuer"`
	AuthorizeURL   string   `json:"authorization_endpoint"`
	TokenURL       string   `json:"token_endpoint"`
	RegisterURL    string   `json:"registration_endpoint"`
	RevokeURL      string   `json:"revocation_endpoint"`
	Scopes         []string `json:"scopes_supported"`
	ResponseTypes  []string `json:"response_types_supported"`
	GrantTypes     []string `json:"grant_types_supported"`
	AuthMethods    []string `json:"token_endpoint_auth_methods_supported"`
	Challenges     []string `json:"code_challenge_methods_supported"`
	TakesDocuments bool     `json:"client_id_metadata_document_supported"`
	NamesItself    bool     `json:"authorization_response_iss_parameter_supported"`
}

// maxServers is how many of a server's authorization servers are looked at.
const maxServers = 3

// authorizationServer takes the first of the servers that can be used.
func (f *Finder) authorizationServer(ctx context.Context, issuers []string) (*serverDocument, error) {
	var errs []error
	for _, issuer := range issuers[:min(len(issuers), maxServers)] {
		doc, err := f.issuer(ctx, issuer)
		if err == nil {
			return doc, nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 1 {
		return nil, errs[0]
	}
	return nil, errors.Join(errs...)
}

// issuer gets the metadata of one authorization server, at the places and in the
// order of the MCP specification.
func (f *Finder) issuer(ctx context.Context, issuer string) (*serverDocument, error) {
	const step = "the authorization server's metadata"
	u, err := url.Parse(issuer)
	if err != nil || len(issuer) > 2048 || u.RawQuery != "" || u.Opaque != "" {
		return nil, refused(step, "the issuer is no https URL")
	}
	if err := f.check(ctx, step, u); err != nil {
		return nil, err
	}
	for _, at := range serverPlaces(u) {
		var doc serverDocument
		found, err := f.document(ctx, step, at, &doc)
		if err != nil {
			return nil, err
		}
		if found {
			return &doc, f.checkServer(ctx, &doc, issuer)
		}
	}
	return nil, refused(step, "%s has none at any of the places where it belongs", u)
}

// serverPlaces are where metadata of an issuer may lie: RFC 8414 §3.1, the same
// for OpenID, and OpenID's own.
func serverPlaces(issuer *url.URL) []*url.URL {
	path := strings.TrimSuffix(issuer.Path, "/")
	places := []*url.URL{wellKnown(issuer, "oauth-authorization-server", path), wellKnown(issuer, "openid-configuration", path)}
	if path != "" {
		own := *issuer
		own.Path, own.RawPath = path+"/.well-known/openid-configuration", ""
		places = append(places, &own)
	}
	return places
}

// checkServer refuses what an attacker, or a server that is not one for MCP,
// would say.
func (f *Finder) checkServer(ctx context.Context, d *serverDocument, issuer string) error {
	const step = "the authorization server's metadata"
	if strings.TrimSuffix(d.Issuer, "/") != strings.TrimSuffix(issuer, "/") || d.Issuer == "" {
		return refused(step, "it is that of another issuer than %s", issuer)
	}
	for name, value := range map[string]string{"authorization_endpoint": d.AuthorizeURL, "token_endpoint": d.TokenURL} {
		if value == "" {
			return refused(step, "%s is missing", name)
		}
	}
	switch {
	case d.ResponseTypes != nil && !slices.Contains(d.ResponseTypes, "code"):
		return refused(step, "it knows no authorization codes")
	case d.GrantTypes != nil && !slices.Contains(d.GrantTypes, "authorization_code"):
		return refused(step, "it knows no authorization codes")
	case !slices.Contains(d.Challenges, "S256"):
		return refused(step, "it does not say that it takes PKCE with S256, without which MCP clients must not go on")
	}
	for _, e := range [][2]string{{"authorization_endpoint", d.AuthorizeURL}, {"token_endpoint", d.TokenURL}, {"registration_endpoint", d.RegisterURL}, {"revocation_endpoint", d.RevokeURL}} {
		if err := f.endpoint(ctx, e[0], e[1]); err != nil {
			return err
		}
	}
	return nil
}

// take keeps what was found of the authorization server.
func (s *Server) take(d *serverDocument) {
	s.Issuer, s.AuthorizeURL, s.TokenURL, s.RegistrationURL, s.RevokeURL = d.Issuer, d.AuthorizeURL, d.TokenURL, d.RegisterURL, d.RevokeURL
	s.AuthMethods, s.TakesDocuments, s.NamesItself = d.AuthMethods, d.TakesDocuments, d.NamesItself
	if s.AuthMethods == nil {
		s.AuthMethods = []string{"client_secret_basic"} // RFC 8414 §2
	}
}

// withoutResource is for servers of the revision 2025-03-26, which are their own
// authorization servers: metadata at the root of the origin, or endpoints at
// fixed paths.
func (f *Finder) withoutResource(ctx context.Context, s *Server, u *url.URL, said said) error {
	const step = "the server's metadata"
	if said.status != http.StatusUnauthorized {
		return refused(step, "there is none, and without a token the server answers %d instead of 401: it seems to want no authorization by OAuth", said.status)
	}
	root := &url.URL{Scheme: u.Scheme, Host: u.Host}
	for _, at := range serverPlaces(root) {
		var doc serverDocument
		found, err := f.document(ctx, step, at, &doc)
		if err != nil {
			return err
		}
		if found {
			if err := f.checkServer(ctx, &doc, root.String()); err != nil {
				return err
			}
			s.take(&doc)
			s.scope(said.Scopes, nil, doc.Scopes)
			return nil
		}
	}
	s.AuthorizeURL, s.TokenURL, s.RegistrationURL = root.String()+"/authorize", root.String()+"/token", root.String()+"/register"
	s.AuthMethods = []string{"none", "client_secret_post", "client_secret_basic"}
	s.Scopes = said.Scopes
	return nil
}

// wellKnown puts a name between an origin and a path (RFC 8615, RFC 9728 §3.1).
func wellKnown(u *url.URL, name, path string) *url.URL {
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/.well-known/" + name + strings.TrimSuffix(path, "/")}
}

func unique(us []*url.URL) []*url.URL {
	var out []*url.URL
	for _, u := range us {
		if !slices.ContainsFunc(out, func(v *url.URL) bool { return v.String() == u.String() }) {
			out = append(out, u)
		}
	}
	return out
}

// usable keeps scopes that can be asked for, and not too many.
func usable(scopes []string) []string {
	var out []string
	for _, s := range scopes {
		if s != "" && len(s) <= 256 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(unfit, r) }) && len(out) < 50 {
			out = append(out, s)
		}
	}
	return out
}
