// What agents do with S3, by the AWS SDK: node s3.mjs BUCKET. It prints one line
// of JSON, which is the same with and without the proxy.
//
//   AWS_ENDPOINT_URL  another origin than Amazon's; buckets are then reached by path
//   PROXY_CA          with HTTPS_PROXY: trust this file and go through the proxy
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { Readable } from 'node:stream'
import * as s3 from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { HttpsProxyAgent } from 'https-proxy-agent'
import { ProxyAgent, fetch } from 'undici'

const { AWS_ENDPOINT_URL, HTTPS_PROXY, PROXY_CA } = process.env
const ca = PROXY_CA && readFileSync(PROXY_CA)
const dispatcher = PROXY_CA && new ProxyAgent({ uri: HTTPS_PROXY, requestTls: { ca } })
// Not every resolver knows that all of .localhost is loopback (RFC 6761 §6.3).
const lookup = (host, options, done) => options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)
const requestHandler = PROXY_CA
  ? { httpsAgent: new HttpsProxyAgent(HTTPS_PROXY, { ca }) }
  : { httpAgent: new http.Agent({ lookup }) }
const Bucket = process.argv[2]
const options = { endpoint: AWS_ENDPOINT_URL, requestHandler, maxAttempts: 1 }
const client = new s3.S3Client({ ...options, forcePathStyle: !!AWS_ENDPOINT_URL })
const out = {}

// said keeps what a call gave, or the error that the service answered.
async function said(name, call) {
  try {
    out[name] = await call()
  } catch (err) {
    out[name] = err.name === 'Error' ? String(err) : err.name
  }
}
const send = (Command, input) => client.send(new s3[Command + 'Command']({ Bucket, ...input }))
const text = async (Key, more) => (await send('GetObject', { Key, ...more })).Body.transformToString()
const digest = async (Key) => {
  const hash = createHash('md5')
  for await (const part of (await send('GetObject', { Key })).Body) hash.update(part)
  return hash.digest('hex')
}
const big = Buffer.alloc(12 << 20)
for (let i = 0; i < big.length; i += 4) big.writeUInt32BE(i / 4, i)
// stream has no known checksum: it is sent as STREAMING-UNSIGNED-PAYLOAD-TRAILER.
const stream = () => Readable.from((function * () { for (let i = 0; i < big.length; i += 65536) yield big.subarray(i, i + 65536) })())

await new s3.S3Client({ ...options, forcePathStyle: true }).send(new s3.CreateBucketCommand({ Bucket }))
await said('put', async () => (await send('PutObject', { Key: 'small', Body: 'hello', Metadata: { note: 'two  words' } })).ETag)
await said('get', () => text('small'))
await said('range', () => text('small', { Range: 'bytes=1-3' }))
await said('head', async () => (await send('HeadObject', { Key: 'small' })).Metadata)
await said('missing', () => text('no such key'))
for (const ChecksumAlgorithm of [undefined, 'CRC32', 'CRC32C', 'SHA256', 'CRC64NVME']) {
  await said('stream ' + ChecksumAlgorithm, async () => (await send('PutObject', { Key: 'stream', Body: stream(), ContentLength: big.length, ChecksumAlgorithm })).ETag)
  await said('stream read ' + ChecksumAlgorithm, () => digest('stream'))
  await said('buffer ' + ChecksumAlgorithm, async () => (await send('PutObject', { Key: 'buffer', Body: big, ChecksumAlgorithm })).ETag)
}
await said('multipart', async () => {
  await new Upload({ client, params: { Bucket, Key: 'parts', Body: stream() }, partSize: 5 << 20 }).done()
  return [(await send('HeadObject', { Key: 'parts' })).ETag, await digest('parts')]
})
const odd = ['a b', 'a+b', 'a%20b', 'a%2Fb', 'ключ/日本', 'q?a=1&b;c#d', "!'()*~@:$,=", '"quoted"', 'back\\slash', '[x]{y}|z^`', 'double//slash', 'dot/./segment', 'dot/../segment', 'trailing/']
for (const key of odd) {
  await said('put ' + key, async () => (await send('PutObject', { Key: 'odd/' + key, Body: '' })).ETag)
  await said('get ' + key, () => text('odd/' + key))
}
await said('copy', async () => (await send('CopyObject', { Key: 'copied', CopySource: encodeURIComponent(`${Bucket}/odd/ключ/日本`) })).CopyObjectResult.ETag)
await said('pages', async () => {
  let n = 0
  for await (const page of s3.paginateListObjectsV2({ client, pageSize: 3 }, { Bucket })) n += page.Contents.length > 0
  return n > 2
})
await said('delete many', async () => (await send('DeleteObjects', { Delete: { Objects: [{ Key: 'odd/a b' }, { Key: 'odd/ключ/日本' }] } })).Deleted.length)
if (!AWS_ENDPOINT_URL?.includes('.localhost')) { // fetch needs a resolver that knows .localhost
  const url = async (command) => getSignedUrl(client, command, { expiresIn: 60 })
  const at = async (command, init) => {
    const res = await fetch(await url(command), { dispatcher, ...init })
    return [res.status, await res.text()]
  }
  await said('presigned put', () => at(new s3.PutObjectCommand({ Bucket, Key: 'pre signed' }), { method: 'PUT', body: 'presigned' }))
  await said('presigned get', () => at(new s3.GetObjectCommand({ Bucket, Key: 'pre signed', ResponseContentType: 'text/x-odd; a=b c' })))
}
console.log(JSON.stringify(out))
process.exit() // agents keep connections open
