// Package config is the shape of the option attache: what the Caddyfile is
// adapted to and the app is provisioned from, and what the command line reads of
// a configuration that it does not run.
package config

import (
	"encoding/json"

	"github.com/caddyserver/caddy/v2"

	"github.com/attache-proxy/attache/resolver/limit"
)

// DefaultCA is the id of our own authority: trusting it does not mean trusting
// every other local Caddy.
const DefaultCA = "attache"

// Connector is one connector in use: a built-in one, or one's own, with
// its accounts.
type Connector struct {
	// Definition is a connector of one's own, with the keys of a connector's
	// YAML file. Without it the key names a connector of the catalogue or of
	// connector_dir.
	Definition json.RawMessage `json:"definition,omitempty"`
	// Accounts that come from this configuration.
	Accounts []Account `json:"accounts,omitempty"`
	// Upstream is dialled instead of the host: http://host:port,
	// https://host:port or unix//path. Naming it here allows its address and,
	// with http://, plain HTTP.
	Upstream string `json:"upstream,omitempty"`
	// TLSTrustedCA is a PEM file with the CAs that the service's certificate
	// may come from, beside the system's.
	TLSTrustedCA string `json:"tls_trusted_ca,omitempty"`
	// TLSClientCertificate and TLSClientKey are PEM files with which we prove
	// ourselves to the service.
	TLSClientCertificate string `json:"tls_client_certificate,omitempty"`
	TLSClientKey         string `json:"tls_client_key,omitempty"`
	// Source is the file and line that this came from, for messages.
	Source string `json:"source,omitempty"`
}

// Account is an account whose values stand in the configuration, as
// placeholders: {env.NAME} or {file./path}.
type Account struct {
	// Name is unique for the connector; "default" where none is given.
	Name string `json:"name,omitempty"`
	// Option is one of the connector's; empty means its first.
	Option string `json:"option,omitempty"`
	// Values are the option's fields, and client_id, client_secret and the like
	// for OAuth.
	Values map[string]string `json:"values,omitempty"`
	// Budgets are budgets and prices for all who use it.
	Budgets []string `json:"budgets,omitempty"`
	// Default marks the account that is used when the agent chooses none.
	Default bool `json:"default,omitempty"`
	// Source is the file and line that this came from, for messages.
	Source string `json:"source,omitempty"`
}

// Agent is an agent and what it may use.
type Agent struct {
	// Tokens are placeholders; several are for rotation. An agent without one
	// is reached only as a listener's agent or by its client certificate.
	Tokens []string `json:"tokens,omitempty"`
	// Grants say which accounts.
	Grants []Grant `json:"grants,omitempty"`
	// Limits are what it may have in use; what is zero is as for all agents.
	Limits limit.Limits `json:"limits,omitzero"`
	// Budgets are its budgets and prices.
	Budgets []string `json:"budgets,omitempty"`
	// Source is the file and line that this came from, for messages.
	Source string `json:"source,omitempty"`
}

// Grant lets an agent use a connector's accounts.
type Grant struct {
	Connector string `json:"connector"`
	// Account is one account by name; empty means all of the connector.
	Account string `json:"account,omitempty"`
	// Write allows more than reading.
	Write bool `json:"write,omitempty"`
	// Presign lets the agent have URLs that work without the proxy for a while.
	Presign bool `json:"presign,omitempty"`
	// Placeholder leaves a credential of the client's own on requests.
	Placeholder bool `json:"placeholder,omitempty"`
	// Confined lets the accounts be used in confined runs alone.
	Confined bool `json:"confined,omitempty"`
	// Operations decide what the agent may do, rule by rule; none means whatever
	// Write says.
	Operations []string `json:"operations,omitempty"`
	// Budgets are budgets and prices of this grant alone.
	Budgets []string `json:"budgets,omitempty"`
}

// Audit says where audit events go. They are log lines of the logger
// attache.audit, which Caddy's log option can send to a file of its own.
type Audit struct {
	// Off writes none.
	Off bool `json:"off,omitempty"`
	// Sync writes each event before the request is over. Otherwise events are
	// written within 100 ms, and those of the last 100 ms are lost on kill -9.
	Sync bool `json:"sync,omitempty"`
	// Retention is how long the vault keeps events; 0 means 90 days, less than 0
	// for ever. UsageRetention is the same for usage; 0 means 400 days.
	Retention      caddy.Duration `json:"retention,omitempty"`
	UsageRetention caddy.Duration `json:"usage_retention,omitempty"`
}
