package sigv4

import (
	"crypto/rsa"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/attache-proxy/attache/providers/expr"
)

// Options of one signature.
type Options struct {
	Keys  Keys
	Scope Scope
	// RegionSet makes it Signature Version 4A, good for these regions ("*" for
	// all). Scope.Region is then not used.
	RegionSet string
	// RSA makes the signature in place of Keys.Secret, as a service account of
	// Google signs URLs.
	RSA *rsa.PrivateKey
	// Hash of the payload: lower-case hex, or one of the words above.
	Hash string
	// PathOnce encodes the path once, as S3 does; PathAsIs leaves its dots and slashes,
	// as S3 does too.
	PathOnce, PathAsIs bool
	// LateToken appends the session token to a presigned URL after it is signed, as
	// the gateway of AWS IoT wants it.
	LateToken bool
	// SendHash sets the header with the hash.
	SendHash bool
	// SignedHeaders is the agent's own choice of headers; nil when it made none.
	SignedHeaders []string
	// SignLength signs Content-Length where the agent made no choice.
	SignLength bool
	// Explain, where it is not nil, hears what is signed.
	Explain func(what, text string)
}

// explain tells what is signed.
func (o *Options) explain(c *canonical, toSign string) {
	if o.Explain != nil {
		o.Explain("canonical request", c.String())
		o.Explain("string to sign", toSign)
	}
}

// seed is what a signed stream goes on from.
type seed struct {
	signer    signer
	keys      Keys
	scope     Scope
	algorithm string
	signature string
}

// Header signs r in its headers: date, session token and Authorization.
func Header(r *http.Request, o Options) error {
	_, err := signHeader(r, o)
	return err
}

func signHeader(r *http.Request, o Options) (*seed, error) {
	s, algorithm, err := o.signer()
	if err != nil {
		return nil, err
	}
	r.Host = expr.Host(r)
	prefix := o.Scope.Scheme.Prefix
	set := func(name, value string) { r.Header[http.CanonicalHeaderKey(prefix+name)] = []string{value} }
	set("date", o.Scope.date())
	if o.Keys.Session != "" {
		set("security-token", o.Keys.Session)
	}
	if o.RegionSet != "" {
		set("region-set", o.RegionSet)
	}
	if o.SendHash || o.Scope.Scheme.HashHeader {
		set("content-sha256", o.Hash)
	}
	delete(r.Header, "Authorization")
	names := choose(r, o.Scope, o.SignedHeaders, o.SignLength)
	c := canonical{
		method: r.Method, path: canonicalPath(expr.Path(r), o.PathOnce, o.PathAsIs), query: expr.CanonicalQuery(r.URL.RawQuery),
		headers: headerLines(r, names), names: names, hash: o.Hash,
	}
	toSign := c.toSign(algorithm, o.scope())
	o.explain(&c, toSign)
	signature, err := s.sign(toSign)
	if err != nil {
		return nil, err
	}
	sep := o.Scope.Scheme.Separator
	r.Header["Authorization"] = []string{algorithm + " Credential=" + o.Keys.ID + "/" + o.scope().String() +
		sep + "SignedHeaders=" + c.signed() + sep + "Signature=" + signature}
	return &seed{s, o.Keys, o.scope(), algorithm, signature}, nil
}

// Presign signs r in its query, good for expires seconds from the scope's time; 0
// says nothing of that, where the service sets its own end.
// Parameters of an older signature are taken away.
func Presign(r *http.Request, o Options, expires int) error {
	s, algorithm, err := o.signer()
	if err != nil {
		return err
	}
	r.Host = expr.Host(r)
	delete(r.Header, "Authorization")
	title := o.Scope.Scheme.Title()
	for _, name := range []string{"Date", "Security-Token", "Region-Set"} {
		delete(r.Header, title+name)
	}
	raw := WithoutSignature(r.URL.RawQuery, title)
	names := o.presignHeaders(r)
	add := func(name, value string) {
		if raw != "" {
			raw += "&"
		}
		raw += title + name + "=" + expr.Percent(value)
	}
	add("Algorithm", algorithm)
	add("Credential", o.Keys.ID+"/"+o.scope().String())
	add("Date", o.Scope.date())
	if expires > 0 {
		add("Expires", strconv.Itoa(min(expires, maxExpires)))
	}
	if o.Keys.Session != "" && !o.LateToken {
		add("Security-Token", o.Keys.Session)
	}
	if o.RegionSet != "" {
		add("Region-Set", o.RegionSet)
	}
	add("SignedHeaders", strings.Join(names, ";"))
	c := canonical{
		method: r.Method, path: canonicalPath(expr.Path(r), o.PathOnce, o.PathAsIs), query: expr.CanonicalQuery(raw),
		headers: headerLines(r, names), names: names, hash: o.Hash,
	}
	toSign := c.toSign(algorithm, o.scope())
	o.explain(&c, toSign)
	signature, err := s.sign(toSign)
	if err != nil {
		return err
	}
	r.URL.RawQuery = raw + "&" + title + "Signature=" + signature
	if o.Keys.Session != "" && o.LateToken {
		r.URL.RawQuery += "&" + title + "Security-Token=" + expr.Percent(o.Keys.Session)
	}
	return nil
}

// presignHeaders are host and those of the agent's choice that are there.
func (o Options) presignHeaders(r *http.Request) []string {
	names := []string{"host"}
	for _, name := range o.SignedHeaders {
		if _, there := r.Header[http.CanonicalHeaderKey(name)]; there && (!isVolatile(name) || name == contentLength) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// WithoutSignature returns a query without the parameters of a presigned URL;
// title is X-Amz- or the like.
func WithoutSignature(raw, title string) string {
	var names []string
	for _, n := range []string{"Algorithm", "Credential", "Date", "Expires", "Security-Token", "Region-Set", "SignedHeaders", "Signature"} {
		names = append(names, title+n)
	}
	return expr.QueryWithout(raw, names...)
}

// signer picks the algorithm and derives the key.
func (o Options) signer() (signer, string, error) {
	switch {
	case o.RSA != nil:
		return rsaSigner{o.RSA}, AlgorithmRSA, nil
	case o.RegionSet == "":
		return derive(o.Keys, o.Scope), o.Scope.Scheme.Algorithm, nil
	}
	key, err := deriveECDSA(o.Keys)
	return key, AlgorithmV4A, err
}

// scope is Scope, without a region for 4A.
func (o Options) scope() Scope {
	s := o.Scope
	if o.RegionSet != "" {
		s.Region = ""
	}
	return s
}
