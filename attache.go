// Package attache is what xcaddy links into a Caddy of one's own. It only
// imports the Caddy modules; see caddymodule.
package attache

import _ "github.com/attache-proxy/attache/caddymodule"
