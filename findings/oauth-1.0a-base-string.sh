#!/usr/bin/env bash
# npm oauth-1.0a 2.2.6: the signature base string leaves RFC 5849 on valid URLs.
#
# Seen (Node 20, each with a fresh set of parameters):
#
#   GET http://example.com/r?d=a=b        signs d=a: the value ends at its second "="
#                                         (RFC 5849 §3.4.1.3.1 parses the query as a form: d is "a=b")
#   GET http://example.com/r?a=x+y        signs a=x%2By; a form's "+" is a space (§3.4.1.3.1, example of §3.4.1.3.2)
#   GET HTTP://EXAMPLE.COM:80/r           signs scheme, host and port as they stand; §3.4.1.2 wants lower case
#                                         and no default port
#   GET http://example.com?x=1            signs http://example.com without the path "/" that is sent (§3.4.1.2)
#
# A service that follows the RFC answers 401 to each. Who signs such requests elsewhere (a proxy, say) must
# not copy this base string to be "compatible": services take the RFC's.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --ignore-scripts --no-audit --no-fund --loglevel=error oauth-1.0a@2.2.6 >/dev/null
cat >try.cjs <<'JS'
const OAuth = require('oauth-1.0a')
const oauth = new OAuth({ consumer: { key: 'k', secret: 's' }, signature_method: 'HMAC-SHA1', hash_function: () => '' })
for (const url of ['http://example.com/r?d=a=b', 'http://example.com/r?a=x+y', 'HTTP://EXAMPLE.COM:80/r', 'http://example.com?x=1']) {
  const [, base, params] = oauth.getBaseString({ url, method: 'GET' }, { oauth_nonce: 'n' }).split('&')
  console.log(decodeURIComponent(base), decodeURIComponent(params))
}
JS
node try.cjs | tee seen
diff seen - <<'WANT'
http://example.com/r d=a&oauth_nonce=n
http://example.com/r a=x%2By&oauth_nonce=n
HTTP://EXAMPLE.COM:80/r oauth_nonce=n
http://example.com oauth_nonce=n&x=1
WANT
