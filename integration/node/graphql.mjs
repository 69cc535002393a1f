// A server of GraphQL over HTTP, with graphql-http and a schema of notes: node graphql.mjs
// PORT TOKEN. It says which notes there are, adds and deletes them.
import http from 'node:http'
import { buildSchema } from 'graphql'
import { createHandler } from 'graphql-http/lib/use/http'

const [port, token] = process.argv.slice(2)
const notes = ['first']
const schema = buildSchema(`
  type Query { notes: [String!]! }
  type Mutation { addNote(text: String!): Int! deleteNotes: Int! }
`)
const rootValue = {
  notes: () => notes,
  addNote: ({ text }) => notes.push(text),
  deleteNotes: () => notes.splice(0).length,
}
const handler = createHandler({ schema, rootValue })
http.createServer((req, res) => {
  if (req.headers.authorization !== `Bearer ${token}`) return res.writeHead(401).end()
  return handler(req, res)
}).listen(port, '127.0.0.1', () => console.log('listening'))
