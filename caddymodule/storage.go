package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/attache-proxy/attache/caddymodule/admin/api"
	"github.com/attache-proxy/attache/caddymodule/admin/explain"
	"github.com/attache-proxy/attache/caddymodule/gcs"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/vault"
)

// accountByID finds an account of the vault, or of the Caddyfile.
func (o backend) accountByID(ctx context.Context, id string) (*resolver.Account, error) {
	if name, ok := strings.CutPrefix(id, vault.FileAgent); ok {
		for _, a := range o.app.accounts {
			if a.Connector.Key+":"+a.Name == name {
				return a, nil
			}
		}
		return nil, vault.ErrNotFound
	}
	return o.app.directory.Account(ctx, id)
}

// Presign implements api.Storage.
func (o backend) Presign(ctx context.Context, p api.Presigning) (out api.Presigned, err error) {
	acct, err := o.accountByID(ctx, p.AccountID)
	if err != nil {
		return out, err
	}
	wish := resolver.Presigning{Account: acct, Method: p.Method, URL: p.URL, Header: headerOf(p.Headers), Expires: p.Expires}
	if p.AgentID != "" {
		wish.Agent = &resolver.Agent{ID: strings.TrimPrefix(p.AgentID, vault.FileAgent), Name: p.Agent}
	}
	if u, err := url.Parse(p.URL); err == nil {
		out.Path = u.EscapedPath() // a query may hold a signature of its own
	}
	made, call, err := o.app.resolver.Presign(ctx, wish)
	out.Connector, out.Host = acct.Connector.Key, call.Target.Host
	if err != nil {
		return out, err
	}
	out.URL, out.ExpiresAt = made.URL, made.ExpiresAt
	return out, nil
}

// SetAccess implements api.Storage.
func (o backend) SetAccess(ctx context.Context, b api.BucketAccess) (bool, error) {
	acct, err := o.accountByID(ctx, b.AccountID)
	if err != nil {
		return false, err
	}
	if acct.Option.OAuth == nil || acct.Connector.HostFor(gcs.Host, "443", "/storage/v1/", nil) == nil {
		return false, &resolver.Refusal{Code: "not_available", Status: http.StatusConflict, Detail: "The account is no service account of Google Cloud Storage."}
	}
	changed, err := gcs.SetAccess(ctx, o.app.resolver.As(acct), b.Bucket, b.Email, gcs.Access(b.Access))
	var refused *gcs.StatusError
	switch {
	case errors.Is(err, gcs.ErrEmail):
		return false, &resolver.Refusal{Code: "invalid_input", Status: http.StatusUnprocessableEntity, Detail: err.Error()}
	case errors.As(err, &refused):
		return false, &resolver.Refusal{Code: "service_refused", Status: http.StatusBadGateway,
			Detail: fmt.Sprintf("Google answered %d: the account may not edit that bucket's policy, or there is no such bucket.", refused.Status)}
	}
	return changed, err
}

func headerOf(m map[string]string) http.Header {
	h := http.Header{}
	for name, v := range m {
		h.Set(name, v)
	}
	return h
}

// ExplainRequest implements explain.Explainer.
func (o backend) ExplainRequest(ctx context.Context, agentID string, q resolver.Question) (*resolver.Explanation, error) {
	agent, err := o.app.directory.AgentByID(ctx, strings.TrimPrefix(agentID, vault.FileAgent))
	if errors.Is(err, resolver.ErrUnknownAgent) {
		return nil, vault.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return o.app.resolver.Explain(ctx, agent, q)
}

// Interface guards
var (
	_ api.Storage       = backend{}
	_ explain.Explainer = backend{}
)
