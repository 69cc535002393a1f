#!/bin/sh
# Builds Attaché with all of Caddy's own modules (cmd/attache has those that a proxy
# needs), with xcaddy, from this checkout:
#
#	./xcaddy.sh [-o FILE] [--with module[@version][=replacement]]...
#
# Every --with adds a plug-in of Caddy's. xcaddy is pinned in go.mod.
set -eu
cd "$(dirname "$0")"
out=./attache
if [ "${1:-}" = -o ]; then
	out=$2
	shift 2
fi
caddy=$(go list -m -f '{{.Version}}' github.com/caddyserver/caddy/v2)
export CGO_ENABLED=0 XCADDY_SKIP_CLEANUP=0
exec go tool xcaddy build "$caddy" --output "$out" \
	--with "github.com/attache-proxy/attache@v0.0.0=$PWD" "$@"
