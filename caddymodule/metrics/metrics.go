// Package metrics is what is counted, in Caddy's registry.
package metrics

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/attache-proxy/attache/caddymodule/health"
	"github.com/attache-proxy/attache/caddymodule/version"
)

// Metrics are all of it. Their labels come from the configuration
// and from our own codes only, never from what an agent sent.
type Metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	resolve  prometheus.Histogram
	tokens   *prometheus.CounterVec
	tunnels  prometheus.Gauge
	leaves   prometheus.Counter
	echoes   *prometheus.CounterVec
	audit    prometheus.Counter

	failures *prometheus.CounterVec
	webhooks prometheus.Counter
	budgets  *prometheus.CounterVec

	cacheUp     prometheus.Gauge
	cacheEvents *prometheus.CounterVec
}

// collectors are made once: Caddy makes a new registry for each configuration,
// and what was counted before a reload still counts.
var collectors = &Metrics{
	requests: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "attache_requests_total", Help: "Requests by connector and outcome: the class of the service's status, or the code of our refusal.",
	}, []string{"connector", "outcome"}),
	duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "attache_request_duration_seconds", Help: "Time from the request to the end of the answer, by connector.",
		Buckets: []float64{.005, .025, .1, .5, 1, 5, 30, 120, 600},
	}, []string{"connector"}),
	resolve: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "attache_resolve_duration_seconds", Help: "Time from the request to the decision: identify, match, permit.",
		Buckets: []float64{1e-6, 2e-6, 5e-6, 1e-5, 5e-5, 1e-4, 1e-3, 1e-2, .1},
	}),
	tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "attache_token_requests_total", Help: "Requests to token endpoints by connector and outcome (ok, error).",
	}, []string{"connector", "outcome"}),
	tunnels: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "attache_tunnels", Help: "CONNECT tunnels that are open.",
	}),
	leaves: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "attache_leaf_certificates_total", Help: "Leaf certificates that were signed.",
	}),
	echoes: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "attache_echoes_total", Help: "Answers in which the credential was found and replaced.",
	}, []string{"connector"}),
	audit: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "attache_audit_dropped_total", Help: "Audit events that could not be written.",
	}),
	failures: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "attache_refresh_failures_total", Help: "Tokens that could not be obtained or refreshed, by connector.",
	}, []string{"connector"}),
	webhooks: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "attache_webhook_failures_total", Help: "Attempts to send a webhook that failed; most are made again.",
	}),
	budgets: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "attache_budget_warnings_total", Help: "Budgets of which four fifths were used, by whose they are (agent, account, grant).",
	}, []string{"owner"}),
	cacheUp: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "attache_cache_up", Help: "1 while the shared cache answers or none is configured, 0 while it is away.",
	}),
	cacheEvents: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "attache_cache_events_total", Help: "What happened to the shared cache: down, up, unreadable (an entry that our keys do not open).",
	}, []string{"event"}),
}

// buildInfo is 1, with which program this is in its labels.
var buildInfo = func() prometheus.Collector {
	i := version.Get()
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "attache_build_info", Help: "1; which program this is stands in the labels.",
		ConstLabels: prometheus.Labels{"version": i.Version, "revision": i.Revision, "caddy": i.Caddy, "go": i.Go}}, func() float64 { return 1 })
}()

// VaultAccounts count the accounts of the vault that is open.
var VaultAccounts = new(health.Accounts)

// New registers them.
func New(reg *prometheus.Registry) (*Metrics, error) {
	m := collectors
	for _, c := range []prometheus.Collector{m.requests, m.duration, m.resolve, m.tokens, m.tunnels, m.leaves, m.echoes, m.audit, m.cacheUp, m.cacheEvents, buildInfo, m.failures, m.webhooks, m.budgets, VaultAccounts} {
		if err := reg.Register(c); err != nil && !errors.As(err, new(prometheus.AlreadyRegisteredError)) {
			return nil, err
		}
	}
	return m, nil
}

// Webhook counts an attempt to send a webhook that failed.
func (m *Metrics) Webhook() { m.webhooks.Inc() }

// BudgetWarning counts a budget that is nearly used up.
func (m *Metrics) BudgetWarning(owner string) { m.budgets.WithLabelValues(owner).Inc() }

// Minted counts a leaf certificate.
func (m *Metrics) Minted() { m.leaves.Inc() }

// Tunnel counts tunnels that open and close.
func (m *Metrics) Tunnel(delta int) { m.tunnels.Add(float64(delta)) }

// Resolved is how long a decision took.
func (m *Metrics) Resolved(took time.Duration) { m.resolve.Observe(took.Seconds()) }

// Echo counts an answer in which the credential was replaced.
func (m *Metrics) Echo(connector string) { m.echoes.WithLabelValues(connector).Inc() }

// AuditDropped counts an event that could not be written.
func (m *Metrics) AuditDropped() { m.audit.Inc() }

// CacheUp says whether the shared cache answers, or none is configured.
func (m *Metrics) CacheUp(up bool) {
	if up {
		m.cacheUp.Set(1)
		return
	}
	m.cacheUp.Set(0)
}

// CacheEvent counts what happened to the shared cache.
func (m *Metrics) CacheEvent(event string) { m.cacheEvents.WithLabelValues(event).Inc() }

// Token counts a request to a token endpoint.
func (m *Metrics) Token(connector string, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "error"
		m.failures.WithLabelValues(connector).Inc()
	}
	m.tokens.WithLabelValues(connector, outcome).Inc()
}

// classes are the outcomes of answers that the service gave.
var classes = [...]string{"0xx", "1xx", "2xx", "3xx", "4xx", "5xx"}

func outcome(status int, code string) string {
	switch {
	case code != "":
		return code
	case status >= 0 && status/100 < len(classes):
		return classes[status/100]
	}
	return "other"
}

// Request counts a request, by the status of the service or the code of our refusal.
func (m *Metrics) Request(connector string, status int, code string, took time.Duration) {
	m.requests.WithLabelValues(connector, outcome(status, code)).Inc()
	m.duration.WithLabelValues(connector).Observe(took.Seconds())
}
