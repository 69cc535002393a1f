// GET with node's own https module and an agent that reads the proxy from the
// environment: the trust comes from NODE_EXTRA_CA_CERTS.
import https from 'node:https'
import { HttpsProxyAgent } from 'https-proxy-agent'

const agent = new HttpsProxyAgent(process.env.HTTPS_PROXY)
https.get(process.argv[2], { agent }, (res) => {
  res.pipe(process.stdout)
  res.on('end', () => { process.exitCode = res.statusCode === 200 ? 0 : 1 })
}).on('error', (err) => {
  console.error(err.message)
  process.exitCode = 1
})
