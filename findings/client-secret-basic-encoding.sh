#!/usr/bin/env bash
# arctic 3.7.0 and client-oauth2 4.3.3 put a client's id and secret into Basic as they are.
#
# RFC 6749 §2.3.1: both are form-encoded first. An id with a colon (a URN, a URL) is cut there by every server, and "%"
# and "+" in a secret are decoded to something else by those that follow the RFC. @badgateway/oauth2-client 3.3.1 and
# oauth4webapi 3.8.8 encode.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --ignore-scripts --no-audit --no-fund --loglevel=error arctic@3.7.0 client-oauth2@4.3.3 @badgateway/oauth2-client@3.3.1 oauth4webapi@3.8.8 >/dev/null
cat >try.mjs <<'JS'
import * as arctic from 'arctic'
import ClientOAuth2 from 'client-oauth2'
import { OAuth2Client } from '@badgateway/oauth2-client'
import * as oauth4webapi from 'oauth4webapi'
const id = 'urn:client:1', secret = '50%+1', endpoint = 'https://as.example/token', token = '{"access_token":"x","token_type":"bearer"}'
let sent
globalThis.fetch = async (url, init) => {
	sent = new Request(url, init).headers.get('Authorization')
	return new Response(token, { headers: { 'Content-Type': 'application/json' } })
}
const say = (name) => console.log(name, Buffer.from(sent.slice('Basic '.length), 'base64').toString())
await new arctic.OAuth2Client(id, secret, null).validateAuthorizationCode(endpoint, 'code', null); say('arctic')
await new ClientOAuth2({ clientId: id, clientSecret: secret, accessTokenUri: endpoint }, async (_method, _url, _body, headers) => {
	sent = headers.Authorization
	return { status: 200, body: token }
}).credentials.getToken(); say('client-oauth2')
await new OAuth2Client({ clientId: id, clientSecret: secret, tokenEndpoint: endpoint, authenticationMethod: 'client_secret_basic' }).clientCredentials(); say('@badgateway/oauth2-client')
const headers = new Headers()
oauth4webapi.ClientSecretBasic(secret)({}, { client_id: id }, new URLSearchParams(), headers)
sent = headers.get('Authorization'); say('oauth4webapi')
JS
node try.mjs | tee seen
diff seen - <<'WANT'
arctic urn:client:1:50%+1
client-oauth2 urn:client:1:50%+1
@badgateway/oauth2-client urn%3Aclient%3A1:50%25%2B1
oauth4webapi urn%3Aclient%3A1:50%25%2B1
WANT
