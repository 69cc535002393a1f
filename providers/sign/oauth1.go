package sign

import (
	"cmp"
	"crypto"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/strictyaml"
)

// oauth1Params is what stands under `oauth1:`. The first six are templates.
type oauth1Params struct {
	ConsumerKey    string `yaml:"consumer_key"`    // default {fields.consumer_key} or {app.client_id}
	ConsumerSecret string `yaml:"consumer_secret"` // default {fields.consumer_secret} or {app.client_secret}
	Token          string `yaml:"token"`           // default {fields.token} or {token}
	TokenSecret    string `yaml:"token_secret"`    // default {fields.token_secret}
	PrivateKey     string `yaml:"private_key"`     // for RSA; default {fields.private_key}
	Realm          string `yaml:"realm"`           // default: none is sent
	// Method is HMAC-SHA1 (the default), HMAC-SHA256, HMAC-SHA512, RSA-SHA1,
	// RSA-SHA256, RSA-SHA512 or PLAINTEXT.
	Method string `yaml:"method"`
	// Place is header (the default), query or form.
	Place string `yaml:"place"`
	// BodyHash adds oauth_body_hash for bodies that are not forms.
	BodyHash bool `yaml:"body_hash"`
	// NoVersion leaves oauth_version out, which is optional.
	NoVersion bool `yaml:"no_version"`
	// Plain leaves the oauth_ parameters but the signature without percent-encoding,
	// in the header and in what is signed, as Mastercard's own clients do.
	Plain bool `yaml:"plain"`
	// Anonymous signs with the consumer's keys alone (one leg), without a token.
	Anonymous bool `yaml:"anonymous"`
}

// oauth1 signs requests with OAuth 1.0a (RFC 5849).
type oauth1 struct {
	consumer, secret, token, tokenSecret, privateKey, realm *expr.Template
	method, where                                           string
	bodyHash, noVersion, plain                              bool
	// tokenOptional means that an account may have no token (two legs).
	tokenOptional bool
	sum           func() hash.Hash // of HMAC and of the body hash
}

// oauth1Names are the parameters that we write; the agent's own are removed.
var oauth1Names = []string{"oauth_consumer_key", "oauth_token", "oauth_signature_method", "oauth_signature", "oauth_timestamp",
	"oauth_nonce", "oauth_version", "oauth_body_hash"}

// oauth1Methods are the signature methods and the hash that each uses.
var oauth1Methods = map[string]func() hash.Hash{
	"HMAC-SHA1": sha1.New, "HMAC-SHA256": sha256.New, "HMAC-SHA512": sha512.New,
	"RSA-SHA1": sha1.New, "RSA-SHA256": sha256.New, "RSA-SHA512": sha512.New, "PLAINTEXT": sha1.New,
}

// oauth1RSA are those that sign with a private key.
var oauth1RSA = map[string]crypto.Hash{"RSA-SHA1": crypto.SHA1, "RSA-SHA256": crypto.SHA256, "RSA-SHA512": crypto.SHA512}

func newOAuth1(c *compiler, n *yaml.Node) (placer, error) {
	var p oauth1Params
	if n != nil {
		if err := strictyaml.Decode(n, &p); err != nil {
			return nil, err
		}
	}
	o := &oauth1{method: cmp.Or(p.Method, "HMAC-SHA1"), where: cmp.Or(p.Place, "header"), bodyHash: p.BodyHash, noVersion: p.NoVersion, plain: p.Plain}
	var ok bool
	if o.sum, ok = oauth1Methods[o.method]; !ok {
		return nil, fmt.Errorf("method %q: want one of %s", p.Method, sortedKeys(oauth1Methods))
	}
	if !slices.Contains([]string{"header", "query", "form"}, o.where) {
		return nil, errors.New("place: want header, query or form")
	}
	return o, o.compile(c, p)
}

// compile makes the templates. Sign-in brings a token secret that is not among
// the declared fields, so a default is not checked against them.
func (o *oauth1) compile(c *compiler, p oauth1Params) error {
	fallback := func(src, field, other string) string {
		switch {
		case src != "":
			return src
		case c.env.Fields == nil || slices.Contains(c.env.Fields, field):
			return "{fields." + field + "}"
		}
		return other
	}
	rsa := strings.HasPrefix(o.method, "RSA-")
	o.tokenOptional = p.Token == "" && slices.Contains(c.env.Optional, "token")
	for _, t := range []struct {
		to   **expr.Template
		src  string
		want bool
	}{
		{&o.consumer, fallback(p.ConsumerKey, "consumer_key", "{app.client_id}"), true},
		{&o.secret, fallback(p.ConsumerSecret, "consumer_secret", "{app.client_secret}"), !rsa},
		{&o.token, fallback(p.Token, "token", "{token}"), !p.Anonymous},
		{&o.tokenSecret, cmp.Or(p.TokenSecret, "{fields.token_secret}"), !rsa && !p.Anonymous},
		{&o.privateKey, cmp.Or(p.PrivateKey, "{fields.private_key}"), rsa},
		{&o.realm, p.Realm, p.Realm != ""},
	} {
		if !t.want {
			continue
		}
		tpl, err := c.scope.Compile(t.src)
		if err != nil {
			return err
		}
		*t.to = tpl
	}
	return nil
}

func (o *oauth1) places(p *Places) {
	switch o.where {
	case "header":
		p.Headers = append(p.Headers, "Authorization")
	case "form":
		p.Form = append(p.Form, oauth1Names...)
	}
	p.Query = append(p.Query, oauth1Names...)
}

func (o *oauth1) needsBody() bool { return true }

func (o *oauth1) needsBodyOf(r *http.Request) bool {
	return hasBody(r) && (o.where == "form" || o.bodyHash || o.method != "PLAINTEXT" && formBody(r))
}

// formBody reports whether the body's fields take part in the signature
// (RFC 5849 §3.4.1.3.1).
func formBody(r *http.Request) bool {
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return isForm(mediaType)
}

func (o *oauth1) place(r *http.Request, in *Input) error {
	own, err := o.params(r, in)
	if err != nil {
		return err
	}
	form, err := o.formFields(r, in)
	if err != nil {
		return err
	}
	base := baseString(r, slices.Concat(own, form))
	if o.plain {
		base = baseString(r, form, own...)
	}
	if in.Explain != nil {
		in.Explain(expr.Step{What: "base string", Text: base})
	}
	signature, err := o.sign(in, base)
	if err != nil {
		return err
	}
	own = append(own, expr.Pair{Name: "oauth_signature", Value: signature})
	if o.where == "query" {
		in.placed("query", "oauth_signature", signature, nil)
	}
	switch o.where {
	case "query":
		r.URL.RawQuery = appendPairs(r.URL.RawQuery, own)
		return nil
	case "form":
		return o.placeForm(r, in, own)
	}
	return o.placeHeader(r, in, own)
}

// params are the protocol parameters without the signature (§3.1).
func (o *oauth1) params(r *http.Request, in *Input) ([]expr.Pair, error) {
	key, err := o.consumer.Eval(&in.Vars)
	if err != nil {
		return nil, explain("oauth1 consumer_key", err)
	}
	token, err := o.tokenValue(o.token, in)
	if err != nil {
		return nil, explain("oauth1 token", err)
	}
	own := []expr.Pair{{Name: "oauth_consumer_key", Value: key}}
	in.placed(o.where, "oauth_consumer_key", key, o.consumer.Origin())
	if token != "" {
		in.placed(o.where, "oauth_token", token, o.token.Origin())
		own = append(own, expr.Pair{Name: "oauth_token", Value: token})
	}
	own = append(own, expr.Pair{Name: "oauth_signature_method", Value: o.method},
		expr.Pair{Name: "oauth_timestamp", Value: strconv.FormatInt(in.Time().Unix(), 10)},
		expr.Pair{Name: "oauth_nonce", Value: in.Random()})
	agents := agentsOAuth(in)
	if !o.noVersion && (agents.version || !agents.signed) {
		own = append(own, expr.Pair{Name: "oauth_version", Value: "1.0"})
	}
	own = append(own, agents.flow...)
	if o.bodyHash && !formBody(r) {
		body, err := bodyBytes(in)
		if err != nil {
			return nil, err
		}
		h := o.sum()
		h.Write(body)
		own = append(own, expr.Pair{Name: "oauth_body_hash", Value: base64.StdEncoding.EncodeToString(h.Sum(nil))})
	}
	return own, nil
}

// tokenValue evaluates t, the token or its secret.
func (o *oauth1) tokenValue(t *expr.Template, in *Input) (string, error) {
	if o.tokenOptional {
		return optional(t, in)
	}
	return value(t, in)
}

// oauth1Choice is what the agent's SDK, signing with dummy keys, chose freely.
type oauth1Choice struct {
	realm           string
	version, signed bool // that it names the version, and that it signed at all
	// flow are the parameters by which it asks for tokens itself (RFC 5849 §2.1, §2.3).
	flow []expr.Pair
}

func agentsOAuth(in *Input) (c oauth1Choice) {
	params, ok := strings.CutPrefix(in.SentHeader("Authorization"), "OAuth ")
	if !ok {
		return c
	}
	for part := range strings.SplitSeq(params, ",") {
		name, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		v = strings.Trim(strings.TrimSpace(v), `"`)
		switch name {
		case "realm":
			c.realm = v
		case "oauth_version":
			c.version = true
		case "oauth_signature":
			c.signed = true
		case "oauth_callback", "oauth_verifier":
			if plain, err := url.PathUnescape(v); err == nil {
				c.flow = append(c.flow, expr.Pair{Name: name, Value: plain})
			}
		}
	}
	return c
}

func (o *oauth1) formFields(r *http.Request, in *Input) ([]expr.Pair, error) {
	if !formBody(r) || o.method == "PLAINTEXT" {
		return nil, nil
	}
	if in.Body == nil && hasBody(r) {
		return nil, errNoBody
	}
	body, err := bodyBytes(in)
	return expr.ParsePairs(string(body)), err
}

// baseString is §3.4.1: method, URL and all parameters; plain are those that are
// not percent-encoded before they are joined.
func baseString(r *http.Request, params []expr.Pair, plain ...expr.Pair) string {
	all := append(expr.ParsePairs(r.URL.RawQuery), params...)
	for i, p := range all {
		all[i] = expr.Pair{Name: expr.Percent(p.Name), Value: expr.Percent(p.Value)}
	}
	all = append(all, plain...)
	expr.SortPairs(all)
	var b strings.Builder
	for i, p := range all {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.Name + "=" + p.Value)
	}
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	uri := strings.ToLower(r.URL.Scheme+"://"+expr.Host(r)) + path
	return strings.ToUpper(r.Method) + "&" + expr.Percent(uri) + "&" + expr.Percent(b.String())
}

// sign is §3.4.2 to §3.4.4.
func (o *oauth1) sign(in *Input, base string) (string, error) {
	if o.privateKey != nil {
		key, err := o.privateKey.Eval(&in.Vars)
		if err != nil {
			return "", explain("oauth1 private_key", err)
		}
		sig, err := expr.SignRSA([]byte(key), []byte(base), oauth1RSA[o.method])
		if err != nil {
			return "", cannot("oauth1 private_key: %v", err)
		}
		return base64.StdEncoding.EncodeToString(sig), nil
	}
	secret, err := o.secret.Eval(&in.Vars)
	if err != nil {
		return "", explain("oauth1 consumer_secret", err)
	}
	tokenSecret, err := o.tokenValue(o.tokenSecret, in)
	if err != nil {
		return "", explain("oauth1 token_secret", err)
	}
	key := expr.Percent(secret) + "&" + expr.Percent(tokenSecret)
	if o.method == "PLAINTEXT" {
		in.placed(o.where, "oauth_signature", secret, o.secret.Origin())
		if o.tokenSecret != nil {
			in.placed(o.where, "oauth_signature", tokenSecret, o.tokenSecret.Origin())
		}
		return key, nil
	}
	if in.Explain != nil {
		in.Explain(expr.Step{What: o.method, Key: []byte(key), KeyRefs: append(o.secret.Refs(), refsOf(o.tokenSecret)...)})
	}
	m := hmac.New(o.sum, []byte(key))
	m.Write([]byte(base))
	return base64.StdEncoding.EncodeToString(m.Sum(nil)), nil
}

// refsOf is Refs of a template that may be nil.
func refsOf(t *expr.Template) []string {
	if t == nil {
		return nil
	}
	return t.Refs()
}

// placeHeader is §3.5.1. The realm is not encoded: it is not a parameter.
func (o *oauth1) placeHeader(r *http.Request, in *Input, own []expr.Pair) error {
	realm, err := value(o.realm, in)
	if err != nil {
		return explain("oauth1 realm", err)
	}
	if realm == "" {
		realm = agentsOAuth(in).realm
	}
	if hasControl(realm) || strings.ContainsAny(realm, `"\`) {
		return cannot("oauth1 realm: it holds a quote or a control character")
	}
	var parts []string
	if realm != "" {
		parts = append(parts, `realm="`+realm+`"`)
	}
	for _, p := range own {
		v := expr.Percent(p.Value)
		if o.plain && p.Name != "oauth_signature" {
			v = p.Value
		}
		if hasControl(v) || strings.Contains(v, `"`) {
			return cannot("oauth1 %s: it holds a quote or a control character", p.Name)
		}
		parts = append(parts, p.Name+`="`+v+`"`)
	}
	r.Header["Authorization"] = []string{"OAuth " + strings.Join(parts, ", ")}
	return nil
}

// placeForm is §3.5.2.
func (o *oauth1) placeForm(r *http.Request, in *Input, own []expr.Pair) error {
	body, err := editable(r, in, formType, isForm)
	if err != nil {
		return err
	}
	if r.Header.Get("Content-Type") == "" {
		r.Header["Content-Type"] = []string{formType}
	}
	setBody(r, in, []byte(appendPairs(string(body), own)))
	return nil
}

// appendPairs appends parameters to a query or form body.
func appendPairs(raw string, ps []expr.Pair) string {
	var b strings.Builder
	b.WriteString(raw)
	for _, p := range ps {
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(expr.Percent(p.Name) + "=" + expr.Percent(p.Value))
	}
	return b.String()
}
