package resolver

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/sign"
)

// othersURL reports a request whose query was signed with a key that is neither
// an account's of this agent nor a placeholder: a presigned URL that somebody
// handed out, such as a download of Git LFS, a registry or a model hub. Signing
// it anew would break it; it passes as it is, without a credential.
func (r *Resolver) othersURL(ctx context.Context, c *providers.Connector, ask *Ask) (others, granted bool, err error) {
	if !c.TakesSignedURLs || ask.Query == "" {
		return false, false, nil
	}
	signatures := sign.URLSignatures(ask.Query)
	if len(signatures) == 0 {
		return false, false, nil
	}
	list, err := r.directory.Granted(ctx, ask.Agent, c.Key)
	if err != nil {
		return false, false, vaultAway(err)
	}
	for _, s := range signatures {
		if isPlaceholder(c, s.KeyID) {
			return false, len(list) > 0, nil
		}
		for i := range list {
			if list[i].Account.hasKeyID(s.KeyID) || r.credentials.hasKeyID(list[i].Account, s.KeyID) {
				return false, true, nil
			}
		}
	}
	return true, len(list) > 0, nil
}

// passOthersURL makes the call one of no connector. At the doors that name a
// connector the agent must have an account there, whose base URL says where to.
// The connector's own way to the service is for agents with a grant alone.
func (r *Resolver) passOthersURL(ctx context.Context, call *Call, ask *Ask, granted bool) error {
	c := call.Connector
	if ask.Connector != "" {
		list, err := r.directory.Granted(ctx, ask.Agent, c.Key)
		if err != nil {
			return vaultAway(err)
		}
		g, err := choose(list, call, *ask)
		if err != nil {
			return err
		}
		call.Account = g.Account
		if err := call.settle(*ask); err != nil {
			return err
		}
	} else {
		call.HTTPS = !call.Host.PlainHTTP || !call.Target.Plain
		if call.Target.Port == "80" && call.HTTPS && call.Host.Port == "" {
			call.Target.Port = "443"
		}
	}
	call.Signed, call.Connector, call.Host, call.Account = c, nil, nil, nil
	if granted {
		call.route = c
	}
	return nil
}

// isPlaceholder reports an id that exec and the documentation give to clients.
func isPlaceholder(c *providers.Connector, id string) bool {
	if id == "" {
		return false
	}
	if strings.Contains(strings.ToLower(id), "attache") {
		return true
	}
	for _, v := range c.Env {
		if v == id {
			return true
		}
	}
	return false
}

// hasKeyID reports whether the id is that of the account's own key: a field that
// is no secret, or the e-mail address of a service account of Google.
func (a *Account) hasKeyID(id string) bool {
	if id == "" {
		return false
	}
	for name, v := range a.Fields {
		if !a.secretField(name) && v.Reveal() == id {
			return true
		}
	}
	if o := a.Option.OAuth; o != nil {
		if key, ok := o.GoogleKey(a.vars()); ok {
			var file struct {
				Email string `json:"client_email"`
			}
			return json.Unmarshal([]byte(key), &file) == nil && file.Email == id
		}
	}
	return false
}

// hasKeyID is the same for the keys of a role, which are temporary.
func (c *Credentials) hasKeyID(a *Account, id string) bool {
	if id == "" || c.Cache == nil || a.Option.OAuth == nil {
		return false
	}
	cred, ok := c.Cache.Near(a.CacheKey)
	return ok && cred.Fields.Get("access_key_id").Reveal() == id
}

// unsignURL takes a signature of our own keys' off the query: the signer makes a
// new one in the headers, or in the query where the agent may have such a URL.
func (x *exchange) unsignURL(out *http.Request) {
	if x.call.mayPresign {
		sign.URLUnsigned(out, x.signer)
		return
	}
	sign.URLUnsigned(out, nil)
}
