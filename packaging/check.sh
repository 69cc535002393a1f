#!/usr/bin/env bash
# Tries what release.sh has put into dist/, on the machine it is for: checksums, archive,
# npm packages, OCI layout, and, as root, the Debian package: installed, run as its unit
# runs it, removed. Where a mount namespace may be had, that happens in a copy of this
# machine's root (an overlay) and leaves nothing here; else only with INSTALL=here.
#
#	./release.sh v1.2.3 && packaging/check.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
dist=$PWD/dist
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
arch=$(go env GOHOSTARCH)
archive=$(ls "$dist"/attache_*_linux_"$arch".tar.gz)
version=$(basename "$archive"); version=${version#attache_}; version=${version%_linux_*}
ok() { echo "ok: $*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
answers() { # url: waits until it answers 200
	for _ in $(seq 150); do curl -fsS --noproxy '*' -o "$work/answer" "$1" 2>/dev/null && return; sleep 0.2; done
	return 1
}

(cd "$dist" && sha256sum --quiet -c checksums.txt)
ok "checksums of $(wc -l <"$dist/checksums.txt") files"

mkdir "$work/archive" && tar -C "$work/archive" -xzf "$archive"
"$work/archive/attache" version --json | grep -q "\"version\": \"v$version\"" || fail "the version in the archive"
for f in completions/attache.bash completions/_attache completions/attache.fish man/attache.1 man/attache-exec.1 LICENSE Caddyfile.example; do
	[ -s "$work/archive/$f" ] || fail "no $f in the archive"
done
bash -n "$work/archive/completions/attache.bash"
size=$(stat -c %s "$work/archive/attache") packed=$(gzip -9 <"$work/archive/attache" | wc -c)
[ "$size" -le 75000000 ] && [ "$packed" -le 24000000 ] || fail "the binary has $size bytes, $packed compressed"
ok "archive: $size bytes, $packed compressed"

python3 - "$dist/attache_${version}_sbom.cdx.json" <<'P' || fail "the SBOM"
import json, sys
d = json.load(open(sys.argv[1]))
names = {c["name"] for c in d["components"]}
assert d["bomFormat"] == "CycloneDX" and "github.com/caddyserver/caddy/v2" in names and len(names) > 100, len(names)
P
ok "SBOM"

for format in rpm apk; do # their own tools look inside where they are here
	ls "$dist"/attache?"$version"*."$format" >/dev/null 2>&1 || ls "$dist"/attache*."$format" >/dev/null || fail "no $format"
done
tar -tzf "$(ls "$dist"/attache*_"$(uname -m)".apk "$dist"/attache*_"$arch".apk 2>/dev/null | head -1)" 2>/dev/null >"$work/apk" || true
grep -qx usr/bin/attache "$work/apk" || fail "no usr/bin/attache in the apk"
if command -v rpm >/dev/null; then
	rpm -qpl "$dist"/attache*."$(uname -m)".rpm 2>/dev/null >"$work/rpm"
	grep -qx /usr/bin/attache "$work/rpm" || fail "no /usr/bin/attache in the rpm"
	ok "apk, rpm"
else
	ok "apk (rpm is not looked into: no rpm here)"
fi

layout=$dist/attache_${version}_oci_$arch
python3 - "$layout" "$work/image" <<'P' || fail "the OCI layout"
import hashlib, json, os, sys, tarfile, gzip
layout, root = sys.argv[1:]
def blob(d):
    path = os.path.join(layout, "blobs", *d["digest"].split(":"))
    data = open(path, "rb").read()
    assert len(data) == d["size"] and "sha256:" + hashlib.sha256(data).hexdigest() == d["digest"], path
    return data
index = json.load(open(layout + "/index.json"))
manifest = json.loads(blob(index["manifests"][0]))
config = json.loads(blob(manifest["config"]))
for layer, diff in zip(manifest["layers"], config["rootfs"]["diff_ids"]):
    data = gzip.decompress(blob(layer))
    assert "sha256:" + hashlib.sha256(data).hexdigest() == diff
    open(root + ".tar", "wb").write(data)
    tarfile.open(root + ".tar").extractall(root)
assert config["config"]["Entrypoint"] == ["/attache"] and config["config"]["User"] == "65532:65532"
P
"$work/image/attache" version | grep -q "v$version" || fail "the image's binary"
[ -s "$work/image/etc/ssl/certs/ca-certificates.crt" ] || fail "no roots in the image"
ok "OCI layout: digests, and its binary runs"

cpu=$(node -p process.arch) system=$(node -p process.platform)
mkdir "$work/npm" && cd "$work/npm"
echo '{"name":"check","private":true}' >package.json
# The other platforms' packages are optional, and not in any registry yet.
npm install --silent --no-audit --no-fund --offline "$dist/attache-$version.tgz" "$dist/attache-$system-$cpu-$version.tgz" >"$work/npm.log" 2>&1 || { cat "$work/npm.log"; fail "npm install"; }
npx --no-install attache version | grep -q "v$version" || fail "npx attache version"
npx --no-install attache nosuch >/dev/null 2>&1 && fail "npx attache nosuch" || [ $? = 2 ] || fail "the exit code does not pass through npx"
ok "npm: installed from tarballs, runs, passes on exit codes"
cd "$dist"

# What follows changes the root of the file system that it runs in.
installed() {
	set -e
	dpkg -i "$1" >/dev/null
	attache version | grep -q "v$version"
	getent passwd attache >/dev/null
	[ "$(stat -c %U:%G:%a /etc/attache/Caddyfile)" = root:attache:640 ]
	[ -s /usr/share/man/man1/attache.1 ] || [ -s /usr/share/man/man1/attache.1.gz ] || find /usr/share/man/man1 -maxdepth 1 -name 'attache*' | head -1 | grep -q .
	if command -v systemd-analyze >/dev/null; then
		systemd-analyze verify --man=no /usr/lib/systemd/system/attache.service 2>&1 | grep 'attache.service' && return 1
		echo "ok: systemd-analyze verify"
	fi
	# As the unit: its user, its environment, its command. systemd itself is not process 1
	# in a container.
	install -d -o attache -g attache -m 700 /var/lib/attache
	install -d -o attache -g attache -m 750 /run/attache
	unit=/usr/lib/systemd/system/attache.service
	read -ra environment < <(sed -n 's/^Environment=//p' $unit)
	read -ra start < <(sed -n 's/^ExecStart=//p' $unit)
	setpriv --reuid attache --regid attache --clear-groups --no-new-privs env -i PATH=/usr/bin:/bin "${environment[@]}" "${start[@]}" >"$2/service.log" 2>&1 &
	pid=$!
	answers http://127.0.0.1:8080/readyz || { cat "$2/service.log"; return 1; }
	kill -USR1 $pid # what systemctl reload sends
	sleep 1
	answers http://127.0.0.1:8080/readyz
	kill $pid
	wait $pid || [ $? = 143 ]
	[ -n "$(ls -A /var/lib/attache)" ]
	dpkg -r attache >/dev/null
	[ ! -e /usr/bin/attache ] && [ -e /etc/attache/Caddyfile ]
	dpkg -P attache >/dev/null 2>&1
	[ ! -e /etc/attache/Caddyfile ] && [ -n "$(ls -A /var/lib/attache)" ]
	echo "ok: Debian package: installed, run as its unit runs it, reloaded, removed; the vault stays"
}
deb=$(ls "$dist"/attache_*_"$arch".deb)
if [ "$(id -u)" != 0 ]; then
	echo "not tried: the Debian package (root only)"
elif [ "${INSTALL:-}" = here ]; then
	installed "$deb" "$work" || fail "the Debian package"
else
	mkdir "$work/over"
	export -f installed answers
	export deb work version
	unshare -m bash -euc '
		mount -t tmpfs none "$work/over" && mkdir -p "$work/over"/{upper,work,system}
		mount -t overlay overlay -o "lowerdir=/,upperdir=$work/over/upper,workdir=$work/over/work" "$work/over/system"
		mount -t proc proc "$work/over/system/proc"
		mount --rbind /dev "$work/over/system/dev"
		cp "$deb" "$work/over/system/attache.deb"
		chroot "$work/over/system" bash -uc "mkdir -p $work; installed /attache.deb $work"' || fail "the Debian package (without mount namespaces here: INSTALL=here)"
fi
