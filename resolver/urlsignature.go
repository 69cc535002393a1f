package resolver

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/sign"
)

// others is what othersURL finds: whether the signature is somebody else's, and
// the claim whose service takes it, with whether the agent has an account there.
type others struct {
	is, granted bool
	claim       providers.Entry
}

// othersURL looks for a request whose query was signed with a key that is neither
// an account's of this agent nor a placeholder: a presigned URL that somebody
// handed out, such as a download of Git LFS, a registry or a model hub. Signing
// it anew would break it; it passes as it is, without a credential.
func (r *Resolver) othersURL(ctx context.Context, claims []providers.Entry, ask *Ask) (out others, err error) {
	first := slices.IndexFunc(claims, func(e providers.Entry) bool { return e.Connector.TakesSignedURLs })
	if ask.Query == "" || first < 0 {
		return out, nil
	}
	signatures := sign.URLSignatures(ask.Query)
	if len(signatures) == 0 {
		return out, nil
	}
	out.claim = claims[first]
	for _, claim := range claims {
		list, err := r.directory.Granted(ctx, ask.Agent, claim.Connector.Key)
		if err != nil {
			return others{}, vaultAway(err)
		}
		if len(list) > 0 && claim.Connector.TakesSignedURLs && !out.granted {
			out.granted, out.claim = true, claim
		}
		for _, s := range signatures {
			if claim.Connector.IsPlaceholder(s.KeyID) {
				return others{}, nil
			}
			for i := range list {
				if list[i].Account.hasKeyID(s.KeyID) || r.credentials.hasKeyID(list[i].Account, s.KeyID) {
					return others{}, nil
				}
			}
		}
	}
	out.is = true
	return out, nil
}

// passOthersURL makes the call one of no connector. At the doors that name a
// connector the agent must have an account there, whose base URL says where to.
// The connector's own way to the service is for agents with a grant alone.
func (r *Resolver) passOthersURL(ctx context.Context, call *Call, ask *Ask, claims []providers.Entry, o others) error {
	call.Connector, call.Host = o.claim.Connector, o.claim.Host
	if ask.Connector != "" {
		if _, err := r.choose(ctx, call, *ask, claims); err != nil {
			return err
		}
		if err := call.settle(*ask); err != nil {
			return err
		}
	} else {
		call.HTTPS = !call.Host.PlainHTTP || !call.Target.Plain
		if call.Target.Port == "80" && call.HTTPS && call.Host.Port == "" {
			call.Target.Port = "443"
		}
	}
	call.Signed, call.Connector, call.Host, call.Account, call.mayPresign = o.claim.Connector, nil, nil, nil, false
	if o.granted {
		call.route = call.Signed
	}
	return nil
}

// hasKeyID reports whether the id is that of the account's own key: a field that
// is no secret, or the e-mail address of a service account of Google.
func (a *Account) hasKeyID(id string) bool {
	if id == "" {
		return false
	}
	for name, v := range a.Fields {
		if !a.Option.SecretField(name) && v.Reveal() == id {
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
