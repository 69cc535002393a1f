#!/usr/bin/env bash
# Builds a release into dist/: stripped static binaries in archives, packages for
# Debian, Red Hat and Alpine, npm packages, an OCI image layout for each processor,
# completions, man pages, checksums.
#
#	./release.sh v1.2.3
#	TARGETS="linux/amd64" ./release.sh v1.2.3      # those alone
#
# It needs Go, git and tar; zip for Windows, npm for the npm packages: what cannot be
# made is said at the end, and the exit code is 1 then. The tools are pinned here, and
# are no part of go.mod. packaging/check.sh tries what came of it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
nfpm=github.com/goreleaser/nfpm/v2/cmd/nfpm@${NFPM_VERSION:-v2.45.2}
sbom=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@${SBOM_VERSION:-v1.9.0}

tag=${1:-}
if ! [[ $tag =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]]; then
	echo "usage: ./release.sh vMAJOR.MINOR.PATCH" >&2
	exit 2
fi
version=${tag#v}
targets=${TARGETS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64}
out=$PWD/dist
rm -rf "$out"
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
missing=()
# One time for everything in it, so that the same commit makes the same files.
when=$(git log -1 --format=%cI)
export SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
archived() { tar --sort=name --mtime="$when" --owner=0 --group=0 --numeric-owner "$@"; }

tool() { # name module: builds one of the tools for this machine
	env -u GOFLAGS -u GOOS -u GOARCH GOBIN="$work/bin" go install "$2" >&2 || missing+=("$1: go install $2 failed")
}
tool nfpm "$nfpm"
tool cyclonedx-gomod "$sbom"

mapfile -t cold < <(sed -n 's|^[^#].*|-gcflags=&/...=-l|p' packaging/cold.txt)
build() { # os arch file
	CGO_ENABLED=0 GOOS=$1 GOARCH=$2 go build -trimpath -tags nobadger,nomysql "${cold[@]}" \
		-ldflags "-s -w -funcalign=16 -X github.com/attache-proxy/attache/caddymodule/version.tag=$tag" -o "$3" ./cmd/attache
}

# What is the same everywhere is made by a binary for this machine.
build "$(go env GOHOSTOS)" "$(go env GOHOSTARCH)" "$work/here"
mkdir -p "$work/completions"
"$work/here" manpage --directory "$work/man"
"$work/here" completion bash >"$work/completions/attache.bash"
"$work/here" completion zsh >"$work/completions/_attache"
"$work/here" completion fish >"$work/completions/attache.fish"
"$work/here" completion powershell >"$work/completions/attache.ps1"
[ "$("$work/here" version --json | grep -c "\"version\": \"$tag\"")" = 1 ]

image() { # binary arch: an OCI image layout, without a daemon
	local layout=$out/attache_${version}_oci_$2 root=$work/root-$2 blobs
	rm -rf "$root"
	mkdir -p "$root/etc/ssl/certs" "$root/etc/attache" "$root/data" "$root/config" "$root/tmp" "$layout/blobs/sha256"
	blobs=$layout/blobs/sha256
	cp "$1" "$root/attache"
	cp Caddyfile.example "$root/etc/attache/Caddyfile"
	cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/" 2>/dev/null || missing+=("roots of the image for $2: no /etc/ssl/certs/ca-certificates.crt here")
	archived --owner=65532 --group=65532 -C "$root" -cf "$work/layer.tar" .
	gzip -n -9 <"$work/layer.tar" >"$work/layer.tar.gz"
	blob() { local sum; sum=$(sha256sum "$1" | cut -d' ' -f1); cp "$1" "$blobs/$sum"; echo "$sum"; }
	local layer diff config manifest
	layer=$(blob "$work/layer.tar.gz")
	diff=$(sha256sum "$work/layer.tar" | cut -d' ' -f1)
	printf '{"architecture":"%s","os":"linux","created":"%s","config":{"User":"65532:65532","Env":["XDG_DATA_HOME=/data","XDG_CONFIG_HOME=/config","HOME=/data"],"Entrypoint":["/attache"],"Cmd":["run","--config","/etc/attache/Caddyfile","--adapter","caddyfile"],"ExposedPorts":{"8080/tcp":{}},"Labels":{"org.opencontainers.image.version":"%s","org.opencontainers.image.licenses":"Apache-2.0"}},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created":"%s","created_by":"release.sh"}]}' \
		"$2" "$when" "$version" "$diff" "$when" >"$work/config"
	config=$(blob "$work/config")
	printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:%s","size":%s}]}' \
		"$config" "$(stat -c %s "$work/config")" "$layer" "$(stat -c %s "$work/layer.tar.gz")" >"$work/manifest"
	manifest=$(blob "$work/manifest")
	printf '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
	printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"platform":{"os":"linux","architecture":"%s"},"annotations":{"org.opencontainers.image.ref.name":"%s"}}]}' \
		"$manifest" "$(stat -c %s "$work/manifest")" "$2" "$version" >"$layout/index.json"
}

npm_os() { case $1 in windows) echo win32 ;; *) echo "$1" ;; esac; }
npm_cpu() { case $1 in amd64) echo x64 ;; *) echo "$1" ;; esac; }

optional=
for target in $targets; do
	os=${target%/*} arch=${target#*/}
	built=$work/$os-$arch
	mkdir -p "$built"
	binary=$built/attache
	[ "$os" != windows ] || binary=$built/attache.exe
	echo "building $os/$arch" >&2
	build "$os" "$arch" "$binary"
	cp -r LICENSE README.md CHANGELOG.md SECURITY.md Caddyfile.example packaging/grafana.json "$work/completions" "$work/man" "$built/"
	name=attache_${version}_${os}_$arch
	if [ "$os" = windows ]; then
		if command -v zip >/dev/null; then (cd "$built" && zip -qr "$out/$name.zip" .); else missing+=("$name.zip: no zip here"); fi
	else
		archived -C "$built" -czf "$out/$name.tar.gz" .
	fi
	if [ "$os" = linux ]; then
		for format in deb rpm apk; do
			ARCH=$arch VERSION=$version BUILT=$built "$work/bin/nfpm" package --config packaging/nfpm.yaml --packager $format --target "$out/" >&2 ||
				missing+=("the $format of $arch: nfpm failed")
		done
		image "$binary" "$arch"
	fi
	if command -v npm >/dev/null; then
		package=attache-$(npm_os "$os")-$(npm_cpu "$arch")
		mkdir -p "$work/npm/$package/bin"
		cp "$binary" "$work/npm/$package/bin/"
		cp LICENSE "$work/npm/$package/"
		printf '{"name":"%s","version":"%s","description":"attache for %s","license":"Apache-2.0","os":["%s"],"cpu":["%s"],"files":["bin","LICENSE"]}\n' \
			"$package" "$version" "$target" "$(npm_os "$os")" "$(npm_cpu "$arch")" >"$work/npm/$package/package.json"
		(cd "$out" && npm pack --silent "$work/npm/$package" >/dev/null)
		optional+="${optional:+,}\"$package\":\"$version\""
	fi
done
if command -v npm >/dev/null; then
	mkdir -p "$work/npm/attache/bin"
	cp packaging/npm/attache.js "$work/npm/attache/bin/attache.js"
	cp README.md LICENSE "$work/npm/attache/"
	printf '{"name":"attache","version":"%s","description":"Attaches credentials to the API calls of agents","license":"Apache-2.0","bin":{"attache":"bin/attache.js"},"files":["bin","README.md","LICENSE"],"engines":{"node":">=18"},"optionalDependencies":{%s}}\n' \
		"$version" "$optional" >"$work/npm/attache/package.json"
	(cd "$out" && npm pack --silent "$work/npm/attache" >/dev/null)
else
	missing+=("npm packages: no npm here")
fi

# Every module in it, with its checksum.
"$work/bin/cyclonedx-gomod" bin -json -version "$tag" -noserial -output "$out/attache_${version}_sbom.cdx.json" "$work/here" >&2 ||
	missing+=("the SBOM: cyclonedx-gomod failed")
(cd "$out" && find . -type f ! -name checksums.txt -printf '%P\n' | sort | xargs sha256sum >checksums.txt)
if [ ${#missing[@]} -gt 0 ]; then
	printf 'not made: %s\n' "${missing[@]}" >&2
	exit 1
fi
