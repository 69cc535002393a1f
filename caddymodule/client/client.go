package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/attache-proxy/attache/providers/secret"
)

// WellKnown is the path under which a proxy speaks of itself.
const WellKnown = "/.well-known/attache"

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 4 << 20

// Client asks one proxy. The zero Token presents nothing: the listener's own
// agent answers then.
type Client struct {
	// URL is the proxy's, http or https, without user information and path.
	URL   *url.URL
	Token secret.Value
	HTTP  *http.Client

	roots  []byte // of --ca
	dialer *net.Dialer
	tls    *tls.Config

	mu       sync.Mutex
	proven   bool   // it knows the token
	provenCA string // the certificate that it named with its proof, as Fingerprint
}

// New makes a client. It never goes through another proxy. The roots, in PEM,
// are trusted beside the system's where the proxy itself speaks TLS; elsewhere
// the proxy must sign with the first of them. Without any a proxy that speaks
// plain HTTP must be on this machine to be sent a token, or to be believed.
func New(proxy *url.URL, token secret.Value, roots []byte) *Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	transport := &http.Transport{DialContext: dialer.DialContext, ResponseHeaderTimeout: time.Minute}
	if len(roots) > 0 {
		if proxy.Scheme == "https" { // to read the system's takes a while
			transport.TLSClientConfig = &tls.Config{RootCAs: systemPool(roots)}
		}
	} else if proxy.Scheme == "http" && !token.IsZero() {
		dialer.Control = onlyLoopback
	}
	return &Client{URL: proxy, Token: token, roots: roots, dialer: dialer, tls: transport.TLSClientConfig, HTTP: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Dial connects to the proxy as New says, for HTTP/1. The connection has CloseWrite.
func (c *Client) Dial(ctx context.Context) (net.Conn, error) {
	address := proxyWithPort(c.URL).Host
	if c.URL.Scheme != "https" {
		return c.dialer.DialContext(ctx, "tcp", address)
	}
	config := &tls.Config{}
	if c.tls != nil {
		config = c.tls.Clone()
	}
	config.NextProtos = []string{"http/1.1"}
	return (&tls.Dialer{NetDialer: c.dialer, Config: config}).DialContext(ctx, "tcp", address)
}

// Error is a proxy that does not help: it is not there, it is none of ours, or
// it does not know us. Next is what to do about it.
type Error struct {
	// Code is unreachable, not_attache, or the proxy's own, such as unknown_agent.
	Code string
	Msg  string
	Next string
	Err  error
}

func (e *Error) Error() string { return e.Msg }
func (e *Error) Unwrap() error { return e.Err }

// About asks who we are to the proxy, and what we may call.
func (c *Client) About(ctx context.Context) (*About, error) {
	var out About
	ctx, at := dialled(ctx)
	if _, err := c.do(ctx, http.MethodGet, WellKnown, &out); err != nil {
		return nil, err
	}
	if c.URL.Scheme == "http" && len(c.roots) == 0 && onlyLoopback("", at(), nil) != nil {
		return nil, c.unreachable(errPlain)
	}
	if out.CAPEM == "" || out.Agent == "" {
		return nil, c.stranger("its answer names no agent or no certificate")
	}
	return &out, c.expect([]byte(out.CAPEM))
}

// dialled tells the address, host:port, that the last request with the context
// went to; empty before.
func dialled(ctx context.Context) (traced context.Context, at func() string) {
	address := ""
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		address = i.Conn.RemoteAddr().String()
	}}), func() string { return address }
}

// expect refuses another certificate than --ca and the proof say.
func (c *Client) expect(ca []byte) error {
	got := Fingerprint(ca)
	if len(c.roots) > 0 && c.URL.Scheme == "http" && got != Fingerprint(c.roots) {
		return &Error{Code: "ca_changed", Msg: fmt.Sprintf("the proxy at %s signs with another certificate than that of --ca", c.URL),
			Next: "Give the proxy's own: attache ca export --config Caddyfile."}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.provenCA != "" && got != c.provenCA {
		return c.stranger("it names two certificates")
	}
	return nil
}

func systemPool(roots []byte) *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM(roots)
	return pool
}

// Date asks the proxy for its clock; zero when it does not say.
func (c *Client) Date(ctx context.Context) (time.Time, error) {
	header, err := c.send(ctx, http.MethodGet, WellKnown+"/ca.pem", secret.Value{}, nil)
	if err != nil {
		return time.Time{}, err
	}
	t, _ := http.ParseTime(header.Get("Date"))
	return t, nil
}

// CA asks for the root certificate, in PEM. It needs no token.
func (c *Client) CA(ctx context.Context) ([]byte, error) {
	var out []byte
	if _, err := c.send(ctx, http.MethodGet, WellKnown+"/ca.pem", secret.Value{}, &out); err != nil {
		return nil, err
	}
	if len(certificates(out)) == 0 {
		return nil, c.stranger("its answer holds no certificate")
	}
	return out, c.expect(out)
}

// Test runs a connector's test request through the proxy, with the credential
// that requests of ours would get. The empty account is the proxy's choice.
func (c *Client) Test(ctx context.Context, connector, account string) (*TestResult, error) {
	name := url.PathEscape(connector)
	if account != "" {
		name += ":" + url.PathEscape(account)
	}
	var out TestResult
	if _, err := c.do(ctx, http.MethodPost, WellKnown+"/test/"+name, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// do sends a request with the token, to a proxy that has proven itself, and
// decodes the answer into out: JSON, or the bytes where out is a *[]byte.
func (c *Client) do(ctx context.Context, method, path string, out any) (http.Header, error) {
	if err := c.prove(ctx); err != nil {
		return nil, err
	}
	return c.send(ctx, method, path, c.Token, out)
}

func (c *Client) send(ctx context.Context, method, path string, token secret.Value, out any) (http.Header, error) {
	return c.exchange(ctx, method, path, token, nil, out)
}

// exchange is send with a body, as JSON; nil for none.
func (c *Client) exchange(ctx context.Context, method, path string, token secret.Value, in, out any) (http.Header, error) {
	var content io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL.String()+path, content)
	if err != nil {
		return nil, err
	}
	if !token.IsZero() {
		req.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, c.unreachable(err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, c.refused(res, body)
	}
	switch out := out.(type) {
	case nil:
	case *[]byte:
		*out = body
	default:
		if err := json.Unmarshal(body, out); err != nil {
			return nil, c.stranger("its answer is no JSON of ours")
		}
	}
	return res.Header, nil
}

func (c *Client) unreachable(err error) error {
	if errors.Is(err, errPlain) {
		return &Error{Code: "plain_http", Err: err,
			Msg:  fmt.Sprintf("%s is not on this machine: it may be anybody, and the token would go there in the clear", c.URL),
			Next: "Use https://, or pin the proxy's certificate in a network that you trust: --ca FILE (attache ca export)."}
	}
	why := dialError(err)
	return &Error{Code: "unreachable", Err: err,
		Msg:  fmt.Sprintf("no proxy answers at %s: %s", c.URL, why),
		Next: "Start one (attache run --config Caddyfile), or say where it is: --proxy URL or ATTACHE_PROXY=URL."}
}

// dialError says why nobody answered, without the URL and the words of net.
func dialError(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return strings.TrimPrefix(op.Err.Error(), "connect: ")
	}
	return err.Error()
}

func (c *Client) stranger(why string) error {
	return &Error{Code: "not_attache",
		Msg:  fmt.Sprintf("what answers at %s is not an Attaché proxy: %s", c.URL, why),
		Next: "Say where the proxy is: --proxy URL or ATTACHE_PROXY=URL. Is its port taken by another program?"}
}

// refused reads a refusal of the proxy (RFC 9457).
func (c *Client) refused(res *http.Response, body []byte) error {
	code := res.Header.Get("Attache-Error")
	if code == "" {
		return c.stranger("it answers " + res.Status)
	}
	var problem struct{ Detail, Next string }
	_ = json.Unmarshal(body, &problem)
	e := &Error{Code: code, Msg: fmt.Sprintf("the proxy at %s refuses: %s", c.URL, cleaned(problem.Detail)), Next: cleaned(problem.Next)}
	if code == "unknown_agent" {
		e.Next = "Give the agent's token: --token-file FILE, ATTACHE_TOKEN, or --config Caddyfile --agent NAME."
		e.Msg = fmt.Sprintf("the proxy at %s wants an agent's token", c.URL)
		if !c.Token.IsZero() {
			e.Msg = fmt.Sprintf("the proxy at %s does not know this token", c.URL)
		}
	}
	return e
}

// cleaned makes a text of the proxy fit for a terminal.
func cleaned(s string) string {
	const most = 400
	s = Printable(s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// Printable makes a text of others fit for one line of a terminal: no control
// characters, no line ends, nothing that turns the direction of writing.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return ' '
		}
		return r
	}, s)
}
