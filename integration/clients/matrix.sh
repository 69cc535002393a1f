#!/usr/bin/env bash
# The clients of matrix.tsv that are installed here, each through `attache exec` with
# an agent that needs no token and with one that has one, as a table in Markdown:
#
#	./integration/clients/matrix.sh                the table on stdout
#	./integration/clients/matrix.sh --write        into docs/clients.md, between its marks
#	./integration/clients/matrix.sh Java           the rows that begin so
#
# It is no part of the tests: what is installed differs. ATTACHE_BIN names a binary;
# otherwise one is built. A row says ok where the service saw the account's credential.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export HERE=$PWD
write=
[ "${1:-}" != --write ] || { write=yes; shift; }
only=${1:-}
export TMP=$(mktemp -d /tmp/attache-clients.XXXXXX)
trap 'kill $proxy 2>/dev/null || true; rm -rf "$TMP"' EXIT
proxy=
bin=${ATTACHE_BIN:-$TMP/attache}
[ -x "$bin" ] || (cd ../.. && CGO_ENABLED=0 go build -tags nobadger,nomysql -o "$bin" ./cmd/attache)

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
export STATE=$TMP XDG_CACHE_HOME=$TMP/cache OPEN=$(port) CLOSED=$(port) DEMO=$(port)
export DEMO_SECRET=demo-secret-of-the-matrix AGENT_TOKEN=agent-token-of-the-matrix-0123
"$bin" run --config Caddyfile >"$TMP/log" 2>&1 &
proxy=$!
for _ in $(seq 100); do
	curl -so /dev/null "http://127.0.0.1:$OPEN/healthz" && break
	sleep 0.2
done
unset DEMO_SECRET
export -n AGENT_TOKEN
export URL=https://demo.test/whoami PLAIN=http://demo.test/whoami

# call PORT TOKEN COMMAND is ok, or the last line of what it said.
call() {
	local out
	out=$(ATTACHE_PROXY=http://127.0.0.1:$1 ATTACHE_TOKEN=$2 timeout 300 "$bin" exec -- sh -c "$3" </dev/null 2>&1) || true
	case $out in
	*'"authenticated":true'*) echo ok ;;
	*) echo "no: $(printf %s "$out" | tr -d '`|\r' | grep -v '^\s*$' | grep -v '^NOTE: ' | tail -1 | cut -c1-90)" ;;
	esac
}

table() {
	echo "| client | version | without a token | with a token |"
	echo "|---|---|---|---|"
	while IFS=$'\t' read -r name version command; do
		case $name in '#'* | '') continue ;; "$only"*) ;; *) continue ;; esac
		shown=$(timeout 60 sh -c "$version" 2>/dev/null | grep -oE '[0-9]+(\.[0-9A-Za-z]+)+' | head -1) || continue
		[ -n "$shown" ] || continue
		echo "| $name | $shown | $(call "$OPEN" '' "$command") | $(call "$CLOSED" "$AGENT_TOKEN" "$command") |"
	done <matrix.tsv
}

if [ -z "$write" ]; then
	table
	exit
fi
table >"$TMP/table"
python3 - "$TMP/table" ../../docs/clients.md <<'PY'
import datetime, platform, sys
table, page = open(sys.argv[1]).read(), open(sys.argv[2]).read()
before, rest = page.split("<!-- matrix -->\n")
_, after = rest.split("<!-- end of matrix -->\n")
said = f"Made on {datetime.date.today()} on {platform.system()} by `./integration/clients/matrix.sh --write`:\n\n"
open(sys.argv[2], "w").write(before + "<!-- matrix -->\n" + said + table + "<!-- end of matrix -->\n" + after)
PY
