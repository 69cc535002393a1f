// Package caddymodule runs Attaché inside Caddy: what Caddy finds, and nothing
// else. Only this folder and cmd import Caddy.
//
//	app.go provision.go build.go     the app attache: what all listeners share
//	caddyfile*.go                    the Caddyfile, as package config has it
//	handler.go visit.go door.go      the middleware: one request, by its door
//	connect.go identify.go           tunnels, and who is calling
//	shortcut.go listenershortcut.go  past Caddy's server, by connection.go, where that does nothing else
//	discovery.go presign.go          what the proxy says of itself
//	forward.go transport.go          sending, and what came back (http1: its head)
//	observe.go                       what is told of it (audit, metrics)
//	vault.go cache.go publicurl.go   what outlives a reload
//	adminhandler.go backend.go storage.go
//	                                 the directive attache_admin (oidc: signing in)
//
// docs/architecture.md is the map of all rooms.
package caddymodule
