package oauth

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/attache-proxy/attache/providers/secret"
)

// RequestToken is the temporary credential of OAuth 1.0a's first leg (RFC 5849
// §2.1). It must be kept until the callback.
type RequestToken struct {
	Token  secret.Value
	Secret secret.Value
	// URL is what the person's browser must open.
	URL string
}

// oauth1Methods are the words of oauth1_signature (RFC 5849 §3.4, and HMAC-SHA256,
// which is not in it but common).
var oauth1Methods = map[string]string{
	"": "HMAC-SHA1", "hmac-sha1": "HMAC-SHA1", "hmac-sha256": "HMAC-SHA256", "rsa-sha1": "RSA-SHA1", "plaintext": "PLAINTEXT",
}

func oauth1Defaults(s *Spec) {
	s.TokenAuth, s.ContentType = or(s.TokenAuth, "off"), or(s.ContentType, "query")
	s.Response.Format = or(s.Response.Format, "form") // §2.1, whatever the Content-Type is
	s.Response.AccessToken = or(s.Response.AccessToken, "oauth_token")
	if s.Response.Fields == nil {
		s.Response.Fields = map[string]string{"token_secret": "oauth_token_secret"}
	}
	s.Response.Error = or(s.Response.Error, "oauth_problem")
	s.Callback.Code = or(s.Callback.Code, "oauth_verifier") // §2.2
}

func compileOAuth1(c *Config) (err error) {
	if _, ok := oauth1Methods[c.spec.OAuth1Signature]; !ok {
		return fmt.Errorf("oauth1_signature %q is not one of %s", c.spec.OAuth1Signature, words(oauth1Methods))
	}
	if c.token.encoding != inQuery {
		return errors.New("content_type must be query: the signature of OAuth 1.0a covers these parameters there")
	}
	s := c.spec.TokenStep()
	s.URL = c.spec.RequestTokenURL
	c.requestToken, err = c.compiler.step("request_token", s)
	return err
}

// StartOAuth1 is the first leg: it asks for a request token and returns where to
// send the person. state comes back in the callback URL's query.
func (c *Config) StartOAuth1(ctx context.Context, req Request, state string) (*RequestToken, error) {
	if c.requestToken == nil {
		return nil, fmt.Errorf("grant_type %s has no request_token_url", c.spec.GrantType)
	}
	r, err := c.start(&req)
	if err != nil {
		return nil, err
	}
	callback, err := url.Parse(req.RedirectURI)
	if err != nil || req.RedirectURI == "" || state == "" {
		return nil, errors.New("oauth: RedirectURI or state is missing")
	}
	addQuery(callback, "state", state)
	a, err := r.oauth1(ctx, c.requestToken, []param{{"oauth_callback", callback.String()}}, secret.Value{}, secret.Value{})
	if err != nil {
		return nil, err
	}
	get := func(name string) string { s, _ := text(parsePath(name).find(a)); return s }
	rt := &RequestToken{Token: secret.New(get("oauth_token")), Secret: secret.New(get("oauth_token_secret"))}
	if rt.Token.IsZero() || rt.Secret.IsZero() {
		return nil, a.refuse("no request token in the answer")
	}
	if get("oauth_callback_confirmed") != "true" { // §2.1: else it is OAuth 1.0, which can be hijacked
		return nil, a.refuse("it does not confirm the callback (oauth_callback_confirmed)")
	}
	u, err := c.authorize.url.eval(&r.vars, false)
	if err != nil {
		return nil, err
	}
	params, err := (&step{key: "authorize", params: c.authorize.params}).added([]param{{"oauth_token", rt.Token.Reveal()}}, &r.vars)
	if err != nil {
		return nil, err
	}
	for _, p := range params {
		addQuery(u, p.name, fmt.Sprint(p.value))
	}
	rt.URL = u.String()
	return rt, nil
}

// oauth1Token is the third leg (§2.3). Request.Token and Request.TokenSecret are
// those of the RequestToken, Code is the callback's oauth_verifier. The tokens of
// OAuth 1.0a do not expire, so later there is nothing to do.
func oauth1Token(ctx context.Context, r *run) (*Token, error) {
	if r.Code.IsZero() || r.Token.IsZero() {
		return nil, ErrNeedsConsent
	}
	a, err := r.oauth1(ctx, r.c.token, []param{{"oauth_verifier", r.Code.Reveal()}}, r.Token, r.TokenSecret)
	if err != nil {
		return nil, err
	}
	return r.c.token.response.token(a, r.now, r.scopes(), r.c.spec.ScopeSeparator)
}

// oauth1 sends a step signed with OAuth 1.0a; the oauth_ parameters go into the
// Authorization header (§3.5.1).
func (r *run) oauth1(ctx context.Context, s *step, extra []param, token, tokenSecret secret.Value) (*answer, error) {
	id := r.vars.App.Get("client_id").Reveal()
	if id == "" {
		return nil, errors.New("the app has no client_id: OAuth 1.0a's consumer key")
	}
	oauthParams := append([]param{
		{"oauth_consumer_key", id},
		{"oauth_nonce", newOAuth1Nonce()},
		{"oauth_signature_method", oauth1Methods[r.c.spec.OAuth1Signature]},
		{"oauth_timestamp", strconv.FormatInt(r.now.Unix(), 10)},
		{"oauth_version", "1.0"},
	}, extra...)
	if !token.IsZero() {
		oauthParams = append(oauthParams, param{"oauth_token", token.Reveal()})
	}
	signed := *s
	signed.finish = func(req *http.Request) error {
		sig, err := r.oauth1Signature(req, oauthParams, tokenSecret)
		if err != nil {
			return err
		}
		var parts []string
		for _, p := range append(oauthParams, param{"oauth_signature", sig}) {
			parts = append(parts, fmt.Sprintf(`%s="%s"`, p.name, escape5849(fmt.Sprint(p.value))))
		}
		req.Header.Set("Authorization", "OAuth "+strings.Join(parts, ", "))
		return nil
	}
	return signed.exchange(ctx, r, nil)
}

// oauth1Signature is RFC 5849 §3.4. Our token requests have parameters in the
// query at most, never in the body.
func (r *run) oauth1Signature(req *http.Request, oauthParams []param, tokenSecret secret.Value) (string, error) {
	key := escape5849(r.vars.App.Get("client_secret").Reveal()) + "&" + escape5849(tokenSecret.Reveal())
	base := oauth1Base(req.Method, req.URL, oauthParams)
	switch oauth1Methods[r.c.spec.OAuth1Signature] {
	case "PLAINTEXT":
		return key, nil
	case "HMAC-SHA256":
		m := hmac.New(sha256.New, []byte(key))
		m.Write([]byte(base))
		return base64.StdEncoding.EncodeToString(m.Sum(nil)), nil
	case "RSA-SHA1":
		return r.rsaSHA1(base)
	}
	m := hmac.New(sha1.New, []byte(key))
	m.Write([]byte(base))
	return base64.StdEncoding.EncodeToString(m.Sum(nil)), nil
}

func (r *run) rsaSHA1(base string) (string, error) {
	signer, _, err := parseKey(r.vars.App.Get("private_key").Reveal())
	if err != nil {
		return "", err
	}
	key, ok := signer.(*rsa.PrivateKey)
	if !ok {
		return "", errors.New("rsa-sha1 needs an RSA key")
	}
	sum := sha1.Sum([]byte(base))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA1, sum[:])
	return base64.StdEncoding.EncodeToString(sig), err
}

// oauth1Base is the signature base string (§3.4.1).
func oauth1Base(method string, u *url.URL, params []param) string {
	var pairs []string
	for _, p := range params {
		pairs = append(pairs, escape5849(p.name)+"="+escape5849(fmt.Sprint(p.value)))
	}
	for name, values := range u.Query() {
		for _, v := range values {
			pairs = append(pairs, escape5849(name)+"="+escape5849(v))
		}
	}
	slices.Sort(pairs)
	host := strings.ToLower(u.Host)
	host = strings.TrimSuffix(host, map[string]string{"https": ":443", "http": ":80"}[u.Scheme])
	return method + "&" + escape5849(u.Scheme+"://"+host+u.EscapedPath()) + "&" + escape5849(strings.Join(pairs, "&"))
}

// escape5849 is §3.6: RFC 3986's unreserved characters stay.
func escape5849(s string) string {
	return strings.NewReplacer("+", "%20", "%7E", "~", "*", "%2A").Replace(url.QueryEscape(s))
}

func newOAuth1Nonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // does not fail, since Go 1.24
	return hex.EncodeToString(b[:])
}
