// GET as programs do that know of no proxy: fetch, and node:https with an agent of
// its own, as many SDKs have one.
import https from 'node:https'

const [how, url] = process.argv.slice(2)
const ways = {
  fetch: async () => {
    const res = await fetch(url)
    return [res.status, await res.text()]
  },
  agent: () => new Promise((resolve, reject) => {
    const agent = new https.Agent({ keepAlive: true, maxSockets: 2 })
    https.get(url, { agent }, (res) => {
      let body = ''
      res.on('data', (d) => { body += d })
      res.on('end', () => { agent.destroy(); resolve([res.statusCode, body]) })
    }).on('error', reject)
  }),
}
try {
  const [status, body] = await ways[how]()
  process.stdout.write(body)
  process.exitCode = status === 200 ? 0 : 1
} catch (err) {
  console.error(err.message, err.cause?.message ?? '')
  process.exitCode = 1
}
