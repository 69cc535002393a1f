// A certified OpenID provider (oidc-provider) for tests, docs and one's own
// trials. It keeps everything in memory and asks for no real password.
//
//	node oidc.mjs --port 4400 --redirect http://localhost:9090/oauth/callback
//
// On its first line it prints what it is: issuer, endpoints, and the clients with
// their secrets and keys, as JSON. A signal ends it.
//
// Sign in at its pages with any name and any password, or post the same forms:
// prompt=login&login=NAME&password=x, then prompt=consent, each to the page's own URL;
// GET that URL + "/abort" denies.
//
// Beside the provider's own endpoints:
//
//	GET  /api/whoami, /api/needs/SCOPE  a service that takes its tokens (401, or 403 insufficient_scope)
//	     /mcp                           with --mcp: an MCP server of the TypeScript SDK that takes its tokens
//	GET  /_events                       what happened so far: grants, refusals, families killed
//	POST /_fault?mode=hang|drop|500&count=N   the next N token requests: wait 60 s, answered but cut off, or 500
import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { parseArgs } from 'node:util'
import { exportJWK, exportPKCS8, generateKeyPair } from 'jose'

URL.parse ??= (...args) => { try { return new URL(...args) } catch { return null } } // Node 20 has none

const flag = { type: 'boolean', default: false }
const text = (value) => ({ type: 'string', default: value })
const list = { type: 'string', multiple: true, default: [] }
const { values: opts } = parseArgs({
  options: {
    host: text('127.0.0.1'), // to listen on
    port: text('0'),
    issuer: text(''), // default: http://HOST:PORT, with --path behind it
    path: text(''), // an issuer with a path, such as /tenant
    cert: text(''), // PEM files: serve HTTPS
    key: text(''),
    redirect: list, // redirect URIs of the ready-made clients
    scope: list, // further scopes beside read, write and tools
    resource: list, // resources that tokens may be for (RFC 8707); default: any
    'access-ttl': text('3600'), // seconds
    'refresh-ttl': text('1209600'),
    'device-ttl': text('600'),
    'device-interval': text('5'), // the interval that is announced and held
    'no-rotation': flag, // refresh tokens stay
    'no-pkce': flag, // PKCE is not required
    'no-iss': flag, // no RFC 9207 iss in the callback
    'no-registration': flag,
    cimd: text(''), // take client ID metadata documents, and fetch them from this origin whatever host they name
    mcp: flag, // serve MCP at /mcp
    'mcp-era': text(''), // of the SDK since 2026-07-28: strict (no other era) or lenient (both)
    jwt: flag, // access tokens for a resource are JWTs
  },
})
const seconds = (name) => Number(opts[name])

// --- storage: the provider's own keeps 1000 entries, which is too few for a load test ----

const store = new Map() // key → { payload, until }
const families = new Map() // grant → keys
class Memory {
  constructor(model) { this.model = model }
  key(id) { return `${this.model}:${id}` }
  async upsert(id, payload, expiresIn) {
    const key = this.key(id)
    store.set(key, { payload, until: expiresIn ? Date.now() + expiresIn * 1000 : Infinity })
    if (payload.userCode) store.set('userCode:' + payload.userCode, { payload: id, until: Infinity })
    if (this.model === 'Session') store.set('uid:' + payload.uid, { payload: id, until: Infinity })
    if (payload.grantId) {
      if (!families.has(payload.grantId)) families.set(payload.grantId, new Set())
      families.get(payload.grantId).add(key)
    }
  }
  async find(id) {
    const entry = store.get(this.key(id))
    return entry && entry.until > Date.now() ? entry.payload : undefined
  }
  async findByUserCode(code) { return this.find(store.get('userCode:' + code)?.payload) }
  async findByUid(uid) { return this.find(store.get('uid:' + uid)?.payload) }
  async consume(id) { store.get(this.key(id)).payload.consumed = Math.floor(Date.now() / 1000) }
  async destroy(id) { store.delete(this.key(id)) }
  async revokeByGrantId(grant) {
    for (const key of families.get(grant) ?? []) store.delete(key)
    families.delete(grant)
  }
}
setInterval(() => {
  for (const [key, entry] of store) if (entry.until < Date.now()) store.delete(key)
}, 60_000).unref()

// --- clients ----------------------------------------------------------------

const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
const device = 'urn:ietf:params:oauth:grant-type:device_code'
const pair = await generateKeyPair('ES256', { extractable: true })
const signing = await generateKeyPair('RS256', { extractable: true })
const common = {
  redirect_uris: opts.redirect,
  response_types: opts.redirect.length ? ['code'] : [],
  grant_types: [...(opts.redirect.length ? ['authorization_code'] : []), 'refresh_token', device, 'client_credentials', exchange],
}
const clients = [
  { ...common, client_id: 'basic', client_secret: 'basic-secret-5f0c41', token_endpoint_auth_method: 'client_secret_basic' },
  { ...common, client_id: 'post', client_secret: 'post-secret-8a77e2', token_endpoint_auth_method: 'client_secret_post' },
  {
    ...common, client_id: 'jwt', token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'ES256',
    jwks: { keys: [{ ...await exportJWK(pair.publicKey), kid: 'client-key', alg: 'ES256', use: 'sig' }] },
  },
  { ...common, client_id: 'public', token_endpoint_auth_method: 'none', grant_types: common.grant_types.filter((g) => g !== 'client_credentials' && g !== exchange) },
]

// --- the provider -------------------------------------------------------------

const events = { token: {}, refused: {}, revoked_families: 0, fault: 0 }
const count = (where, key) => { where[key] = (where[key] ?? 0) + 1 }
const scopes = ['openid', 'offline_access', 'profile', 'email', 'read', 'write', 'tools', ...opts.scope]

const tls = opts.cert ? { cert: readFileSync(opts.cert), key: readFileSync(opts.key) } : undefined
const server = tls ? https.createServer(tls) : http.createServer()
await new Promise((done) => { server.listen(Number(opts.port), opts.host, done) })
const issuer = opts.issuer || `${tls ? 'https' : 'http'}://${opts.host}:${server.address().port}${opts.path}`

const log = console.info
console.info = console.warn = (...args) => console.error(...args) // its advice for production
const { Provider, errors } = await import('oidc-provider')
const provider = new Provider(issuer, {
  adapter: Memory,
  clients,
  scopes,
  claims: { openid: ['sub'], email: ['email'], profile: ['name'] },
  cookies: { keys: ['only for tests'] },
  jwks: { keys: [{ ...await exportJWK(signing.privateKey), kid: 'server-key', alg: 'RS256', use: 'sig' }] },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, name: id, email: `${id}@example.com` }) }),
  pkce: { required: () => !opts['no-pkce'] },
  rotateRefreshToken: !opts['no-rotation'],
  issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
  expiresWithSession: () => false,
  ttl: {
    AccessToken: seconds('access-ttl'), ClientCredentials: seconds('access-ttl'), RefreshToken: seconds('refresh-ttl'),
    DeviceCode: seconds('device-ttl'), AuthorizationCode: 60, Grant: 1209600, IdToken: 3600, Interaction: 600, Session: 1209600,
  },
  features: {
    clientCredentials: { enabled: true },
    clientIdMetadataDocument: { enabled: opts.cimd !== '', ack: 'draft-02' },
    deviceFlow: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    registration: { enabled: !opts['no-registration'] },
    registrationManagement: { enabled: !opts['no-registration'] },
    resourceIndicators: {
      defaultResource: (ctx, client, oneOf) => oneOf?.[0] ?? oneOf,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource) => {
        if (opts.resource.length && !opts.resource.includes(resource)) throw new errors.InvalidTarget()
        return { scope: scopes.join(' '), audience: resource, accessTokenTTL: seconds('access-ttl'), accessTokenFormat: opts.jwt ? 'jwt' : 'opaque' }
      },
    },
    revocation: { enabled: true },
  },
  fetch: (url, options) => fetch(opts.cimd ? new URL(new URL(url).pathname, opts.cimd) : url, { ...options, dispatcher: undefined }),
})
provider.on('grant.success', (ctx) => count(events.token, ctx.oidc.params.grant_type))
provider.on('grant.error', (ctx, err) => count(events.refused, `${err.error}: ${err.error_detail ?? err.error_description}`))
provider.on('grant.revoked', () => { events.revoked_families++ })
provider.on('server_error', (ctx, err) => console.error(err))

// RFC 8693, which oidc-provider leaves to its users: an opaque token of one of
// our clients for one with no more scopes, for one resource.
provider.registerGrantType(exchange, async (ctx) => {
  const { params, client } = ctx.oidc
  const subject = params.subject_token_type === 'urn:ietf:params:oauth:token-type:access_token'
    && await provider.AccessToken.find(params.subject_token ?? '')
  if (!subject) throw new errors.InvalidGrant('subject_token is not an access token of this server')
  const wanted = (params.scope ?? subject.scope ?? '').split(' ').filter(Boolean)
  if (!wanted.every((s) => subject.scopes.has(s))) throw new errors.InvalidScope('more than the subject token has', wanted.join(' '))
  const token = new provider.AccessToken({
    client, accountId: subject.accountId, grantId: subject.grantId, gty: 'token_exchange', scope: wanted.join(' '), expiresWithSession: false,
  })
  if (params.resource) {
    token.resourceServer = new provider.ResourceServer(params.resource, { scope: scopes.join(' '), audience: params.resource })
  }
  ctx.body = {
    access_token: await token.save(), issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    token_type: 'Bearer', expires_in: token.expiration, scope: token.scope,
  }
}, ['subject_token', 'subject_token_type', 'actor_token', 'actor_token_type', 'requested_token_type', 'resource', 'audience', 'scope'], ['resource'])

// tooFast holds the interval of a device code: RFC 8628 §3.5 slow_down, which
// oidc-provider knows but never answers, adds five seconds for good.
const polls = new Map() // device code → { last, interval }
provider.use(async (ctx, next) => {
  await next()
  if (ctx.oidc?.route === 'device_authorization' && ctx.body?.device_code) {
    ctx.body.interval = seconds('device-interval')
    polls.set(ctx.body.device_code, { last: 0, interval: ctx.body.interval })
  }
  if (ctx.oidc?.route === 'discovery' && opts['no-iss']) delete ctx.body.authorization_response_iss_parameter_supported
  if (ctx.oidc?.route === 'token' && ctx.oidc.params?.grant_type === device && ctx.body?.error === 'authorization_pending') {
    const poll = polls.get(ctx.oidc.params.device_code)
    const now = Date.now()
    if (poll && now - poll.last < poll.interval * 1000 - 100) {
      poll.interval += 5
      count(events.refused, 'slow_down')
      ctx.body = { error: 'slow_down', error_description: 'the interval is now longer' }
    }
    if (poll) poll.last = now
  }
  const location = ctx.response.get('Location')
  if (opts['no-iss'] && location) ctx.set('Location', location.replace(/([?&])iss=[^&]*&?/, '$1').replace(/[?&]$/, ''))
})

// --- what is around it ----------------------------------------------------------

// service takes the provider's tokens as a resource server would.
async function service(req, res, scope) {
  const challenge = (status, error) => {
    const say = [error && `error="${error}"`, scope && `scope="${scope}"`].filter(Boolean).join(', ')
    res.writeHead(status, { 'content-type': 'application/json', 'www-authenticate': say ? `Bearer ${say}` : 'Bearer' })
    res.end(JSON.stringify({ error: error || 'no token' }))
  }
  const [, token] = /^Bearer (.+)$/i.exec(req.headers.authorization ?? '') ?? []
  if (!token) return challenge(401)
  const found = await provider.AccessToken.find(token) ?? await provider.ClientCredentials.find(token)
  if (!found) return challenge(401, 'invalid_token')
  if (scope && !found.scope?.split(' ').includes(scope)) return challenge(403, 'insufficient_scope')
  res.writeHead(200, { 'content-type': 'application/json' })
  res.end(JSON.stringify({ sub: found.accountId, client_id: found.clientId, scope: found.scope, aud: found.aud }))
}

// mcp is a resource server as the MCP authorization specification has it: each
// request needs a token for this server, and the tool "remove" the scope write.
const mcpNew = opts['mcp-era'] && {
  ...await import('@modelcontextprotocol/server'),
  ...await import('@modelcontextprotocol/node'),
}
const mcpSDK = opts.mcp && {
  ...await import('@modelcontextprotocol/sdk/server/mcp.js'),
  ...await import('@modelcontextprotocol/sdk/server/streamableHttp.js'),
}
const mcpMetadata = '/.well-known/oauth-protected-resource/mcp'
async function mcp(req, res) {
  const resource = new URL('/mcp', issuer).href
  const refuse = (status, error, scope) => {
    const say = [error && `error="${error}"`, `scope="${scope}"`, `resource_metadata="${new URL(mcpMetadata, issuer)}"`].filter(Boolean)
    res.writeHead(status, { 'content-type': 'application/json', 'www-authenticate': 'Bearer ' + say.join(', ') })
    res.end(JSON.stringify({ error: error || 'no token' }))
  }
  const [, token] = /^Bearer (.+)$/i.exec(req.headers.authorization ?? '') ?? []
  const found = token && await provider.AccessToken.find(token)
  if (!found || found.aud !== resource) return refuse(401, token && 'invalid_token', 'read')
  let text = ''
  for await (const part of req) text += part
  const body = text ? JSON.parse(text) : undefined
  if (body?.method === 'tools/call' && body.params?.name === 'remove' && !found.scope.split(' ').includes('write')) {
    return refuse(403, 'insufficient_scope', 'write')
  }
  const say = (text) => ({ content: [{ type: 'text', text }] })
  const tools = (server) => {
    server.registerTool('whoami', { description: 'Who the token is for' }, () => say(`${found.accountId} may ${found.scope}`))
    server.registerTool('remove', { description: 'Removes nothing' }, () => say('removed'))
    return server
  }
  if (mcpNew) {
    // The SDK itself compares Mcp-Method, Mcp-Name and Mcp-Param-Tenant with the body.
    const tenant = mcpNew.fromJsonSchema({ type: 'object', properties: { tenant: { type: 'string', 'x-mcp-header': 'Tenant' } }, required: ['tenant'] })
    const make = () => {
      const server = tools(new mcpNew.McpServer({ name: 'oidc', version: '2' }))
      server.registerTool('route', { description: 'Where the call went', inputSchema: tenant }, ({ tenant }) => say(`${tenant} by ${req.headers['mcp-param-tenant']}, ${req.headers['mcp-method']} ${req.headers['mcp-name']} of ${req.headers['mcp-protocol-version']}`))
      return server
    }
    const handler = mcpNew.createMcpHandler(make, { legacy: opts['mcp-era'] === 'strict' ? 'reject' : 'stateless' })
    return mcpNew.toNodeHandler(handler)(req, res, body)
  }
  const server = tools(new mcpSDK.McpServer({ name: 'oidc', version: '1' }, { capabilities: { logging: {} } }))
  const transport = new mcpSDK.StreamableHTTPServerTransport({ sessionIdGenerator: undefined })
  res.on('close', () => transport.close())
  await server.connect(transport)
  await transport.handleRequest(req, res, body)
}

const fault = { mode: '', left: 0 }
// faulty does to a token request what was asked for; it reports whether the request is done with.
function faulty(req, res) {
  if (!fault.left) return false
  fault.left--
  events.fault++
  if (fault.mode === '500') {
    res.writeHead(500).end('a fault on request')
    return true
  }
  if (fault.mode === 'hang') {
    setTimeout(() => res.destroy(), 60_000).unref()
    return true
  }
  res.end = () => res.destroy() // drop: everything happens, nothing is answered
  return false
}

const handle = provider.callback()
server.on('request', async (req, res) => {
  const url = new URL(req.url, issuer)
  if (url.pathname === '/_events') {
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(events))
    return
  }
  if (url.pathname === '/_fault' && req.method === 'POST') {
    fault.mode = url.searchParams.get('mode')
    fault.left = Number(url.searchParams.get('count') ?? 1)
    res.writeHead(204).end()
    return
  }
  if (opts.mcp && url.pathname === '/mcp') return mcp(req, res).catch((err) => { console.error(err); res.destroy() })
  if (opts.mcp && url.pathname === mcpMetadata) {
    const about = { resource: new URL('/mcp', issuer).href, authorization_servers: [issuer], scopes_supported: ['read', 'write'], resource_name: 'Test tools' }
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(about))
    return
  }
  if (url.pathname === '/api/whoami') return service(req, res)
  if (url.pathname.startsWith('/api/needs/')) return service(req, res, decodeURIComponent(url.pathname.slice('/api/needs/'.length)))

  req.originalUrl = req.url
  if (opts.path) {
    const known = /^\/\.well-known\/(openid-configuration|oauth-authorization-server)(\/.*)$/.exec(url.pathname)
    if (known?.[2] === opts.path) req.originalUrl = `${opts.path}/.well-known/${known[1]}` // RFC 8414 §3.1
    if (!req.originalUrl.startsWith(opts.path + '/')) {
      res.writeHead(404).end()
      return
    }
    req.url = req.originalUrl.slice(opts.path.length)
  }
  if (url.pathname === opts.path + '/token' && req.method === 'POST') {
    if (faulty(req, res)) return
    if (req.headers['content-type']?.startsWith('application/json')) { // some services want JSON; this is no part of OAuth
      let body = ''
      for await (const part of req) body += part
      try {
        req.body = JSON.parse(body)
      } catch {
        req.body = {}
      }
      req.headers['content-type'] = 'application/x-www-form-urlencoded'
    }
  }
  handle(req, res)
})

const at = (path) => issuer + path
log(JSON.stringify({
  issuer,
  authorization_endpoint: at('/auth'), token_endpoint: at('/token'), device_authorization_endpoint: at('/device/auth'), registration_endpoint: at('/reg'),
  introspection_endpoint: at('/token/introspection'), revocation_endpoint: at('/token/revocation'), userinfo_endpoint: at('/me'), jwks_uri: at('/jwks'),
  service: new URL('/api/whoami', issuer).href,
  clients: Object.fromEntries(clients.map((c) => [c.client_id, c.client_secret ?? ''])),
  client_key: await exportPKCS8(pair.privateKey), // of the client jwt, ES256, kid client-key
}))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0))
