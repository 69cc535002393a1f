// Package caddymodule runs Attaché inside Caddy: what Caddy finds, and nothing
// else. Only this folder and cmd import Caddy.
//
//	app.go provision.go build.go     the app attache: what all listeners share
//	caddyfile*.go                    the Caddyfile, as package config has it
//	handler.go visit.go door.go      the middleware: one request, by its door
//	connect.go inside.go identify.go tunnels, and who is calling
//	discovery.go presign.go          what the proxy says of itself
//	forward.go transport.go          sending; responsewriter.go: what came back
//	audit.go metrics.go              what is told of it
//	vault.go cache.go connectorset.go publicurl.go
//	                                 what outlives a reload, and what is in use
//	adminhandler.go adminoidc.go office.go storage.go
//	                                 the directive attache_admin
//
// docs/architecture.md is the map of all rooms.
package caddymodule
