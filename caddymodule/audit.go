package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/attache-proxy/attache/caddymodule/config"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/vault"
)

// auditor writes audit events without slowing requests.
type auditor struct {
	log     *zap.Logger
	sync    bool
	mu      sync.Mutex
	waiting []resolver.Observation
	spare   []resolver.Observation // the last batch's memory; only run uses it
	wake    chan struct{}
	stop    chan struct{} // closed by Close; wake never is: a writer may be about to send
	done    chan struct{}
	closed  bool
}

// maxWaiting bounds the events that wait to be written; beyond it the request waits.
const maxWaiting = 16 << 10

func newAuditor(log *zap.Logger, c config.Audit) (*auditor, error) {
	if c.Off && c.Sync {
		return nil, fmt.Errorf("audit: off and sync exclude each other")
	}
	if c.Off {
		return nil, nil
	}
	a := &auditor{log: log, sync: c.Sync, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	if !a.sync {
		go a.run()
	}
	return a, nil
}

// Write takes one event.
func (a *auditor) Write(e *resolver.Observation) {
	if a == nil {
		return
	}
	a.mu.Lock()
	if a.sync || a.closed || len(a.waiting) >= maxWaiting {
		a.mu.Unlock()
		a.line(e)
		return
	}
	a.waiting = append(a.waiting, *e)
	first := len(a.waiting) == 1
	a.mu.Unlock()
	if first {
		select {
		case a.wake <- struct{}{}:
		default:
		}
	}
}

// run writes what has gathered, every 50 ms while there is something.
func (a *auditor) run() {
	defer close(a.done)
	for {
		select {
		case <-a.wake:
			time.Sleep(50 * time.Millisecond)
			a.flush()
		case <-a.stop:
			a.flush()
			return
		}
	}
}

func (a *auditor) flush() {
	a.mu.Lock()
	batch := a.waiting
	a.waiting = a.spare
	a.mu.Unlock()
	for i := range batch {
		a.line(&batch[i])
	}
	clear(batch)
	a.spare = batch[:0]
}

// Close writes what is left. Streams that end later write their own line.
func (a *auditor) Close() error {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	again := a.closed
	a.closed = true
	a.mu.Unlock()
	if !again && !a.sync {
		close(a.stop)
		<-a.done
	}
	return nil
}

// line writes one event. The path is without query: queries hold keys.
func (a *auditor) line(e *resolver.Observation) {
	c := a.log.Check(zapcore.InfoLevel, "request")
	if c == nil {
		return
	}
	fields := make([]zap.Field, 0, 13)
	fields = append(fields, zap.String("agent", e.Agent))
	for _, f := range [...]struct{ name, value string }{{"connector", e.Connector}, {"account", e.Account}, {"door", string(e.Door)}, {"method", e.Method}, {"host", e.Host}, {"path", e.Path}, {"code", e.Code}} {
		if f.value != "" {
			fields = append(fields, zap.String(f.name, f.value))
		}
	}
	c.Write(append(fields, zap.Int("status", e.Status), zap.Int64("sent", e.Sent), zap.Int64("received", e.Received), zap.Duration("duration", e.Duration))...)
}

// observer passes what the resolver tells to the metrics and the audit.
type observer struct{ app *App }

// Observe implements resolver.Observer.
func (o observer) Observe(e *resolver.Observation) {
	connector := e.Connector
	if connector == "" {
		connector = "none"
	}
	o.app.metrics.request(connector, e.Status, e.Code, e.Duration)
	o.app.audit.Write(e)
	o.app.remember(e)
}

// TokenRequest implements resolver.TokenObserver.
func (o observer) TokenRequest(acct *resolver.Account, took time.Duration, err error) {
	o.app.metrics.token(acct.Connector.Key, err)
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
func (h *Handler) observe(v *visit, ref *resolver.Refusal, status int, err error, began time.Time) {
	e := resolver.Observation{Door: v.door, Method: v.method(), Host: v.ask.Target.Host, Path: v.ask.Path, Status: status, Duration: time.Since(began)}
	if v.agent != nil {
		e.Agent, e.AgentID = v.agent.Name, v.agent.ID
	}
	if c := v.call; c != nil {
		if c.Connector != nil {
			e.Connector = c.Connector.Key
		}
		if c.Account != nil {
			e.Account, e.AccountID = c.Account.Name, c.Account.ID
		}
		e.Host = c.Target.Host
		e.Sent, e.Received = c.Outcome.Sent(), c.Outcome.Received()
		if status == 0 {
			e.Status = c.Outcome.Status
		}
		if c.Outcome.Scrubbed.Load() {
			h.app.metrics.echoes.WithLabelValues(e.Connector).Inc()
			h.logger.Warn("the service echoed the credential; the echo was replaced", zap.String("connector", e.Connector), zap.String("path", e.Path))
		}
	}
	switch {
	case ref != nil:
		e.Code = ref.Code
	case err != nil && e.Status == 0:
		e.Status = http.StatusBadGateway
	}
	h.app.resolver.Observe(&e)
}

// remember keeps the event in the vault too, where it makes the account's usage.
func (a *App) remember(e *resolver.Observation) {
	if a.vault == nil || e.Connector == "" && e.Code == "" {
		return
	}
	ev := vault.Event{
		Kind: vault.AuditUse, Code: e.Code, Actor: vault.Actor{Kind: "agent", Name: e.Agent}, AgentID: e.AgentID,
		Connector: e.Connector, AccountID: e.AccountID, Method: e.Method, Host: e.Host, Path: e.Path,
		Status: e.Status, BytesIn: e.Sent, BytesOut: e.Received, Duration: e.Duration,
	}
	switch {
	case e.Code != "":
		ev.Kind = vault.AuditRefusal
	case e.Door == resolver.DoorPresign:
		ev.Code = "account.presigned"
	}
	if err := a.vault.Record(context.Background(), ev); err != nil {
		a.metrics.audit.Inc()
	}
}
