#!/usr/bin/env bash
# The chaos test: eight replicas, real processes on one real PostgreSQL and one
# real Redis, and 200 accounts whose refresh tokens work once, while replicas are
# killed and stopped, Redis and PostgreSQL go away, answers of the token endpoint
# are delayed and dropped, and clocks jump by a minute.
#
#	./integration/chaos.sh [--seconds N]   five minutes by default
#
# It exits with 0 and a summary line when everything held. test.sh installs what
# it needs and runs a minute of it.
set -euo pipefail

seconds=300
while [ $# -gt 0 ]; do
	case $1 in
	--seconds) seconds=${2:?--seconds wants a number}; shift 2 ;;
	*) echo "usage: $0 [--seconds N]"; exit 2 ;;
	esac
done
case $seconds in '' | *[!0-9]*) echo "--seconds wants a number"; exit 2 ;; esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CGO_ENABLED=0
state=$(mktemp -d /tmp/attache-chaos.XXXXXX)
chmod 711 "$state" # PostgreSQL does not run as root
trap 'rm -rf "$state"' EXIT
if [ -z "${ATTACHE_BIN:-}" ]; then
	go build -tags=nobadger,nomysql -o "$state/attache" ./cmd/attache
	export ATTACHE_BIN=$state/attache
fi
go test -c -tags=nobadger,nomysql -o "$state/integration.test" ./integration
cd integration
code=0
CI=true ATTACHE_INTEGRATION=1 ATTACHE_CHAOS_SECONDS=$seconds TMPDIR=$state \
	"$state/integration.test" -test.run '^TestChaos$' -test.count 1 -test.timeout "$((seconds + 300))s" >"$state/log" 2>&1 || code=$?
if [ "$code" -ne 0 ]; then cat "$state/log"; fi
grep '^chaos: ' "$state/log" || { [ "$code" -ne 0 ] || { cat "$state/log"; code=1; }; }
exit "$code"
