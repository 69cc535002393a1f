// Calls of Octokit, which stand on standard input: [["issues.create", {…}], …]. It prints
// how each ended, as a list of JSON: ok, or the code of the proxy's refusal.
//
//	BASE_URL  the origin to talk to; without it Octokit's own default
//	PROXY_CA  with HTTPS_PROXY: trust this file and go through the proxy
import { readFileSync } from 'node:fs'
import { Octokit } from '@octokit/rest'
import { ProxyAgent, fetch as undiciFetch } from 'undici'

const { BASE_URL, HTTPS_PROXY, PROXY_CA } = process.env
const dispatcher = PROXY_CA && new ProxyAgent({ uri: HTTPS_PROXY, requestTls: { ca: readFileSync(PROXY_CA) } })
const client = new Octokit({
  auth: 'attache', log: { debug() {}, info() {}, warn() {}, error() {} },
  ...(BASE_URL && { baseUrl: BASE_URL }), ...(dispatcher && { request: { fetch: (url, init) => undiciFetch(url, { ...init, dispatcher }) } }),
})
const outcomes = await Promise.all(JSON.parse(readFileSync(0, 'utf8')).map(async ([name, parameters]) => {
  const [group, method] = name.split('.')
  try {
    const call = group === 'graphql' ? client.graphql(parameters.query) : client.rest[group][method](parameters)
    await call
    return 'ok'
  } catch (err) {
    const response = err.response
    return response?.headers?.['attache-error'] ?? `${err.status ?? ''} ${err.message}`
  }
}))
console.log(JSON.stringify(outcomes))
