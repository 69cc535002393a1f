package oauth

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"

	"github.com/attache-proxy/attache/providers/expr"
)

// certificate is a CertificateSpec, compiled (RFC 8705; ADP and banks want it).
type certificate struct{ cert, key *expr.Template }

func (k *compiler) certificate(s CertificateSpec) (*certificate, error) {
	if s == (CertificateSpec{}) {
		return nil, nil
	}
	if s.Certificate == "" || s.Key == "" {
		return nil, errors.New("client_certificate needs certificate and key, both in PEM")
	}
	var c certificate
	var err error
	if c.cert, err = k.template(s.Certificate); err != nil {
		return nil, fmt.Errorf("client_certificate.certificate: %w", err)
	}
	if c.key, err = k.template(s.Key); err != nil {
		return nil, fmt.Errorf("client_certificate.key: %w", err)
	}
	return &c, nil
}

// load reads the pair.
func (c *certificate) load(v *expr.Vars) (tls.Certificate, error) {
	cert, err := c.cert.Eval(v)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("client_certificate.certificate: %w", err)
	}
	key, err := c.key.Eval(v)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("client_certificate.key: %w", err)
	}
	pair, err := tls.X509KeyPair([]byte(unescapePEM(cert)), []byte(unescapePEM(key)))
	if err != nil {
		return tls.Certificate{}, errors.New("client_certificate: certificate and key are not a pair in PEM")
	}
	return pair, nil
}

// Certificate returns the client certificate for the account's connections, and
// false where the connector wants none.
func (c *Config) Certificate(r Request) (tls.Certificate, bool, error) {
	if c.certificate == nil {
		return tls.Certificate{}, false, nil
	}
	run := &run{Request: &r, c: c}
	run.vars = expr.Vars{App: clientOf(&r), Account: r.Account}
	run.vars.Cred = run.credential()
	pair, err := c.certificate.load(&run.vars)
	return pair, err == nil, err
}

// Presenter is a Doer around another that can be given a client certificate.
type Presenter interface {
	WithCertificate(tls.Certificate) (Doer, error)
}

// WithCertificate is d, an *http.Client or a Presenter, with a client
// certificate. Its connections are not kept: they belong to one account.
func WithCertificate(d Doer, pair tls.Certificate) (Doer, error) {
	if p, ok := d.(Presenter); ok {
		return p.WithCertificate(pair)
	}
	hc, ok := d.(*http.Client)
	if !ok {
		return nil, errors.New("oauth: Request.HTTP must be an *http.Client for a client certificate")
	}
	t, ok := hc.Transport.(*http.Transport)
	if !ok {
		return nil, errors.New("oauth: Request.HTTP must have an *http.Transport for a client certificate")
	}
	own := t.Clone()
	if own.TLSClientConfig == nil {
		own.TLSClientConfig = &tls.Config{}
	}
	own.TLSClientConfig.Certificates = []tls.Certificate{pair}
	own.DisableKeepAlives = true
	c := *hc
	c.Transport = own
	return &c, nil
}
