package signin

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
)

// OIDC lets people sign in through an OpenID provider (OpenID Connect Core 1.0,
// authorization code with PKCE). Issuer, ClientID, Allow and HTTP must be set.
type OIDC struct {
	Issuer   string
	ClientID string
	// ClientSecret is zero for a public client.
	ClientSecret secret.Value
	// RedirectURL is where the provider sends people back to, ending in
	// SignInCallback; empty means the address by which they came.
	RedirectURL string
	// Scopes to ask for besides openid; nil means profile and email.
	Scopes []string
	// NameClaim is the claim by which a person appears in the audit; empty means
	// email where it is verified, else preferred_username, name or sub.
	NameClaim string
	// Allow says who may do what; the first that fits counts. Nobody else gets in.
	Allow []Allow
	// Life of a session; 0 means 8 hours.
	Life time.Duration
	// HTTP reaches the provider. It must follow no redirects.
	HTTP *http.Client
}

const defaultSessionLife = 8 * time.Hour

// provider is an OpenID provider that was found when somebody first signed in,
// so that one which is away keeps nothing from starting.
type provider struct {
	c     *OIDC
	mu    sync.Mutex
	found *oidc.Provider
}

// maxProviderWait bounds each conversation with the provider.
const maxProviderWait = 20 * time.Second

// discover reads the provider's metadata, once it answers.
func (p *provider) discover() (*oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	// Not the request's context: the provider keeps it for the keys it reads later.
	found, err := oidc.NewProvider(oidc.ClientContext(context.Background(), p.c.HTTP), p.c.Issuer)
	if err != nil {
		return nil, fmt.Errorf("reading the metadata of %s: %w", p.c.Issuer, err)
	}
	p.found = found
	return found, nil
}

func (p *provider) config(found *oidc.Provider, redirect string) *oauth2.Config {
	scopes := p.c.Scopes
	if scopes == nil {
		scopes = []string{"profile", "email"}
	}
	return &oauth2.Config{
		ClientID: p.c.ClientID, ClientSecret: p.c.ClientSecret.Reveal(), Endpoint: found.Endpoint(), RedirectURL: redirect,
		Scopes: append([]string{oidc.ScopeOpenID}, scopes...),
	}
}

// attempt is one try to sign in. It stands in a cookie of the browser that began
// it: nobody else's browser can end it.
type attempt struct{ State, Nonce, Verifier string }

// begin is where to send the person.
func (p *provider) begin(t attempt, redirect string) (string, error) {
	found, err := p.discover()
	if err != nil {
		return "", err
	}
	return p.config(found, redirect).AuthCodeURL(t.State, oidc.Nonce(t.Nonce), oauth2.S256ChallengeOption(t.Verifier)), nil
}

// errNotVouched is what every failure of finish matches that the answer of the
// provider causes, as opposed to its absence.
var errNotVouched = errors.New("the provider did not vouch for anybody")

// finish exchanges a code for claims about a person: those of the ID token, whose
// signature, issuer, audience, end and nonce are checked, over those of the
// userinfo endpoint, where many providers put the profile.
func (p *provider) finish(ctx context.Context, t attempt, redirect, code string) (claims, error) {
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, p.c.HTTP), maxProviderWait)
	defer cancel()
	found, err := p.discover()
	if err != nil {
		return nil, err
	}
	tokens, err := p.config(found, redirect).Exchange(ctx, code, oauth2.VerifierOption(t.Verifier))
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) { // its text is the provider's answer
		return nil, fmt.Errorf("%w: its token endpoint answered %s (%q)", errNotVouched, refused.Response.Status, refused.ErrorCode)
	}
	if err != nil {
		return nil, fmt.Errorf("exchanging the code: %w", err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	if raw == "" {
		return nil, fmt.Errorf("%w: its answer has no ID token", errNotVouched)
	}
	id, err := found.Verifier(&oidc.Config{ClientID: p.c.ClientID}).Verify(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotVouched, err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(t.Nonce)) != 1 || t.Nonce == "" {
		return nil, fmt.Errorf("%w: the ID token has another nonce", errNotVouched)
	}
	var own json.RawMessage
	if err := id.Claims(&own); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotVouched, err)
	}
	if err := p.authorizedParty(id, own); err != nil {
		return nil, err
	}
	c := claims{}
	if err := p.userinfo(ctx, found, tokens, id.Subject, &c); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(own, &c); err != nil { // over those that are there
		return nil, fmt.Errorf("%w: %w", errNotVouched, err)
	}
	return c, nil
}

// authorizedParty makes sure that a token for several audiences was made for us
// (OpenID Connect Core §3.1.3.7, 4 and 5).
func (p *provider) authorizedParty(id *oidc.IDToken, own json.RawMessage) error {
	var party struct {
		AZP *string `json:"azp"`
	}
	if err := json.Unmarshal(own, &party); err != nil {
		return fmt.Errorf("%w: its azp is no string", errNotVouched)
	}
	switch {
	case party.AZP == nil && len(id.Audience) > 1:
		return fmt.Errorf("%w: the ID token is for several audiences and does not say for whom it was made (azp)", errNotVouched)
	case party.AZP != nil && *party.AZP != p.c.ClientID:
		return fmt.Errorf("%w: the ID token was made for another client (azp)", errNotVouched)
	}
	return nil
}

// userinfo adds the claims of the userinfo endpoint, if there is one and they are
// about the same person (OpenID Connect Core §5.3.2).
func (p *provider) userinfo(ctx context.Context, found *oidc.Provider, tokens *oauth2.Token, subject string, into *claims) error {
	if found.UserInfoEndpoint() == "" {
		return nil
	}
	info, err := found.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		return errors.New("the userinfo endpoint gave no claims") // the cause would quote its answer
	}
	if info.Subject != subject {
		return fmt.Errorf("%w: its userinfo is about somebody else", errNotVouched)
	}
	return info.Claims(into)
}

// admit says what a person may do, or false.
func (p *provider) admit(c claims, now time.Time) (vault.SignIn, bool) {
	sub, _ := c["sub"].(string)
	if sub == "" {
		return vault.SignIn{}, false
	}
	for _, a := range p.c.Allow {
		org, ok := a.fits(c)
		if !ok {
			continue
		}
		life := p.c.Life
		if life == 0 {
			life = defaultSessionLife
		}
		return vault.SignIn{
			Name: c.name(p.c.NameClaim), Subject: p.c.Issuer + " " + sub, Role: a.Role, Organisation: org, ExpiresAt: now.Add(life),
		}, true
	}
	return vault.SignIn{}, false
}
