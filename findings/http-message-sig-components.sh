#!/usr/bin/env bash
# npm http-message-sig 0.2.0 (below web-bot-auth 0.1.3): four components of RFC 9421 have other values than the RFC says.
#
# Seen, in the signature base that the library gives to its signer:
#
#   "@query" of a URL without a query   is empty; RFC 9421 §2.2.7 says that it is "?" alone
#   "@method" of "m-search"             is "M-SEARCH"; §2.2.1 keeps the case, since methods are case-sensitive (RFC 9110 §9.1)
#   a field "a=1,    b=2"               becomes "a=1, b=2"; §2.1 strips white space at the ends of a value and unfolds
#                                       lines, and leaves what is inside as it is
#   "@authority" of https://x.test:80   is "x.test"; port 80 is no default of https (§2.2.3)
#
# The signature is right for that base, so two users of the library agree with each other and with nobody else.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --ignore-scripts --no-audit --no-fund --loglevel=error http-message-sig@0.2.0 >/dev/null
cat >try.mjs <<'JS'
import { signatureHeaders } from 'http-message-sig'
const base = async (message, ...components) => {
  let seen
  const signer = { keyid: 'k', alg: 'ed25519', sign: async (data) => { seen = data; return new Uint8Array(64) } }
  await signatureHeaders(message, { signer, components, created: new Date(0) })
  return seen.split('\n').filter((line) => !line.startsWith('"@signature-params"')).join('\n')
}
console.log(await base({ method: 'GET', url: 'https://x.test/', headers: {} }, '@query'))
console.log(await base({ method: 'm-search', url: 'https://x.test/', headers: {} }, '@method'))
console.log(await base({ method: 'GET', url: 'https://x.test/', headers: { 'Example-Dict': 'a=1,    b=2' } }, 'example-dict'))
console.log(await base({ method: 'GET', url: 'https://x.test:80/', headers: {} }, '@authority'))
JS
node try.mjs | tee seen
diff seen - <<'WANT'
"@query": 
"@method": M-SEARCH
"example-dict": a=1, b=2
"@authority": x.test
WANT
