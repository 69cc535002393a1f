package caddymodule

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddypki"

	"github.com/attache-proxy/attache/caddymodule/audit"
	"github.com/attache-proxy/attache/caddymodule/config"
	"github.com/attache-proxy/attache/caddymodule/connectors"
	"github.com/attache-proxy/attache/caddymodule/gcs"
	"github.com/attache-proxy/attache/caddymodule/health"
	"github.com/attache-proxy/attache/caddymodule/metrics"
	"github.com/attache-proxy/attache/caddymodule/sample"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/egress"
)

// Provision builds everything; requests only use it.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx, a.logger, a.sample = ctx, ctx.Logger(), new(sample.Sampler)
	if err := a.provisionCA(); err != nil {
		return err
	}
	m, err := metrics.New(ctx.GetMetricsRegistry())
	if err != nil {
		return err
	}
	a.metrics = m
	if a.audit, err = audit.New(ctx.Logger().Named("audit"), a.Audit); err != nil {
		return err
	}
	if err := a.resolvePublicURL(); err != nil {
		return err
	}
	if err := a.openVault(); err != nil {
		return err
	}
	base, err := a.loadConnectors()
	if err != nil {
		return err
	}
	if err := a.buildAccounts(base); err != nil {
		return err
	}
	if err := a.buildAgents(); err != nil {
		return err
	}
	return a.buildResolver(base)
}

// buildResolver puts the parts together.
func (a *App) buildResolver(base []*providers.Connector) error {
	allow, err := egress.ParseAllow(a.AllowAddresses)
	if err != nil {
		return fmt.Errorf("allow_address: %w", err)
	}
	a.guard = &egress.Guard{Allow: allow}
	a.set = &connectors.Set{Base: base, Accounts: a.accounts, Vault: a.vault, Definitions: a.definitions, PlainHTTP: a.guard.Names,
		Declared: func(key string) bool { return a.Connectors[key] != nil }, Compiled: func(c *providers.Connector) { a.warnOfEnds(c) },
		Resolver: func() *resolver.Resolver { return a.resolver }, Log: a.logger}
	index, err := a.set.Index(a.ctx)
	if err != nil {
		return err
	}
	routes, err := a.routes(base)
	if err != nil {
		return err
	}
	cache, err := a.openCache()
	if err != nil {
		return err
	}
	a.tokenClient = newTokenClients(a.guard, routes, a.tokenTimeout()).of
	a.credentials = &resolver.Credentials{
		Cache:        cache,
		HTTP:         a.tokenClient,
		Observer:     observer{a},
		TokenTimeout: a.tokenTimeout(),
	}
	directory, err := a.openRuns(a.buildDirectory(cache))
	if err != nil {
		return err
	}
	a.openBudgets(cache)
	a.resolver = resolver.New(resolver.Config{
		Index:       index,
		Directory:   directory,
		Credentials: a.credentials,
		Transports:  resolver.Transports{Guard: a.guard, Routes: routes, Std: a.Transport == "std"},
		Observer:    observer{a},
		Reindex:     a.set.Index,
		MoreURL:     a.moreURL,
		SignURL:     gcs.SignedURL,
		SignedBody:  a.SignedBody,
		Running:     &underWay,
		Approvals:   a.approvals,
		Tools:       a.tools,
		Operations:  (*providers.Connector).Operations,
		Budgets:     a.budgets,
		Confined:    a.RequireConfined,
	})
	a.health = &health.Health{Checks: a.checks(cache)}
	return nil
}

// checks are what must work for calls to be served.
func (a *App) checks(cache sharedCache) (out []health.Check) {
	if v := a.vault; v != nil {
		out = append(out, health.Check{Name: "database", Run: v.Ping}, health.Check{Name: "key", Run: func(context.Context) error {
			text, err := v.OpenLink("health", v.SealLink("health", "ready"), time.Minute)
			if err == nil && text != "ready" {
				err = errors.New("the key opens something else")
			}
			return err
		}})
		metrics.VaultAccounts.Of(func(ctx context.Context) (health.Counts, error) {
			states, ending, err := v.AccountCounts(ctx, 24*time.Hour)
			return health.Counts{States: states, Ending: ending}, err
		})
	}
	if pooled, ok := cache.(pooledCache); ok {
		cache = pooled.sharedCache
	}
	if redis, ok := cache.(interface{ Up() bool }); ok {
		out = append(out, health.Check{Name: "cache", Degraded: true, Run: func(context.Context) error {
			if !redis.Up() {
				return errors.New("the cache is away")
			}
			return nil
		}})
	}
	return out
}

// Start implements caddy.App; the listeners are the http app's. From here on this
// configuration says who may go on.
func (a *App) Start() error {
	ctx, cancel := context.WithCancel(context.Background())
	a.stopWatch = cancel
	go a.resolver.Watch(ctx)
	underWay.Wake()
	return nil
}

// Stop implements caddy.App.
func (a *App) Stop() error {
	if a.stopWatch != nil {
		a.stopWatch()
	}
	return nil
}

// Cleanup lets go of what this configuration held. Streams that still run keep
// their connections to their end, and token requests their vault and cache.
func (a *App) Cleanup() error {
	if a.resolver != nil {
		a.resolver.Close()
	}
	let := func() {
		if a.credentials != nil {
			a.finish()
		}
		a.closeVault()
		a.closeCache()
	}
	if caddy.Exiting() {
		let()
	} else {
		go let() // a reload does not wait
	}
	if a.sample != nil {
		a.sample.Flush()
	}
	return a.audit.Close()
}

// provisionCA finds or makes the authority in Caddy's pki app, which renews its
// intermediates.
//
// An authority whose install_trust nobody set would be installed into the
// system's trust store at start, without having been asked for; whoever wants
// that says so with the pki option.
func (a *App) provisionCA() error {
	if a.CA == "" {
		a.CA = config.DefaultCA
	}
	v, err := a.ctx.App("pki")
	if err != nil {
		return fmt.Errorf("loading the pki app: %w", err)
	}
	pki := v.(*caddypki.PKI)
	// Caddy's tls app makes the CA "local" when a site wants it; then it is
	// too late to say that nobody asked for its installation.
	if _, err := pki.GetCA(a.ctx, caddypki.DefaultCAID); err != nil {
		return err
	}
	never := false
	for _, ca := range pki.CAs {
		if ca.InstallTrust == nil {
			ca.InstallTrust = &never
		}
	}
	if ca, ok := pki.CAs[a.CA]; ok {
		a.ca = ca
		return nil
	}
	ca := &caddypki.CA{
		Name:                   "Attaché",
		RootCommonName:         "Attaché Root CA {time.now.year}",
		IntermediateCommonName: "Attaché Intermediate CA",
		InstallTrust:           &never,
	}
	if err := ca.Provision(a.ctx, a.CA, a.logger); err != nil {
		return fmt.Errorf("certificate authority %s: %w", a.CA, err)
	}
	pki.CAs[a.CA] = ca
	a.ca = ca
	return nil
}

// rootPEM is the root certificate that clients must trust.
func (a *App) rootPEM() []byte { return certificatePEM(a.ca.RootCertificate()) }

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}
