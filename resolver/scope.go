package resolver

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/oauth/bearer"
	"github.com/attache-proxy/attache/resolver/refusal"
)

// enough passes an answer on. Where it says that the token's scopes do not reach
// far enough (RFC 6750 §3.1), more of them only a person can give: the service's
// answer stays as it is, body and challenge, and our headers beside it say where
// a person can. An answer without a body gets ours, and so does every MCP client:
// it shows its model the body alone.
func (x *exchange) enough(res *http.Response) (*http.Response, error) {
	if res.StatusCode != http.StatusForbidden || x.call.Account.Option.OAuth == nil {
		return res, nil
	}
	c, ok := bearer.Parse(res.Header)
	if !ok || c.Error != "insufficient_scope" || x.r.moreURL == nil {
		return res, nil
	}
	at := x.r.moreURL(x.call.Account, c.Scopes)
	if at == "" {
		return res, nil // nobody can help with a link: the service's own words say more
	}
	if x.call.Account.Option.Type != providers.TypeMCP && res.ContentLength != 0 && res.Body != http.NoBody {
		res.Header.Set(refusal.HeaderError, "insufficient_scope")
		res.Header.Set(refusal.HeaderConnectURL, at)
		return res, nil
	}
	discard(res)
	a := x.call.Account
	ref := &Refusal{Code: "insufficient_scope", ConnectURL: at, Scopes: c.Scopes,
		Detail: fmt.Sprintf("%s wants more of account %s of connector %s than was approved", x.call.Target.Host, a.Name, a.Connector.Key),
		Next:   "Ask a person to open connect_url and approve it; then repeat this request."}
	if len(c.Scopes) > 0 {
		ref.Detail += ": the scope " + strings.Join(c.Scopes, " ")
	}
	return nil, ref
}

// needsPerson reports whether a token could not be had because only a person
// can bring one.
func needsPerson(err error) bool {
	return errors.Is(err, oauth.ErrInvalidGrant) || errors.Is(err, oauth.ErrNeedsConsent) || errors.Is(err, oauth.ErrInvalidClient)
}
