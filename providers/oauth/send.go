package oauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/secret"
)

const (
	// maxAnswerBytes is more than any token answer needs and less than what
	// hurts, decompressed.
	maxAnswerBytes = 1 << 20
	// sendTimeout bounds a request from dialling to the last byte.
	sendTimeout = 30 * time.Second
)

// Doer sends a request, through the address guard, and follows no redirect.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// exchange sends one step and reads its answer. Every request of this package
// goes through here: time, size and redirects are bounded in one place.
func (c *step) exchange(ctx context.Context, r *run, std []param) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	hide := r.redactor(std)
	req, err := c.request(ctx, &r.vars, std, r.signClientAssertion)
	if err != nil {
		return nil, err
	}
	host := req.URL.Host
	if c.guarded {
		if err := r.fixed(req.URL); err != nil {
			return nil, err
		}
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, unsent(host, err, hide)
	}
	defer resp.Body.Close()
	if resp.Request != nil && resp.Request.Response != nil {
		return nil, &Error{Endpoint: host, Status: resp.Request.Response.StatusCode, Description: "the client followed a redirect, which must not happen"}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	if err != nil {
		return nil, unsent(host, err, hide)
	}
	a := &answer{endpoint: host, status: resp.StatusCode, header: resp.Header, body: body, hide: hide}
	if len(body) > maxAnswerBytes {
		return nil, a.refuse("the answer is larger than 1 MiB")
	}
	if a.status >= 300 && a.status < 400 {
		return nil, a.refuse("it redirects; redirects are not followed, so name the final URL")
	}
	if err := c.response.read(a); err != nil {
		return nil, err
	}
	return a, nil
}

// noRedirects makes a plain http.Client stop at redirects; other Doers promise it.
func noRedirects(d Doer) Doer {
	hc, ok := d.(*http.Client)
	if !ok {
		return d
	}
	stops := *hc
	stops.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &stops
}

// retryAfter reads the header of that name (RFC 9110 §10.2.3) in seconds or as
// a date, up to a day.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	d := time.Duration(0)
	if n, err := strconv.Atoi(v); err == nil {
		d = time.Duration(min(n, 86400)) * time.Second
	} else if t, err := http.ParseTime(v); err == nil {
		d = t.Sub(now)
	}
	return min(max(d, 0), 24*time.Hour)
}

// run is one call of Config.Token or of its siblings: what was asked for, and
// the values that the templates of its steps may read.
type run struct {
	*Request
	c      *Config
	client Doer
	vars   expr.Vars
	now    time.Time
}

func (c *Config) start(r *Request) (*run, error) {
	if r.HTTP == nil {
		return nil, errors.New("oauth: Request.HTTP is nil")
	}
	now := time.Now
	if r.Now != nil {
		now = r.Now
	}
	run := &run{Request: r, c: c, now: now(), client: noRedirects(r.HTTP)}
	run.vars = expr.Vars{App: clientOf(r), Account: r.Account, Now: run.now}
	run.vars.Cred = run.credential()
	if c.certificate == nil {
		return run, nil
	}
	pair, err := c.certificate.load(&run.vars)
	if err != nil {
		return nil, err
	}
	run.client, err = WithCertificate(run.client, pair)
	return run, err
}

// clientOf is the app, or the account's fields where the account brings its own
// client_id, as client_credentials connectors have it.
func clientOf(r *Request) secret.Values {
	if r.App.Get("client_id").IsZero() && !r.Fields.Get("client_id").IsZero() {
		app := maps.Clone(r.Fields)
		maps.Copy(app, r.App)
		app["client_id"] = r.Fields.Get("client_id")
		return app
	}
	return r.App
}

// redactor knows every secret that the run's requests may hold.
func (r *run) redactor(std []param) *redactor {
	h := &redactor{}
	for name, v := range r.vars.App {
		if name != "client_id" && name != secret.FixedHosts {
			h.add(v.Reveal())
		}
	}
	for _, v := range r.vars.Cred.Fields {
		h.add(v.Reveal())
	}
	h.add(r.vars.Cred.Token.Reveal())
	for _, p := range std {
		if secretParams[p.name] {
			h.add(fmt.Sprint(p.value))
		}
	}
	return h
}

// secretParams are the standard parameters that nobody else may see.
var secretParams = map[string]bool{
	"code": true, "code_verifier": true, "device_code": true, "refresh_token": true,
	"assertion": true, "client_assertion": true, "client_secret": true,
	"subject_token": true, "actor_token": true, "token": true, "password": true,
}
