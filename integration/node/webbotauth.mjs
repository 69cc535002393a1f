// A service that lets agents in which say who they are: the package web-bot-auth checks
// requests by the key directory of their Signature-Agent.
//
//	node webbotauth.mjs < JSON
//
// It reads { request: { method, url, headers }, directory: JWKS } and prints a line of
// JSON: the key id that verified, or the error.
import { verify } from 'web-bot-auth'
import { verifierFromJWK } from 'web-bot-auth/crypto'

let text = ''
for await (const part of process.stdin) text += part
const { request, directory } = JSON.parse(text)
// 0.1.3 takes the whole field for what stands under one key of it (RFC 9421 §2.1.2).
const named = /"signature-agent";key="([a-z0-9]+)"/.exec(request.headers['Signature-Input'])?.[1]
if (named) request.headers['Signature-Agent'] = request.headers['Signature-Agent'].replace(`${named}=`, '')
try {
  const keyid = /;keyid="([^"]+)"/.exec(request.headers['Signature-Input'])[1]
  const jwk = directory.keys.find((k) => k.kid === keyid)
  await verify(new Request(request.url, request), async (data, signature, params) => (await verifierFromJWK(jwk))(data, signature, params))
  console.log(JSON.stringify({ keyid }))
} catch (err) {
  console.log(JSON.stringify({ error: err.message }))
}
