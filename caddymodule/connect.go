package caddymodule

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/attache-proxy/attache/caddymodule/command/relay"
	"github.com/attache-proxy/attache/caddymodule/intercept"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/limit"
)

// connect answers CONNECT. Only the target and the agent are looked at here:
// what is permitted is decided for each request inside.
func (v *visit) connect() error {
	v.door = resolver.DoorTunnel
	host, port, err := intercept.ParseTarget(v.r)
	if err != nil {
		return badRequest(err.Error())
	}
	target := resolver.Target{Host: host, Port: port}
	v.ask = resolver.Ask{Target: target, Method: v.r.Method}
	keep := &tunnelAgent{}
	account, err := v.identifyProxy(keep)
	if err != nil {
		return err
	}
	if v.r.Header.Get(relay.HeaderDoor) == string(resolver.DoorTransparent) && v.agent.Run != nil {
		v.door = resolver.DoorTransparent
	}
	keep.agent, keep.account, keep.door = v.agent, account, v.door
	v.setPlaceholders()
	v.w.Header().Del("Alt-Svc")
	intercepted := v.h.app.resolver.Claimed(v.agent, target)
	keep.ours = !intercepted && v.endsHere(host, port)
	intercepted = intercepted || keep.ours
	if !intercepted && v.h.Unmatched == "deny" {
		return noConnector(v.agent, host)
	}
	call := &resolver.Call{Agent: v.agent, Target: target, Door: v.door, Method: v.r.Method, Token: v.token}
	if err := v.h.app.resolver.Begin(call, limit.Tunnels); err != nil {
		return err
	}
	finish := v.h.app.resolver.Finish // without the visit, which a tunnel outlives
	if intercepted {
		return answered(v.h.interceptor.Intercept(v.w, v.r, &intercept.Tunnel{
			Host: host, Port: port, Agent: keep, Detach: v.detaches(), Closed: func() { finish(call) },
		}))
	}
	defer finish(call)
	return v.splice(call)
}

// detaches reports that nobody but ourselves waits for the end of a CONNECT: no
// access log that says how long it took. Where it announces a body, Caddy bounds
// the reading of that when the handler returns, on what is our connection then.
func (v *visit) detaches() bool {
	return v.r.ContentLength == 0 && v.h.past.forwarder() != nil
}

// endsHere reports a tunnel to ourselves. A name without a dot may be another
// container, and an address another machine: only what is certainly ours counts.
func (v *visit) endsHere(host, port string) bool {
	addr, ok := v.r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	here, err := netip.ParseAddrPort(addr.String())
	if err != nil || port != strconv.Itoa(int(here.Port())) {
		return false
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap() == here.Addr().Unmap() || ip.Unmap().IsLoopback() && here.Addr().Unmap().IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || v.h.names[host]
}

// splice joins an opaque tunnel with the host of no connector. Its beginning and
// its end are audited, whatever becomes of it.
func (v *visit) splice(call *resolver.Call) error {
	ctx, cancel := context.WithTimeout(v.r.Context(), 15*time.Second)
	conn, err := v.h.app.resolver.DialTunnel(ctx, call.Target)
	cancel()
	if err != nil {
		return err
	}
	defer func(c net.Conn) { _ = c.Close() }(conn)
	call.Holds(conn)
	v.h.app.resolver.GoesOn(call)
	var in, out int64
	defer func() {
		e := call.Event()
		e.Status, e.Sent, e.Received = http.StatusOK, in, out
		if call.Ended() {
			e.Cut = cutPermissionEnded
		}
		v.h.app.resolver.Observe(&e)
	}()
	in, out, err = v.h.interceptor.Splice(v.w, v.r, conn)
	return answered(err)
}

// answered turns what became of a tunnel into what is still to be done. How a
// tunnel ends is between its two ends; it is logged where it matters.
func answered(err error) error {
	if errors.Is(err, intercept.ErrUnanswered) {
		return &resolver.Refusal{Code: "upstream_unreachable", Status: http.StatusInternalServerError, Err: err,
			Detail: "the tunnel could not be opened", Next: "Try again; if it goes on, tell the operator to look into the log."}
	}
	return errServed
}
