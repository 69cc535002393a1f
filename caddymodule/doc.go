// Package caddymodule runs Attaché inside Caddy: an app that holds connectors,
// agents and credentials, a middleware that decides, and an upstream source and
// a transport for Caddy's own reverse_proxy, which sends. Nothing outside this
// folder and cmd imports Caddy.
package caddymodule
