package caddymodule

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/attache-proxy/attache/caddymodule/presented"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/limit"
	"github.com/attache-proxy/attache/resolver/run"
	"github.com/attache-proxy/attache/resolver/vault"
)

// identifyProxy finds the agent at DoorForward and DoorTunnel: by proxy credentials, else by the
// client's certificate, else the listener's. For tunnels it fills in keep.
func (v *visit) identifyProxy(keep *tunnelAgent) (account string, err error) {
	if value := v.r.Header.Get("Proxy-Authorization"); value != "" {
		p, ok := presented.Parse(value)
		if !ok || p.Text == "" && !v.nameOnly(p) {
			return "", v.wrong(true)
		}
		if v.nameOnly(p) {
			return v.listenersAgent(p.User)
		}
		v.agent, account, err = v.identify(p.User, p.Text)
		if err != nil {
			return "", v.notIdentified(err, true)
		}
		if keep != nil {
			keep.user, keep.token = p.User, secret.New(p.Text)
		}
		return account, nil
	}
	if !v.identifyWithout() {
		return "", v.unknown(true)
	}
	return "", nil
}

// identify finds the agent of a token, and remembers by which it was found.
func (v *visit) identify(user, token string) (a *resolver.Agent, account string, err error) {
	if a, account, err = v.h.app.resolver.Identify(v.r.Context(), user, token); err == nil {
		v.token = secret.New(token)
	}
	return a, account, err
}

// nameOnly reports user information without a token, as in
// http://+work@localhost:8080: only the account is chosen with it.
func (v *visit) nameOnly(p presented.Token) bool {
	return p.Text == "" && v.h.agent != nil && (p.User == v.h.agent.Name || strings.HasPrefix(p.User, v.h.agent.Name+"+") || strings.HasPrefix(p.User, "+"))
}

func (v *visit) listenersAgent(user string) (account string, err error) {
	v.agent = v.h.agent
	_, account, _ = strings.Cut(user, "+")
	return account, nil
}

// identifyWithout finds the agent of a client that presented nothing.
func (v *visit) identifyWithout() bool {
	if v.h.AgentFromCertificate && v.r.TLS != nil && len(v.r.TLS.VerifiedChains) > 0 {
		name := oneName(v.r.TLS.VerifiedChains[0][0].Subject)
		a, err := v.h.app.resolver.AgentByName(v.r.Context(), name)
		v.agent = a
		return err == nil
	}
	v.agent = v.h.agent
	return v.agent != nil
}

// oneName is a certificate's common name; a subject with two says nothing.
func oneName(s pkix.Name) string {
	n := 0
	for _, a := range s.Names {
		if a.Type.Equal(asn1.ObjectIdentifier{2, 5, 4, 3}) {
			n++
		}
	}
	if n > 1 {
		return ""
	}
	return s.CommonName
}

// identifyDirect finds the agent at the other doors. SDKs put what they take for
// the service's key into the service's own places, so the agent's token is
// looked for there too. It is removed from the request.
func (v *visit) identifyDirect() (account string, err error) {
	var header, query []string
	if c, ok := v.h.app.resolver.Index().ByKey(v.connector); ok {
		header, query = c.KeyHeaders, c.KeyParameters
	}
	found := false
	v.presented, err = presented.Find(v.r.Header, &v.url, header, query, func(t presented.Token) (bool, error) {
		a, chosen, err := v.identify(t.User, t.Text)
		if t.User != "" && errors.Is(err, resolver.ErrUnknownAgent) { // a name at the service, not here
			a, chosen, err = v.identify("", t.Text)
		}
		if err == nil {
			v.agent, account, found = a, chosen, true
			return true, nil
		}
		if unknown := errors.Is(err, resolver.ErrUnknownAgent); !unknown && v.h.agent == nil || unknown && (vault.LooksLikeAgentToken(t.Text) || run.LooksLikeToken(t.Text)) {
			return false, v.notIdentified(err, false) // a token that was deleted does not become the listener's agent
		}
		return false, nil
	})
	if err != nil || found {
		return account, err
	}
	if v.opener != nil {
		return v.opener.account, v.openersAgent()
	}
	if !v.identifyWithout() {
		if v.presented {
			return "", v.wrong(false)
		}
		return "", v.unknown(false)
	}
	return "", v.refuseWebPages()
}

// openersAgent is who opened the tunnel to ourselves in which the request came.
func (v *visit) openersAgent() (err error) {
	if err = v.still(v.opener); err != nil {
		return err
	}
	return v.refuseWebPages()
}

// still takes a tunnel's agent for the request's, unless its token works no more.
func (v *visit) still(ta *tunnelAgent) (err error) {
	v.agent = ta.agent
	if !ta.token.IsZero() {
		if v.agent, _, err = v.identify(ta.user, ta.token.Reveal()); err != nil {
			return v.notIdentified(err, true)
		}
	}
	return nil
}

// refuseWebPages refuses what a page of another site made a browser send:
// where the listener's agent needs no token, any page could use its accounts.
func (v *visit) refuseWebPages() error {
	site := v.r.Header.Get("Sec-Fetch-Site")
	origin := v.r.Header.Get("Origin")
	if site == "" || site == "none" || site == "same-origin" {
		if origin == "" || sameHost(origin, v.r.Host) {
			return nil
		}
	}
	return &resolver.Refusal{Code: "cross_site", Detail: "a web page of another origin may not use this proxy without an agent's token",
		Next: "Send an agent's token as Authorization: Bearer."}
}

func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host == host
}

// notIdentified tells a client whose credentials are wrong from one that cannot
// be known at the moment, because the vault does not answer.
func (v *visit) notIdentified(err error, proxy bool) error {
	if errors.Is(err, run.ErrEnded) {
		return v.runOver(proxy)
	}
	if errors.Is(err, resolver.ErrUnknownAgent) {
		return v.wrong(proxy)
	}
	return &resolver.Refusal{Code: "vault_unavailable", Err: err,
		Detail: "agents cannot be looked up at the moment", Next: "Try again in a few seconds."}
}

// unknown asks for credentials, as RFC 9110 §11.7 and §11.6 want it.
func (v *visit) unknown(proxy bool) error {
	ref := &resolver.Refusal{Code: "unknown_agent", Detail: "no agent has these credentials",
		Next: "Send the agent's name and token as user name and password of the proxy, or the token as a bearer token."}
	header := "WWW-Authenticate"
	if proxy {
		header, ref.Status = "Proxy-Authenticate", http.StatusProxyAuthRequired
	}
	v.w.Header()[header] = []string{`Basic realm="attache"`, `Bearer realm="attache"`}
	return ref
}

// runOver is wrong for the token of a run that was ended.
func (v *visit) runOver(proxy bool) error {
	err := v.wrong(proxy)
	if ref, ok := resolver.AsRefusal(err); ok && ref.Code == "unknown_agent" {
		ref.Code, ref.Detail, ref.Next = "run_ended", "the run has ended in which this request was made", "Do not repeat this request. Start the program again with attache exec."
	}
	return err
}

// wrong is unknown for a client that presented something. Who is wrong again and
// again waits for the answer; clients that answer our challenge come without.
func (v *visit) wrong(proxy bool) error {
	if err := v.slow(); err != nil {
		return err
	}
	return v.unknown(proxy)
}

// slow waits as long as who is wrong waits now.
func (v *visit) slow() error {
	from, _ := netip.ParseAddrPort(v.r.RemoteAddr)
	wait, done, ok := strangers.Wait(from.Addr(), time.Now())
	if !ok {
		return &resolver.Refusal{Code: "too_many_requests", RetryAfter: 1, Detail: "too many clients with credentials that no agent has are waiting",
			Next: "Do not repeat this request without an agent's token."}
	}
	defer done()
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-v.r.Context().Done():
		}
	}
	return nil
}

// strangers are those of all listeners; a reload is no fresh start.
var strangers limit.Strangers
