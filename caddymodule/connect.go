package caddymodule

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/attache-proxy/attache/caddymodule/intercept"
	"github.com/attache-proxy/attache/resolver"
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
	keep.agent, keep.account = v.agent, account
	v.setPlaceholders()
	v.w.Header().Del("Alt-Svc")
	if v.h.app.resolver.Claimed(v.agent, target) {
		return answered(v.h.interceptor.Intercept(v.w, v.r, &intercept.Tunnel{Host: host, Port: port, Agent: keep}))
	}
	if v.h.Unmatched == "deny" {
		return noConnector(v.agent, host)
	}
	return v.splice(target)
}

// splice joins an opaque tunnel with the host of no connector.
func (v *visit) splice(target resolver.Target) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(v.r.Context(), 15*time.Second)
	conn, err := v.h.app.resolver.DialTunnel(ctx, target)
	cancel()
	if err != nil {
		return err
	}
	defer func(c net.Conn) { _ = c.Close() }(conn)
	in, out, err := v.h.interceptor.Splice(v.w, v.r, conn)
	if errors.Is(err, intercept.ErrUnanswered) {
		return answered(err)
	}
	v.h.app.resolver.Observe(&resolver.Observation{
		Agent: v.agent.Name, Door: v.door, Method: v.r.Method, Host: target.JoinHostPort(),
		Status: 200, Sent: in, Received: out, Duration: time.Since(began),
	})
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
