// An agent: the MCP TypeScript SDK's own client, which knows nothing of OAuth.
//
//	node mcp.mjs URL TOOL [JSON]
//
// It prints one line of JSON: the tools that there are, what the tool said, and
// the notifications that came meanwhile with the time between the first and the
// last, in ms; or the error. AGENT_TOKEN is how the proxy knows the agent.
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { LoggingMessageNotificationSchema } from '@modelcontextprotocol/sdk/types.js'

const [url, tool, args] = process.argv.slice(2)
const headers = process.env.AGENT_TOKEN ? { Authorization: 'Bearer ' + process.env.AGENT_TOKEN } : {}
const heard = []
// What no answer belongs to comes in a stream that the client opens beside its
// calls: the tool is called once the server has answered that, in whatever way.
let opened
const stream = new Promise((resolve) => { opened = resolve })
const watched = async (...request) => {
  const answer = await fetch(...request)
  if (request[1]?.method === 'GET') opened()
  return answer
}
try {
  const client = new Client({ name: 'agent', version: '1' })
  client.setNotificationHandler(LoggingMessageNotificationSchema, () => { heard.push(Date.now()) })
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers }, fetch: watched }))
  await stream
  const { tools } = await client.listTools()
  const result = await client.callTool({ name: tool, arguments: JSON.parse(args || '{}') })
  // The last notification and the result come in two streams: which one is first
  // is not said.
  if (heard.length) await new Promise((resolve) => setTimeout(resolve, 1000))
  console.log(JSON.stringify({ tools: tools.map((t) => t.name), said: result.content[0].text, heard: heard.length, spread: heard.at(-1) - heard[0] || 0 }))
  process.exit(0)
} catch (err) {
  console.log(JSON.stringify({ error: err.message, code: err.code }))
  process.exit(1)
}
