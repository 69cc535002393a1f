package admin

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
)

// authorizeFor is how long a person may take at the service.
const authorizeFor = 10 * time.Minute

// Names in the data of a session. None of these values is secret.
const (
	dataOption   = "option"        // which way to connect
	dataApp      = "app_id"        // the OAuth client
	dataPinned   = "pinned"        // the only option that a link offers; empty: any
	dataReach    = "reach"         // who has the link, and so what it may do; see reach
	dataOther    = "other"         // "1": another identity than before is welcome
	dataMore     = "more"          // scopes beyond the connector's, with spaces
	dataRedirect = "redirect_uri"  // where the service sends the person
	dataBrowser  = "browser"       // SHA-256 of the cookie of the browser that began
	dataUntil    = "until"         // Unix seconds: when the attempt ends
	dataUserCode = "user_code"     // what the person types
	dataVerify   = "verify"        // where
	dataComplete = "verify_direct" // the same with the code in it; may be empty
	dataInterval = "interval_ms"   // between polls
	dataNext     = "next_ms"       // Unix milliseconds: when the next poll is due
	dataCode     = "error_code"    // of the last failure
)

// Names of the sealed values of a session.
const (
	sealedVerifier = "verifier" // PKCE
	sealedDevice   = "device_code"
	sealedToken    = "request_token" // OAuth 1.0a
	sealedSecret   = "request_secret"
	sealedLink     = "link"   // the token of the session's own link
	sealedField    = "field." // begins the names of fields that were filled in
)

// begun is an attempt that waits for a person.
type begun struct {
	edit vault.SessionEdit
	// url is where the person's browser must go; empty in the device flow.
	url   string
	until time.Time
}

// begin makes the authorization request, or asks for a device code. Nothing is
// stored. scopes nil are the connector's.
func (a *API) begin(ctx context.Context, t *subject, redirectURI string, scopes []string) (*begun, error) {
	switch {
	case a.c.Connections == nil:
		return nil, problem(http.StatusNotImplemented, "NOT_AVAILABLE", "Nothing connects accounts here.")
	case !needsPerson(t.opt) || t.oauth == nil:
		return nil, problem(http.StatusUnprocessableEntity, "NO_AUTHORIZATION", "This way to connect has no authorization by a person. Send its credentials: PUT "+Base+"/accounts/{id}/credentials.")
	case t.acct.TestMode:
		return nil, problem(http.StatusConflict, "TEST_MODE", "An account in test mode is connected to no service.")
	case t.acct.State == vault.Suspended:
		return nil, suspended
	case t.app.Get("client_id").IsZero():
		return nil, problem(http.StatusConflict, "APP_REQUIRED", "There is no OAuth client for this connector. Register one at the service, with the redirect URI "+redirectURI+", and store it: POST "+Base+"/apps.")
	}
	if err := t.complete(); err != nil {
		return nil, err
	}
	b := &begun{until: time.Now().Add(authorizeFor)}
	b.edit = vault.SessionEdit{Stage: vault.SessionAuthorizing, Scopes: t.asked(scopes), Secrets: secret.Values{},
		Data: map[string]string{dataOption: t.opt.Name, dataApp: t.appID, dataRedirect: redirectURI}}
	for name, v := range t.fields {
		b.edit.Secrets[sealedField+name] = v
	}
	var err error
	switch t.oauth.GrantType() {
	case "device_code":
		err = a.beginDevice(ctx, t, b, scopes)
	case "oauth1":
		err = a.beginOAuth1(ctx, t, b, redirectURI)
	default:
		err = a.beginRedirect(t, b, redirectURI, scopes)
	}
	if err == nil && b.edit.Flow == vault.FlowRedirect && !webURL(b.url) {
		err = errors.New("the authorization URL is no web page")
	}
	if err != nil {
		return nil, a.flowProblem(t, err)
	}
	b.edit.Data[dataUntil] = strconv.FormatInt(a.v.Clock(ctx).Add(time.Until(b.until)).Unix(), 10)
	return b, nil
}

func (a *API) beginRedirect(t *subject, b *begun, redirectURI string, scopes []string) (err error) {
	state, verifier := newState(), oauth.NewVerifier()
	b.url, err = t.oauth.AuthorizeURL(oauth.Authorization{
		App: t.app, Fields: t.fields, Account: t.meta(nil), RedirectURI: redirectURI,
		State: state.Reveal(), Verifier: verifier, Scopes: scopes,
	})
	b.edit.Flow, b.edit.State = vault.FlowRedirect, state
	b.edit.Secrets[sealedVerifier] = verifier
	return err
}

func (a *API) beginOAuth1(ctx context.Context, t *subject, b *begun, redirectURI string) error {
	state, req := newState(), a.request(t)
	req.RedirectURI = redirectURI
	rt, err := t.oauth.StartOAuth1(ctx, req, state.Reveal())
	if err != nil {
		return err
	}
	b.url, b.edit.Flow, b.edit.State = rt.URL, vault.FlowRedirect, state
	b.edit.Secrets[sealedToken], b.edit.Secrets[sealedSecret] = rt.Token, rt.Secret
	return nil
}

func (a *API) beginDevice(ctx context.Context, t *subject, b *begun, scopes []string) error {
	req := a.request(t)
	req.Scopes = scopes
	d, err := t.oauth.AuthorizeDevice(ctx, req)
	if err != nil {
		return err
	}
	b.until, b.edit.Flow = d.Expiry, vault.FlowDevice
	b.edit.Secrets[sealedDevice] = d.Code
	for name, v := range map[string]string{
		dataUserCode: d.UserCode, dataVerify: d.VerificationURI, dataComplete: d.VerificationURIComplete,
		dataInterval: strconv.FormatInt(d.Interval.Milliseconds(), 10),
		dataNext:     strconv.FormatInt(a.v.Clock(ctx).Add(d.Interval).UnixMilli(), 10),
	} {
		b.edit.Data[name] = v
	}
	return nil
}

// webURL keeps javascript: and the like away from people: some authorization URLs
// come from a server's own metadata.
func webURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// newState is 256 random bits; only its hash is stored.
func newState() secret.Value {
	var b [32]byte
	_, _ = rand.Read(b[:]) // does not fail, since Go 1.24
	return secret.New(base64.RawURLEncoding.EncodeToString(b[:]))
}

// flowProblem makes a problem of what a service said to the beginning or the end
// of a flow. An *oauth.Error holds no secret.
func (a *API) flowProblem(t *subject, err error) error {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	var refused *oauth.Error
	var denied *oauth.DeniedError
	switch {
	case errors.As(err, &denied):
		return problem(http.StatusUnprocessableEntity, "AUTHORIZATION_DENIED", sentence(denied.Error()))
	case errors.As(err, &refused) && refused.Code == "access_denied":
		return problem(http.StatusUnprocessableEntity, "AUTHORIZATION_DENIED", "The person refused at the service.")
	case errors.As(err, &refused) && refused.Code == "expired_token":
		return problem(http.StatusGone, "AUTHORIZATION_EXPIRED", "Nobody confirmed the code in time.")
	case errors.As(err, &refused):
		return problem(http.StatusBadGateway, "AUTHORIZATION_FAILED", sentence(refused.Error()))
	}
	a.log.Warn("connecting an account", "account", t.acct.ID, "connector", t.con.Key, "error", err)
	return problem(http.StatusBadGateway, "AUTHORIZATION_FAILED", fmt.Sprintf("The authorization of %s failed; the log has the cause.", t.con.Key))
}

// registered reports whether a redirect URI other than our own callback was
// registered for the app: the same text, since whatever is like it is another
// address (RFC 9700 §4.1.3).
func (t *subject) registered(uri string) bool { return slices.Contains(t.redirects, uri) }
