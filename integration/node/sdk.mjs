// One call or more with a vendor's SDK: node sdk.mjs NAME. It prints what it
// got as one line of JSON.
//
//	BASE_URL  the origin to talk to; without it the SDK's own default
//	API_KEY   what the SDK sends as its key; without it the SDK's own variables
//	PROXY_CA  with HTTPS_PROXY: trust this file and go through the proxy
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { ProxyAgent, fetch as undiciFetch } from 'undici'

const { BASE_URL, API_KEY, HTTPS_PROXY, PROXY_CA } = process.env
const dispatcher = PROXY_CA
  ? new ProxyAgent({ uri: HTTPS_PROXY, requestTls: { ca: readFileSync(PROXY_CA) } })
  : undefined
const viaProxy = dispatcher && ((url, init) => undiciFetch(url, { ...init, dispatcher }))
// Not every resolver knows that all of .localhost is loopback (RFC 6761 §6.3).
const lookup = (host, options, done) => options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)
const given = (options) => Object.fromEntries(Object.entries(options).filter(([, v]) => v !== undefined))

// collect joins the parts of a stream; spread is the time from the first to the end, in ms.
async function collect(stream, text) {
  let out = '', first, parts = 0
  for await (const part of stream) {
    const t = text(part)
    if (!t) continue
    first ??= Date.now()
    parts++
    out += t
  }
  return { out, parts, spread: Date.now() - first }
}

const calls = {
  async openai() {
    const { default: OpenAI, toFile } = await import('openai')
    const client = new OpenAI(given({ apiKey: API_KEY, baseURL: BASE_URL && BASE_URL + '/v1', fetch: viaProxy, maxRetries: 0 }))
    const messages = [{ role: 'user', content: 'hello' }]
    const models = await client.models.list()
    const chat = await client.chat.completions.create({ model: 'test-model', messages })
    const stream = await client.chat.completions.create({ model: 'test-model', messages, stream: true })
    const streamed = await collect(stream, (c) => c.choices[0].delta.content)
    const response = await client.responses.create({ model: 'test-model', input: 'hello' })
    const file = viaProxy ? { bytes: 3 } // undici's own FormData is another class than the SDK's
      : await client.files.create({ purpose: 'assistants', file: await toFile(Buffer.from('abc'), 'abc.txt') })
    return { models: models.data.map((m) => m.id), chat: chat.choices[0].message.content, streamed, response: response.output_text, bytes: file.bytes }
  },

  async anthropic() {
    const { default: Anthropic } = await import('@anthropic-ai/sdk')
    const client = new Anthropic(given({ apiKey: API_KEY, baseURL: BASE_URL, fetch: viaProxy, maxRetries: 0 }))
    const request = { model: 'test-model', max_tokens: 10, messages: [{ role: 'user', content: 'hello' }] }
    const message = await client.messages.create(request)
    const stream = await client.messages.create({ ...request, stream: true })
    const streamed = await collect(stream, (e) => e.delta?.text)
    return { message: message.content[0].text, streamed }
  },

  async octokit() {
    const { Octokit } = await import('octokit')
    const client = new Octokit(given({ auth: API_KEY, baseUrl: BASE_URL, retry: { enabled: false }, throttle: { enabled: false }, request: given({ fetch: viaProxy }) }))
    const user = await client.rest.users.getAuthenticated()
    const issues = await client.paginate(client.rest.issues.listForRepo, { owner: 'o', repo: 'r' })
    const made = await client.rest.issues.create({ owner: 'o', repo: 'r', title: 'new' })
    const { viewer } = await client.graphql('{ viewer { login } }')
    return { login: user.data.login, issues: issues.map((i) => i.number), made: made.data.title, viewer: viewer.login }
  },

  async stripe() {
    const { default: Stripe } = await import('stripe')
    const base = BASE_URL && new URL(BASE_URL)
    const options = given({
      host: base?.hostname, port: base?.port || undefined, protocol: base?.protocol.slice(0, -1), maxNetworkRetries: 0, telemetry: false,
      httpAgent: base?.hostname.endsWith('.localhost') ? new http.Agent({ lookup }) : undefined,
      httpClient: viaProxy && Stripe.createFetchHttpClient(viaProxy),
    })
    const client = new Stripe(API_KEY ?? process.env.STRIPE_API_KEY, options)
    const made = await client.customers.create({ email: 'new@example.com' })
    const all = []
    for await (const c of client.customers.list({ limit: 2 })) all.push(c.id)
    return { made: made.email, all }
  },
}

try {
  console.log(JSON.stringify(await calls[process.argv[2]]()))
} catch (err) {
  console.error(err.status ?? err.statusCode ?? '', err.message, err.cause ?? '')
  process.exitCode = 1
}
