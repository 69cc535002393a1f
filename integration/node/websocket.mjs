// Sends one message to the WebSocket at URL, prints the echo, asks for a close
// and prints that. With PROXY it goes through CONNECT and trusts the file CA.
import { readFileSync } from 'node:fs'
import { HttpsProxyAgent } from 'https-proxy-agent'
import WebSocket from 'ws'

const { URL: url, PROXY, CA } = process.env
const options = PROXY ? { agent: new HttpsProxyAgent(PROXY), ca: readFileSync(CA) } : {}
const ws = new WebSocket(url, options)
ws.on('open', () => ws.send('hello'))
ws.on('message', (data) => {
  console.log('echo ' + data)
  ws.send('close')
})
ws.on('close', (code, reason) => console.log(`closed ${code} ${reason}`))
ws.on('error', (err) => {
  console.error(err.message)
  process.exitCode = 1
})
