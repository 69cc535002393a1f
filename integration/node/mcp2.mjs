// An agent: the client of the MCP TypeScript SDK since the revision 2026-07-28, which
// knows nothing of OAuth.
//
//	node mcp2.mjs URL TOOL [JSON]
//
// It asks for the newer era, falls back to the handshake where there is none, and prints
// one line of JSON: the era, the tools, what the tool said; or the error. AGENT_TOKEN is
// how the proxy knows the agent.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'

const [url, tool, args] = process.argv.slice(2)
const headers = process.env.AGENT_TOKEN ? { Authorization: 'Bearer ' + process.env.AGENT_TOKEN } : {}
try {
  const client = new Client({ name: 'agent', version: '2' }, { versionNegotiation: { mode: 'auto' } })
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }))
  const { tools } = await client.listTools()
  const result = await client.callTool({ name: tool, arguments: JSON.parse(args || '{}') })
  console.log(JSON.stringify({ era: client.getProtocolEra?.(), tools: tools.map((t) => t.name), said: result.content[0].text }))
  process.exit(0)
} catch (err) {
  console.log(JSON.stringify({ error: err.message, code: err.code }))
  process.exit(1)
}
