#!/usr/bin/env bash
# @modelcontextprotocol/sdk 1.32.2 reads the parameters of a WWW-Authenticate challenge by looking for their names
# anywhere in the text.
#
# A word in error_description is taken for the scope that is wanted, and so is the value of a parameter whose name only
# ends with "scope"; a challenge behind another one, a name in capitals and blanks around "=" are not seen, so that no
# metadata is found and the client cannot begin to authorize. All of it is valid: RFC 9110 §11.2 (names are
# case-insensitive, blanks may stand around "="), §11.6.1 (several challenges in one field), RFC 6750 §3
# (error_description is text for people), RFC 9728 §5.1 (resource_metadata).
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --ignore-scripts --no-audit --no-fund --loglevel=error @modelcontextprotocol/sdk@1.32.2 >/dev/null
cat >try.mjs <<'JS'
import { extractWWWAuthenticateParams } from '@modelcontextprotocol/sdk/client/auth.js'
for (const challenge of [
	'Bearer resource_metadata="https://api.example/m", scope="read"', // as it expects it
	'Bearer error_description="the token has no scope=admin", scope="read"',
	'Bearer tenant_scope="eu", scope="read"',
	'Basic realm="people", Bearer resource_metadata="https://api.example/m", scope="read"',
	'Bearer Resource_Metadata="https://api.example/m"',
	'Bearer resource_metadata = "https://api.example/m"',
]) {
	const { resourceMetadataUrl, scope } = extractWWWAuthenticateParams(new Response(null, { status: 401, headers: { 'WWW-Authenticate': challenge } }))
	console.log(`${challenge}\n  metadata: ${resourceMetadataUrl}, scope: ${scope}`)
}
JS
node try.mjs | tee seen
diff seen - <<'WANT'
Bearer resource_metadata="https://api.example/m", scope="read"
  metadata: https://api.example/m, scope: read
Bearer error_description="the token has no scope=admin", scope="read"
  metadata: undefined, scope: admin"
Bearer tenant_scope="eu", scope="read"
  metadata: undefined, scope: eu
Basic realm="people", Bearer resource_metadata="https://api.example/m", scope="read"
  metadata: undefined, scope: undefined
Bearer Resource_Metadata="https://api.example/m"
  metadata: undefined, scope: undefined
Bearer resource_metadata = "https://api.example/m"
  metadata: undefined, scope: undefined
WANT
