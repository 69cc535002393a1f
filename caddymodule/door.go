package caddymodule

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/attache-proxy/attache/caddymodule/health"
	"github.com/attache-proxy/attache/caddymodule/intercept"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver"
)

// understand finds out through which door the request came, who asks, and what
// is decided. Its error is a *resolver.Refusal, or errServed.
func (v *visit) understand() error {
	if intercept.IsConnect(v.r) {
		return v.connect()
	}
	if t := intercept.FromContext(v.r.Context()); t != nil {
		return v.inside(t)
	}
	if v.r.URL.Scheme != "" || v.r.URL.Host != "" {
		return v.forward()
	}
	return v.direct()
}

// inside is a request of an intercepted tunnel.
func (v *visit) inside(t *intercept.Tunnel) error {
	ta := t.Agent.(*tunnelAgent)
	v.door, v.agent = ta.door, ta.agent
	port := "80"
	if v.r.TLS != nil {
		port = "443"
	}
	host := v.r.Host
	if v.r.URL.Host != "" {
		host = v.r.URL.Host
	}
	target, err := resolver.ParseTarget(host, port)
	if err != nil {
		return badRequest(err.Error())
	}
	if !fitsTunnel(t, host, target) {
		return &resolver.Refusal{Code: "misdirected", Detail: "the tunnel was opened for " + net.JoinHostPort(t.Host, t.Port) + ", but the request is for " + host,
			Next: "Open a tunnel of its own for each host."}
	}
	v.clearOrigin()
	if ta.ours {
		v.opener = ta
		return v.direct()
	}
	target.Port, target.Plain = t.Port, v.r.TLS == nil
	if err := v.still(ta); err != nil {
		return err
	}
	return v.decide(target, v.choice("", ta.account))
}

// fitsTunnel reports whether a request may be sent in a tunnel: it names the
// tunnel's host, and the tunnel's port or none. written is the host as it stands in
// the request, and target what was read from it.
func fitsTunnel(t *intercept.Tunnel, written string, target resolver.Target) bool {
	if target.Host != t.Host {
		return false
	}
	noPort := written == t.Host
	return noPort || target.Port == t.Port
}

// forward is a request in absolute form, as clients send it to a proxy.
func (v *visit) forward() error {
	v.door = resolver.DoorForward
	if v.r.URL.User != nil {
		return badRequest("the URL holds user information (user:password@), which is not taken here")
	}
	scheme := strings.ToLower(v.r.URL.Scheme)
	port, ok := map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443"}[scheme]
	if !ok {
		return badRequest("the URL's scheme is " + scheme + "; only http and https are taken")
	}
	target, err := resolver.ParseTarget(v.r.URL.Host, port)
	if err != nil {
		return badRequest(err.Error())
	}
	target.Plain = port == "80"
	if v.isOurselves(target) {
		v.clearOrigin()
		return v.direct()
	}
	account, err := v.identifyProxy(nil)
	if err != nil {
		return err
	}
	v.clearOrigin()
	return v.decide(target, v.choice("", account))
}

// isOurselves reports a request that a client sent through the proxy although
// it is for the proxy: base URLs meet proxy variables without NO_PROXY.
func (v *visit) isOurselves(t resolver.Target) bool {
	addr, ok := v.r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	_, port, err := net.SplitHostPort(addr.String())
	return err == nil && port == t.Port && v.h.isOwnName(t.Host)
}

// direct is a request for ourselves: the base-URL door, the host-name door, or
// what we say about ourselves.
func (v *visit) direct() error {
	target, err := resolver.ParseTarget(v.r.Host, "80")
	if err != nil {
		return badRequest(err.Error())
	}
	if health.Serves(v.r.URL.Path) && (net.ParseIP(target.Host) != nil || !strings.Contains(target.Host, ".")) {
		v.h.app.health.ServeHTTP(v.w, v.r) // also by the address of a pod
		return errServed
	}
	if !v.h.isOwnName(target.Host) {
		if v.r.ProtoMajor >= 2 { // HTTP/2 has no absolute form
			return v.forwardH2(target)
		}
		return &resolver.Refusal{Code: "unknown_host", Detail: "this proxy is not known as " + target.Host,
			Next: "Use it as a proxy (HTTPS_PROXY), or by localhost; the operator may add a name with: attache { name " + target.Host + " }."}
	}
	if v.r.URL.Path == wellKnown || strings.HasPrefix(v.r.URL.Path, wellKnown+"/") {
		return v.wellKnown()
	}
	address, err := v.takeConnector(target.Host)
	if err != nil {
		return err
	}
	user, err := v.identifyDirect()
	if err != nil {
		return err
	}
	if v.door == resolver.DoorHost && address != "" && v.h.app.resolver.NamesBelow(v.agent, v.connector) {
		v.below, address = address, ""
	}
	if err := v.completePath(); err != nil {
		return err
	}
	return v.decide(resolver.Target{}, v.choice(address, user))
}

// completePath puts the beginning before a path that a client took for a part of the
// base URL.
func (v *visit) completePath() error {
	c, ok := v.h.app.resolver.Index().ByKey(v.connector)
	if !ok || len(c.Prefixes) == 0 || v.door != resolver.DoorPath {
		return nil
	}
	return v.setPath(c.FullPath(v.url.EscapedPath()))
}

func (v *visit) forwardH2(target resolver.Target) error {
	v.door = resolver.DoorForward
	account, err := v.identifyProxy(nil)
	if err != nil {
		return err
	}
	target.Plain = true
	return v.decide(target, v.choice("", account))
}

// isOwnName reports a name by which this proxy may be called: loopback, an IP
// address, a name without a dot (a container's), or one that the operator gave.
// A name of the public DNS is none: a web page could make it point here.
func (h *Handler) isOwnName(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || h.names[host] || !strings.Contains(host, ".") {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

// doorKey reads connector or connector:account from a path segment.
func doorKey(segment string) (key, account string, err error) {
	if strings.Contains(segment, "%") {
		if segment, err = url.PathUnescape(segment); err != nil {
			return "", "", err
		}
	}
	key, account, chosen := strings.Cut(segment, ":")
	if key == "" || chosen && account == "" || strings.Contains(segment, "/") {
		return "", "", errDoor
	}
	return key, account, nil
}

var errDoor = errors.New("not a connector")

// takeConnector finds the connector in the host or in the path. A path prefix
// is cut off. In a host the account may also be names of the service's own.
func (v *visit) takeConnector(host string) (account string, err error) {
	if labels, ok := strings.CutSuffix(host, ".localhost"); ok {
		v.door = resolver.DoorHost
		v.connector = labels
		if i := strings.LastIndexByte(labels, '.'); i >= 0 {
			account, v.connector = labels[:i], labels[i+1:]
		}
		return account, nil
	}
	v.door = resolver.DoorPath
	escaped := v.url.EscapedPath()
	if !strings.HasPrefix(escaped, "/") { // OPTIONS * and the like
		return "", badRequest("the path must begin with /")
	}
	first, rest, _ := strings.Cut(escaped[1:], "/")
	key, account, err := doorKey(first)
	if err != nil {
		return "", &resolver.Refusal{Code: "unknown_connector", Detail: "the path must begin with /connector/ or /connector:account/",
			Next: "Ask GET " + wellKnown + " which connectors you may use."}
	}
	rest = "/" + rest
	if providers.DotSegments(rest) {
		return "", badRequest("the path has dot segments (. or ..), which are not taken here")
	}
	v.connector, v.prefix = key, escaped[:len(first)+1]
	return account, v.setPath(rest)
}
