#!/usr/bin/env bash
# Every check of this repository, with one command and from a clean clone:
#
#	./integration/test.sh              all of it
#	./integration/test.sh -run TestGit only the integration tests that match
#	./integration/test.sh --fuzz       every fuzz target for a minute (FUZZTIME=5m: for that long)
#	./integration/test.sh --attack     the hostile agent's attacks alone (--attack --long: an hour of mutations)
#
# What is missing on the machine is installed through apt when this runs as
# root, and named otherwise. With CI=true nothing is skipped: what cannot run
# is a failure. The tests start the servers they need themselves, on free ports;
# all that this makes lies in one temporary directory, which is gone at its end.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.8.2
govulncheck=golang.org/x/vuln/cmd/govulncheck@v1.8.0
# Servers of object storage that look at every signature or token, and a client of gRPC.
servers=(github.com/versity/versitygw/cmd/versitygw@v1.8.0 github.com/fsouza/fake-gcs-server@v1.56.1 github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3)

passed=0 failed=0
group= # process group of what runs now

say() { printf '\n== %s\n' "$*"; }

# finish ends everything that was started here, however this script ends.
finish() {
	[ -z "$group" ] || kill -TERM -- "-$group" 2>/dev/null || true
	chmod -R u+w "$state" 2>/dev/null || true
	rm -rf "$state"
}
state=$(mktemp -d /tmp/attache-test.XXXXXX)
chmod 711 "$state" # PostgreSQL does not run as root, and its data lies below
trap finish EXIT
trap 'exit 130' INT TERM

# grouped COMMAND… runs a command in a process group of its own, so that finish
# can end all of it.
grouped() {
	local code=0
	set -m
	"$@" &
	group=$!
	set +m
	wait "$group" || code=$?
	group=
	return "$code"
}

# check NAME COMMAND… runs a command and counts it as one check.
check() {
	local name=$1
	shift
	say "$name"
	if grouped "$@"; then passed=$((passed + 1)); else
		failed=$((failed + 1))
		echo "FAIL $name"
	fi
}

# --- what the tests need ------------------------------------------------------

pgbin() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1; }
have_go() { command -v go >/dev/null; }
have_node() { node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 18) ? 0 : 1)' 2>/dev/null; }
have_java() { [ "$(java -version 2>&1 | sed -nE 's/.* version "([0-9]+).*/\1/p')" -ge 17 ] 2>/dev/null && command -v javac keytool >/dev/null; }
have_compose() { docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null; }
have_python() { /usr/bin/python3 -c "import $1" 2>/dev/null; }

# packages prints the Debian packages of what is not there.
packages() {
	local c
	for c in curl:curl git:git openssl:openssl nginx:nginx fcgiwrap:fcgiwrap redis-server:redis-server ip:iproute2 chromium:chromium npm:npm zsh:zsh fish:fish gh:gh php:php-cli; do
		PATH=$PATH:/usr/sbin:/sbin command -v "${c%%:*}" >/dev/null || echo "${c##*:}"
	done
	[ -f /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
	[ -x /usr/lib/git-core/git-http-backend ] || echo git
	[ -x /usr/bin/aws ] || echo awscli
	[ -f /usr/lib/apache2/modules/mod_auth_digest.so ] || echo apache2-bin
	[ -n "$(pgbin)" ] || echo postgresql
	have_compose || echo docker-compose
	have_node || echo nodejs
	have_java || echo default-jdk-headless
	have_python requests || echo python3-requests
	have_python httpx || echo python3-httpx
	have_python h2 || echo python3-h2
	have_python urllib3 || echo python3-urllib3
	have_python boto3 || echo python3-boto3
}

install() {
	local missing
	mapfile -t missing < <(packages | sort -u)
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
		echo "missing: ${missing[*]}"
		echo "as root: apt-get install ${missing[*]}"
		return 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q >"$state/apt.log" 2>&1 &&
		apt-get install -y -q --no-install-recommends "${missing[@]}" >>"$state/apt.log" 2>&1 || {
		tail -n 20 "$state/apt.log"
		return 1
	}
	mapfile -t missing < <(packages | sort -u)
	[ ${#missing[@]} -eq 0 ] || {
		echo "still missing after apt-get install: ${missing[*]} (Node must be 20.18 or newer, Java 17)"
		return 1
	}
}

node_modules() {
	mkdir -p "$state/node"
	cp integration/node/* "$state/node/"
	(cd "$state/node" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
	export ATTACHE_NODE_DIR=$state/node
}

go_servers() {
	local server
	for server in "${servers[@]}"; do GOBIN=$state/bin plain go install "$server"; done
	export ATTACHE_TOOLS=$state/bin
}

# --- checks -------------------------------------------------------------------

formatted() {
	local files
	files=$(git ls-files -co --exclude-standard '*.go' | xargs -r gofmt -l)
	[ -z "$files" ] || { echo "gofmt would change: $files"; return 1; }
}

# vulnerabilities fails only where govulncheck ran and found some (it then
# exits with 3): its database may be out of reach.
vulnerabilities() {
	local code=0
	GOBIN=$state/bin plain go install "$govulncheck" 2>"$state/vuln.log" || code=$?
	[ "$code" -ne 0 ] || plain "$state/bin/govulncheck" ./... >"$state/vuln.log" 2>&1 || code=$?
	case $code in
	0) echo "none known" ;;
	3) cat "$state/vuln.log"; return 1 ;;
	*) echo "not checked: $(tail -n 1 "$state/vuln.log")" ;;
	esac
}

# plain COMMAND… is with the settings of a release. The checks use them too:
# each other set of settings would compile all of Caddy once more.
plain() { CGO_ENABLED=0 GOFLAGS="${GOFLAGS:-} -tags=nobadger,nomysql" "$@"; }

build() {
	plain go build -o "$state/attache" ./cmd/attache
	export ATTACHE_BIN=$state/attache
	plain go build -o "$state/summary" ./integration/summary
}

# The tests from outside run against a binary with the race detector where
# there is one, except those that measure.
build_race() {
	go build "${race[@]}" -o "$state/attache-race" ./cmd/attache
	export ATTACHE_RACE_BIN=$state/attache-race
}

# The race detector looks at all that goes into the program but what only computes, is
# not ours to check, and takes several times as long with it: SQLite, which is Go here,
# and the readers of YAML and of expressions, by which every test's catalogue is loaded.
race=()
if command -v "${CC:-gcc}" >/dev/null && [ "$(go env CGO_ENABLED)" = 1 ]; then
	race=(-race)
	for each in modernc.org/... go.yaml.in/yaml/v3 cel.dev/cel-go/... github.com/antlr4-go/antlr/...; do race+=("-gcflags=$each=-race=false"); done
fi

# outside ARGUMENTS… runs tests of the integration package. What a killed one
# leaves behind lies below $state.
outside() { ATTACHE_INTEGRATION=1 TMPDIR=$state plain go test -json -count=1 -timeout 40m "$@" ./integration; }

# What services look like is computed with hardly a goroutine, and takes five times as
# long with the race detector. So does the search for secrets, but for its short tests;
# the command line's scripts, which start the program some hundred times, and confined
# commands, whose first process computes alone: the outside tests have a program with
# the detector.
unit_tests() {
	local code=0
	export ATTACHE_THOROUGH=1
	plain go test -json -timeout 15m ./providers/... ./resolver/scrub ./caddymodule/command/confine ./cmd/... || code=1
	go test "${race[@]}" -json -skip '^(TestPassingIsNotMissing|TestStreamIsReference|TestInflated|TestRun|TestAttempts|TestTerminal)$' ./resolver/scrub ./caddymodule/command/confine || code=1
	go list ./... | grep -vE '/integration$|/(providers|cmd|resolver/scrub)(/|$)|/command/confine$' | xargs go test "${race[@]}" -json -timeout 25m || code=1
	return "$code"
}

# The tests from outside wait more than they compute, and some do nothing but
# wait for a minute to pass: both go beside the unit tests, and so do some that take
# minutes, behind the composed way. A run may end badly
# without having told of a test.
# The other way to write a proxy, attache_match with Caddy's reverse_proxy, passes
# the tests of what is streamed, broken off, upgraded and refused.
composed='^(TestServerSentEvents|TestChunkedUpload|TestTrailers|TestEarlyHints|TestExpectContinue|TestBodilessAndRange|TestBidirectional|TestClientHangsUp|TestKeptConnectionCloses|TestInformationalForEver|TestHintsAroundARefresh|TestAnswerBreaksOff|TestAgentHalfCloses|TestConnectionsBelongToAccounts|TestWebSocket.*|TestReload.*)$'
patient='^(TestLongSilence|TestDeviceTakeoverOnPostgres)$'
beside='^(TestDashboardWalk|TestDashboardBundle|TestChaos|TestCanaries|TestLargeBodies|TestS3Large|TestOperations|TestTokensOfSDKs|TestRulesOfProtocols|TestApprovals|TestMCP|TestMCPEras|TestConfined|TestRunsOfExec|TestRunsOfReplicas)$'
all_tests() {
	{
		{ unit_tests >"$state/unit.json" 2>&1 || touch "$state/bad" "$state/certain"; } &
		{ outside -parallel 32 -run "$patient" >"$state/patient.json" 2>&1 || touch "$state/bad"; } &
		{
			ATTACHE_COMPOSED=1 outside -run "$composed" >"$state/composed.json" 2>&1 || touch "$state/bad"
			outside -run "$beside" >"$state/beside.json" 2>&1 || touch "$state/bad"
		} &
		outside -skip "$patient|$beside" || touch "$state/bad"
		wait
		cat "$state/unit.json" "$state/patient.json" "$state/composed.json" "$state/beside.json"
	} | summarise -passed "$passed" -failed "$failed" -again "$state/again" || { second_try; return; }
	[ ! -e "$state/bad" ]
}

# second_try runs the outside tests that failed once more, one by one and with the
# machine to themselves: two cores with all of this at once keep a process waiting for
# seconds. A test that only passes then is unsteady, which is a fault to mend, and is
# named at the end of every run that it happens in. Nothing else has a second try: no
# package's own test, no data race, no panic, no more than three tests.
second_try() {
	local name names
	[ -s "$state/again" ] && [ ! -e "$state/certain" ] || return 1
	mapfile -t names <"$state/again"
	say "once more, alone: ${names[*]}"
	for name in "${names[@]}"; do
		outside -run "^$name\$" | summarise || return 1
		! [[ $name =~ $composed ]] || ATTACHE_COMPOSED=1 outside -run "^$name\$" | summarise || return 1
	done
	echo "unsteady: ${names[*]}"
}

some_tests() { outside -parallel 32 "$@" | summarise; }

summarise() {
	local strict=()
	[ "${CI:-}" != true ] || strict=(-strict)
	"$state/summary" "${strict[@]}" "$@"
}

# fuzz runs each target by itself, as go test wants it. What it finds lies in the
# package's testdata/fuzz, and is a case of every later run once it is committed.
fuzz() {
	local file name code=0
	while IFS=: read -r file name; do
		say "$name in $(dirname "$file")"
		plain go test -run '^$' -fuzz "^$name\$" -fuzztime "${FUZZTIME:-1m}" "./$(dirname "$file")" || code=1
	done < <(git grep -E '^func Fuzz[A-Za-z0-9]+' -- '*_test.go' | sed -E 's/:func (Fuzz[A-Za-z0-9]+).*/:\1/')
	return "$code"
}

# attacks plays the hostile agent against the binary; see integration/attack.
attacks() { plain go run ./integration/attack "$@"; }

have_go || { echo "missing: Go, at least $(sed -n 's/^go //p' go.mod) (https://go.dev/dl/)"; exit 1; }
if [ "${1:-}" = --fuzz ]; then
	grouped fuzz
	exit
fi
if [ "${1:-}" = --attack ]; then
	build
	grouped attacks "${@:2}"
	exit
fi
say "what the tests need"
install
node_modules
go_servers
build
[ ${#race[@]} -eq 0 ] || build_race

if [ $# -gt 0 ]; then
	grouped some_tests "$@"
	exit
fi

check gofmt formatted
check "go vet" plain go vet ./...
check staticcheck plain go run "$staticcheck" -tags nobadger,nomysql ./...
check govulncheck vulnerabilities
check "the hostile agent" attacks
say "go test ${race[*]::1}"
grouped all_tests
