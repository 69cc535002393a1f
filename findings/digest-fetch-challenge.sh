#!/usr/bin/env bash
# digest-fetch 3.1.1 answers a Digest challenge behind a Basic one with a scheme "Basic" that has Digest's parameters,
# and answers what asks for SHA-256 with MD5.
#
# A server may offer several schemes in one field (RFC 9110 §11.6.1), and what joins lines of a header, as fetch does,
# makes one field of two. The scheme is the field's first word, the parameters are looked for anywhere. The algorithm of
# a challenge (RFC 7616 §3.3) is not read: it is what the program was told, MD5 if it was told nothing. A quote inside a
# realm (RFC 9110 §5.6.4) ends it, so that the hash is over another realm.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --ignore-scripts --no-audit --no-fund --loglevel=error digest-fetch@3.1.1 >/dev/null
cat >try.mjs <<'JS'
import DigestClient from 'digest-fetch'
for (const challenge of [
	'Digest realm="r", nonce="n", qop="auth"',
	'Basic realm="people", Digest realm="r", nonce="n", qop="auth"',
	'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256',
	String.raw`Digest realm="the \"inner\" one", nonce="n", qop="auth"`,
]) {
	let sent
	globalThis.fetch = async (_, options) => {
		sent = new Headers(options.headers).get('Authorization')
		return new Response(null, { status: sent ? 200 : 401, headers: { 'WWW-Authenticate': challenge } })
	}
	await new DigestClient('user', 'password').fetch('https://api.example/')
	console.log(challenge + '\n ', sent.split(' ')[0], /realm="[^,]*/.exec(sent)[0], /algorithm=[^,]*/.exec(sent)[0])
}
JS
node try.mjs | tee seen
diff seen - <<'WANT'
Digest realm="r", nonce="n", qop="auth"
  Digest realm="r" algorithm=MD5
Basic realm="people", Digest realm="r", nonce="n", qop="auth"
  Basic realm="people" algorithm=MD5
Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256
  Digest realm="r" algorithm=MD5
Digest realm="the \"inner\" one", nonce="n", qop="auth"
  Digest realm="the \" algorithm=MD5
WANT
