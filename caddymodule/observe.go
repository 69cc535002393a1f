package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/vault"
)

// observer passes what the resolver tells to the metrics and the audit.
type observer struct{ app *App }

// Observe implements resolver.Observer.
func (o observer) Observe(e *resolver.Observation) {
	if e.Phase != resolver.PhaseBegin {
		connector := e.Connector
		if connector == "" {
			connector = "none"
		}
		o.app.metrics.Request(connector, e.Status, e.Code, e.Duration)
		o.app.runs.Saw(e)
	}
	e.Bound()
	o.app.sample.Pass(e, o.write)
}

func (o observer) write(e *resolver.Observation) {
	o.app.audit.Write(e)
	o.app.remember(e)
}

// TokenRequest implements resolver.TokenObserver.
func (o observer) TokenRequest(acct *resolver.Account, took time.Duration, err error) {
	o.app.metrics.Token(acct.Connector.Key, err)
	if err != nil {
		var e *oauth.Error
		inside := ""
		if errors.As(err, &e) {
			inside = e.Inside()
		}
		o.app.logger.Warn("no token", zap.String("connector", acct.Connector.Key), zap.String("account", acct.Name), zap.Duration("took", took), zap.Error(err), zap.String("cause", inside))
		return
	}
	o.app.logger.Info("token", zap.String("connector", acct.Connector.Key), zap.String("account", acct.Name), zap.Duration("took", took))
}

// Rotated implements resolver.TokenObserver.
func (o observer) Rotated(acct *resolver.Account) {
	o.app.logger.Warn("the service replaced the refresh token that the configuration has: it works until this process ends or reloads, and then neither does; connect the account in the vault instead, which remembers the new one",
		zap.String("connector", acct.Connector.Key), zap.String("account", acct.Name))
}

// observe audits a visit that is over.
func (v *visit) observe(ref *resolver.Refusal, err error) {
	var e resolver.Observation
	if v.call != nil {
		e = v.call.Event()
		if repl, ok := v.r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok && e.Operation != "" {
			repl.Set("attache.operation", e.Operation) // for the access log, which is written after this
		}
		e.Reached, e.Cut = v.cut(err)
		if e.Echo = v.call.Outcome.Scrubbed.Load(); e.Echo {
			v.h.app.metrics.Echo(e.Connector)
			v.h.logger.Warn("the service echoed the credential; the echo was replaced", zap.String("connector", e.Connector), zap.String("path", e.Path))
		}
	} else {
		e.Method, e.Host, e.Port, e.Path = v.method(), v.ask.Target.Host, v.ask.Target.Port, v.ask.Path
	}
	e.Door, e.Duration, e.Token = v.door, time.Since(v.began), v.token
	if v.agent != nil {
		e.Agent, e.AgentID, e.Run = v.agent.Name, v.agent.ID, v.agent.Run.Name()
	}
	switch {
	case ref != nil:
		e.Code, e.Status, e.Reached, e.Cut = ref.Code, ref.HTTPStatus(), "", ""
		if v.call != nil && v.call.Outcome.Reached() != "decided" {
			e.Reached = v.call.Outcome.Reached() // it was at the service before we refused its answer
		}
	case v.status != 0:
		e.Status, e.Reached, e.Cut = v.status, "", ""
	case e.Status == 0 && e.Cut == cutAgentLeft:
		e.Status = statusClientClosed
	case e.Status == 0 && err != nil:
		e.Status = http.StatusBadGateway
	}
	if v.h.app.sample.Skips(&e) {
		caddyhttp.SetVar(v.r.Context(), caddyhttp.LogSkipVar, true) // the access log would be as long
	}
	v.h.app.resolver.Observe(&e)
}

// statusClientClosed is what nginx and Caddy call the status of an agent that
// left before the answer.
const statusClientClosed = 499

// Why a request did not come to its end; see resolver.Observation.
const (
	cutAgentLeft       = "agent_left"
	cutServiceBroke    = "service_broke_off"
	cutPermissionEnded = "permission_ended"
	cutUnsearchable    = "echo_unsearchable"
	cutAborted         = "aborted"
)

// cut says how far a call came, and why no further; nothing for one that came to
// its end.
func (v *visit) cut(err error) (reached, why string) {
	o := &v.call.Outcome
	switch {
	case v.call.Ended():
		why = cutPermissionEnded
	case o.Unsearchable.Load():
		why = cutUnsearchable
	case v.returned && err == nil && (o.Status() != 0 || v.r.Context().Err() == nil):
		return "", "" // also upgraded connections; reverse_proxy has no error for an agent that left early
	case o.BrokeOff() && v.r.Context().Err() == nil:
		why = cutServiceBroke
	case v.r.Context().Err() != nil, !v.returned && o.Status() != 0:
		why = cutAgentLeft
	default:
		why = cutAborted
	}
	return o.Reached(), why
}

// remember keeps the event in the vault too, where it makes the account's usage.
func (a *App) remember(e *resolver.Observation) {
	if a.vault == nil || e.Connector == "" && e.Code == "" && e.Phase == "" {
		return
	}
	ev := vault.Event{
		Kind: vault.AuditUse, Code: e.Code, Actor: vault.Actor{Kind: "agent", Name: e.Agent}, AgentID: e.AgentID,
		Connector: e.Connector, AccountID: e.AccountID, Method: e.Method, Host: hostPort(e), Path: e.Path, Detail: detail(e), Operation: e.Operation, Effect: e.Effect, Resource: e.Resource, Run: e.Run,
		Status: e.Status, BytesIn: e.Sent, BytesOut: e.Received, Duration: e.Duration,
	}
	switch {
	case e.Code != "" && e.Reached == "":
		ev.Kind = vault.AuditRefusal
	case e.Phase == resolver.PhaseBegin:
		ev.Kind = vault.AuditOpen
	case e.Door == resolver.DoorPresign:
		ev.Code = "account.presigned"
	}
	if err := a.vault.Record(context.Background(), ev); err != nil {
		a.metrics.AuditDropped()
	}
}

// hostPort is the host, with its port unless that is the usual one.
func hostPort(e *resolver.Observation) string {
	if e.Port == "" || e.Port == "443" || e.Host == "" {
		return e.Host
	}
	return net.JoinHostPort(e.Host, e.Port)
}

// detail is what the vault has no column for.
func detail(e *resolver.Observation) string {
	switch {
	case e.Count > 0:
		return fmt.Sprintf("%d refusals of this kind", e.Count)
	case e.Phase == resolver.PhaseBegin:
		return "it goes on; its end is told when it comes"
	case e.Cut != "":
		return "cut: " + e.Cut + ", reached: " + e.Reached
	case e.Kept:
		return "client_credential_kept"
	case e.Echo:
		return "an echo of the credential was replaced"
	}
	return ""
}
