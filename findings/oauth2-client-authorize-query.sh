#!/usr/bin/env bash
# @badgateway/oauth2-client 3.3.1 adds its parameters to an authorization endpoint behind a second "?" where the
# endpoint has a query of its own.
#
# RFC 6749 §3.1: the endpoint may have a query, which must be kept when parameters are added. Here the parameter before
# the second "?" swallows client_id: ?tenant=one?client_id=… is one parameter, and the server says that none was sent.
# Services with a tenant, a team or an API version in the query of their endpoint are met by it.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --ignore-scripts --no-audit --no-fund --loglevel=error @badgateway/oauth2-client@3.3.1 >/dev/null
cat >try.mjs <<'JS'
import { OAuth2Client } from '@badgateway/oauth2-client'
const client = new OAuth2Client({ clientId: 'abc', authorizationEndpoint: 'https://as.example/authorize?tenant=one', tokenEndpoint: 'https://as.example/token' })
const url = new URL(await client.authorizationCode.getAuthorizeUri({ redirectUri: 'http://localhost/cb' }))
console.log('tenant =', url.searchParams.get('tenant'))
console.log('client_id =', url.searchParams.get('client_id'))
JS
node try.mjs | tee seen
diff seen - <<'WANT'
tenant = one?client_id=abc
client_id = null
WANT
