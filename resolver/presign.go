package resolver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/headers"
	"github.com/attache-proxy/attache/providers/sign"
)

// Bounds of how long a presigned URL lives.
const (
	DefaultPresign = 15 * time.Minute
	MaxPresign     = time.Hour
)

// Presigning asks for a URL that works on its own for a while, so that a big
// transfer need not pass through the proxy.
type Presigning struct {
	// Agent is who will use it: its grant must cover the method and the path.
	// Nil is an operator, who may do anything with the account.
	Agent *Agent
	// Account is an operator's choice. An agent that asks for itself leaves it
	// nil, and may choose by Connector and Name as with a request.
	Account         *Account
	Connector, Name string

	Method string
	// URL is absolute, or a path at the account's base URL.
	URL string
	// Header is signed too, and must be sent by whoever uses the URL.
	Header http.Header
	// Expires is from a second to MaxPresign; zero is DefaultPresign.
	Expires time.Duration
}

// Presigned is such a URL. Whoever has it may do what it says: it is a
// credential, if a narrow one, and belongs in no log.
type Presigned struct {
	URL       string
	Method    string
	Header    http.Header
	ExpiresAt time.Time
}

// URLSigner signs URLs of Google Cloud Storage with a service account's key file.
type URLSigner func(keyFile string, u *url.URL, method string, header http.Header, expires time.Time) (string, error)

// Presign makes a URL. The call says what was decided, also beside a *Refusal.
func (r *Resolver) Presign(ctx context.Context, p Presigning) (*Presigned, *Call, error) {
	call := &Call{Agent: p.Agent}
	u, err := p.check()
	if err != nil {
		return nil, call, err
	}
	if call, err = r.presignable(ctx, &p, u); err != nil {
		return nil, call, err
	}
	req, err := http.NewRequestWithContext(ctx, p.Method, "https://x/", nil)
	if err != nil {
		return nil, call, cannotPresign("%v", err)
	}
	req.Header, req.Host = p.Header.Clone(), call.Target.Authority(call.HTTPS)
	u.Scheme, u.Host, u.User, u.Fragment = "https", req.Host, nil, ""
	if !call.HTTPS {
		u.Scheme = "http"
	}
	req.URL = u
	now := time.Now()
	if err := r.presign(req, call, now, p.Expires); err != nil {
		return nil, call, err
	}
	return &Presigned{URL: req.URL.String(), Method: p.Method, Header: p.Header, ExpiresAt: now.Add(p.Expires)}, call, nil
}

// presign signs req.URL: with the signer, or with a service account's key.
func (r *Resolver) presign(req *http.Request, call *Call, now time.Time, expires time.Duration) error {
	names := make([]string, 0, len(req.Header))
	for name := range req.Header {
		names = append(names, strings.ToLower(name))
	}
	about := fmt.Sprintf("connector %s, account %s", call.Connector.Key, call.Account.Name)
	if o := call.Account.Option.OAuth; o != nil && r.signURL != nil {
		if key, ok := o.GoogleKey(call.Account.vars()); ok {
			signed, err := r.signURL(key, req.URL, req.Method, req.Header, now.Add(expires))
			if err != nil {
				return cannotPresign("%s: %v", about, err)
			}
			req.URL, err = url.Parse(signed)
			return err
		}
	}
	cred, err := r.credentials.For(req.Context(), call.Account, nil)
	if err != nil {
		return err
	}
	in := &sign.Input{Vars: expr.Vars{Cred: cred, App: call.Account.App, Account: call.Account.Meta, Now: now, Agent: http.Header{}}}
	err = sign.Presign(call.Connector.SignerFor(call.Account.Option, call.Host), req, in, expires, names...)
	switch {
	case errors.Is(err, sign.ErrNoPresign):
		return cannotPresign("%s: %v", about, err)
	case err != nil:
		return signRefusal(call, err)
	}
	return nil
}

// presignable decides as for a request of the agent, or for the operator.
func (r *Resolver) presignable(ctx context.Context, p *Presigning, u *url.URL) (*Call, error) {
	ask := Ask{Agent: p.Agent, Method: p.Method, Path: u.EscapedPath(), Query: u.RawQuery, Header: p.Header, Connector: p.Connector, Account: p.Name, Body: p.Method != http.MethodGet && p.Method != http.MethodHead}
	if p.Account != nil {
		ask.Connector, ask.Account = p.Account.Connector.Key, p.Account.ID
	}
	call := &Call{Agent: p.Agent, Method: ask.Method, Path: ask.Path}
	if u.Host != "" {
		t, err := ParseTarget(u.Host, "443")
		if err != nil {
			return call, cannotPresign("%v", err)
		}
		ask.Target = t
		if p.Account == nil {
			ask.Connector = "" // the host decides
		}
	} else if ask.Connector == "" {
		return call, cannotPresign("the URL has no host, and no connector is named")
	}
	if p.Agent == nil {
		return r.operatorsCall(ctx, p.Account, ask)
	}
	call, err := r.agentsCall(ctx, p, ask)
	if err != nil {
		return call, err
	}
	return call, call.payAtOnce(ctx)
}

// operatorsCall is decided by the account's state and the connector's hosts.
func (r *Resolver) operatorsCall(ctx context.Context, acct *Account, ask Ask) (*Call, error) {
	call := &Call{Connector: acct.Connector, Account: acct, Target: ask.Target, Method: ask.Method, Path: ask.Path}
	if err := usable(acct); err != nil {
		return call, err
	}
	if err := call.at(ask); err != nil {
		return call, err
	}
	return call, r.take(ctx, acct)
}

// agentsCall is decided by the agent's grant as well.
func (r *Resolver) agentsCall(ctx context.Context, p *Presigning, ask Ask) (*Call, error) {
	if p.Account == nil {
		call, err := r.Decide(ctx, ask)
		switch {
		case err != nil:
			return call, err
		case call.Connector == nil:
			return call, cannotPresign("%s is no host of a connector", ask.Target.Host)
		case call.deed.Waits():
			return call, cannotPresign("the grant's rules decide by the body of such a request")
		case call.deed.Asking() != nil:
			return call, cannotPresign(byPerson)
		case !call.mayPresign:
			return call, &Refusal{Code: "not_permitted",
				Detail: fmt.Sprintf("the grant of agent %s for account %s of connector %s does not let it have presigned URLs", p.Agent.Name, call.Account.Name, call.Connector.Key),
				Next:   "Send the transfer through the proxy, or ask the operator to add presign to the grant."}
		}
		return call, nil
	}
	call := &Call{Agent: p.Agent, Connector: p.Account.Connector, Target: ask.Target, Method: ask.Method, Path: ask.Path}
	g, err := r.choose(ctx, call, ask, []providers.Entry{{Connector: call.Connector}})
	if err != nil {
		return call, err
	}
	if err := r.permit(ctx, call, ask, g); err != nil {
		return call, err
	}
	switch {
	case call.deed.Waits():
		return call, cannotPresign("the grant's rules decide by the body of such a request")
	case call.deed.Asking() != nil:
		return call, cannotPresign(byPerson)
	}
	return call, call.at(ask)
}

// byPerson is why no URL is made that nobody could be asked about when it is used.
const byPerson = "by the grant's rules a person decides on each such request"

// at settles the host of a call whose account is known.
func (call *Call) at(ask Ask) error {
	c := call.Connector
	if ask.Target.Host == "" {
		return call.settle(ask)
	}
	if err := call.unclear(ask.Target, ask.Path); err != nil {
		return unclearPath(err)
	}
	if call.Host = call.hostFor(ask.Target, ask.Path); call.Host == nil {
		return &Refusal{Code: "no_connector", Detail: fmt.Sprintf("%s with path %s is none of connector %s", ask.Target.Host, ask.Path, c.Key),
			Next: "Name a URL of the account's connector."}
	}
	ask.Connector = ""
	return call.settle(ask)
}

// presignMethods are what object storage knows.
var presignMethods = []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete}

// check fills in what is left out, and parses the URL.
func (p *Presigning) check() (*url.URL, error) {
	if p.Method == "" {
		p.Method = http.MethodGet
	}
	if !slices.Contains(presignMethods, p.Method) {
		return nil, cannotPresign("the method must be one of %s", strings.Join(presignMethods, ", "))
	}
	if p.Expires == 0 {
		p.Expires = DefaultPresign
	}
	if p.Expires < time.Second || p.Expires > MaxPresign {
		return nil, cannotPresign("a presigned URL lives from one second to %d seconds", int(MaxPresign.Seconds()))
	}
	u, err := url.Parse(p.URL)
	if err != nil || u.User != nil || u.Opaque != "" || u.Host != "" && u.Scheme != "https" && u.Scheme != "http" || u.Host == "" && !strings.HasPrefix(p.URL, "/") {
		return nil, cannotPresign("the URL must be absolute, or a path that begins with /")
	}
	if err := p.checkHeader(); err != nil {
		return nil, err
	}
	return u, nil
}

// unsignable are headers that are not the caller's to set, or belong to a connection.
var unsignable = []string{"Authorization", "Cookie", "Host", "Proxy-Authorization", "X-Amz-Security-Token", "Connection", "Keep-Alive", "Proxy-Connection",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect", "Content-Length", "Http2-Settings"}

// checkHeader refuses what no request can have, or what would not arrive as it
// was signed: the URL would be good for nothing.
func (p *Presigning) checkHeader() error {
	if len(p.Header) > maxPresignHeaders {
		return cannotPresign("at most %d headers are signed", maxPresignHeaders)
	}
	out := make(http.Header, len(p.Header))
	for name, values := range p.Header {
		if !httpguts.ValidHeaderFieldName(name) || len(name) > 256 {
			return cannotPresign("%.40q is no name of a header", name)
		}
		key := http.CanonicalHeaderKey(name)
		if slices.Contains(unsignable, key) || headers.OverridesMethod(key) {
			return cannotPresign("the header %s is not one to sign", key)
		}
		if _, twice := out[key]; twice {
			return cannotPresign("the header %s stands twice, in different spellings", key)
		}
		if len(values) == 0 {
			return cannotPresign("the header %s has no value", key)
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) || v != strings.TrimSpace(v) || len(v) > 8<<10 {
				return cannotPresign("the value of header %s is none that a request can have: it holds a line break or another control character, begins or ends with white space, or is over 8 KiB", key)
			}
		}
		out[key] = values
	}
	p.Header = out
	return nil
}

const maxPresignHeaders = 64

func cannotPresign(format string, args ...any) *Refusal {
	return &Refusal{Code: "cannot_presign", Detail: fmt.Sprintf(format, args...), Next: "Ask for another URL as the detail says, or send the request through the proxy."}
}
