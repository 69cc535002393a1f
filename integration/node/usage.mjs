// What a vendor's package says that its calls used: node usage.mjs NAME. It prints a line
// of JSON, how many calls there were and the tokens that they read and wrote; with
// ERROR set, what the package says of a call that is refused.
const { BASE_URL, API_KEY, ERROR } = process.env
const messages = [{ role: 'user', content: 'hello' }]
const last = async (stream) => { let found; for await (const part of stream) found = part; return found }
const find = async (stream, pick) => { let found; for await (const part of stream) found = pick(part) ?? found; return found }

// Each is a list of calls, which return [input, output].
const packages = {
  async openai() {
    const { default: OpenAI } = await import('openai')
    const client = new OpenAI({ apiKey: API_KEY, baseURL: BASE_URL + '/v1', maxRetries: 0 })
    const chat = (u) => [u.prompt_tokens, u.completion_tokens]
    const responses = (u) => [u.input_tokens, u.output_tokens]
    return [
      async () => chat((await client.chat.completions.create({ model: 'm', messages })).usage),
      async () => chat((await last(await client.chat.completions.create({ model: 'm', messages, stream: true, stream_options: { include_usage: true } }))).usage),
      async () => responses((await client.responses.create({ model: 'm', input: 'hello' })).usage),
      async () => responses((await last(await client.responses.create({ model: 'm', input: 'hello', stream: true }))).response.usage),
    ]
  },
  async 'openai-ai-sdk'() {
    const [{ generateText, streamText }, { createOpenAI }] = [await import('ai'), await import('@ai-sdk/openai')]
    const model = createOpenAI({ apiKey: API_KEY, baseURL: BASE_URL + '/v1' }).chat('m')
    const used = (u) => [u.inputTokens, u.outputTokens]
    return [
      async () => used((await generateText({ model, messages, maxRetries: 0 })).usage),
      async () => { const r = streamText({ model, messages, maxRetries: 0 }); for await (const _ of r.textStream); return used(await r.usage) },
    ]
  },
  async anthropic() {
    const { default: Anthropic } = await import('@anthropic-ai/sdk')
    const client = new Anthropic({ apiKey: API_KEY, baseURL: BASE_URL, maxRetries: 0 })
    const request = { model: 'm', max_tokens: 10, messages }
    const used = (u) => [u.input_tokens, u.output_tokens]
    return [async () => used((await client.messages.create(request)).usage), async () => used((await client.messages.stream(request).finalMessage()).usage)]
  },
  async 'google-gemini'() {
    const { GoogleGenAI } = await import('@google/genai')
    const client = new GoogleGenAI({ apiKey: API_KEY, httpOptions: { baseUrl: BASE_URL } })
    const request = { model: 'm', contents: 'hello' }
    const used = (r) => [r.usageMetadata.promptTokenCount, r.usageMetadata.candidatesTokenCount]
    return [async () => used(await client.models.generateContent(request)), async () => used(await last(await client.models.generateContentStream(request)))]
  },
  async mistral() {
    const { Mistral } = await import('@mistralai/mistralai')
    const client = new Mistral({ apiKey: API_KEY, serverURL: BASE_URL })
    const used = (u) => [u.promptTokens, u.completionTokens]
    return [async () => used((await client.chat.complete({ model: 'm', messages })).usage), async () => used(await find(await client.chat.stream({ model: 'm', messages }), (e) => e.data.usage))]
  },
  async cohere() {
    const { CohereClientV2 } = await import('cohere-ai')
    const client = new CohereClientV2({ token: API_KEY, environment: BASE_URL, maxRetries: 0 })
    const used = (u) => [u.tokens.inputTokens, u.tokens.outputTokens]
    return [async () => used((await client.chat({ model: 'm', messages })).usage), async () => used(await find(await client.chatStream({ model: 'm', messages }), (e) => e.delta?.usage))]
  },
  async 'aws-bedrock'() {
    const { BedrockRuntimeClient, ConverseCommand } = await import('@aws-sdk/client-bedrock-runtime')
    const client = new BedrockRuntimeClient({ region: 'us-east-1', endpoint: BASE_URL, maxAttempts: 1, credentials: { accessKeyId: API_KEY, secretAccessKey: 'attache' } })
    return [async () => { const { usage } = await client.send(new ConverseCommand({ modelId: 'm', messages: [{ role: 'user', content: [{ text: 'hello' }] }] })); return [usage.inputTokens, usage.outputTokens] }]
  },
}

const calls = await packages[process.argv[2]]()
if (ERROR) {
  try {
    await calls[0]()
    console.log('it is not refused')
  } catch (err) {
    console.log([err.name, err.message, err.body && JSON.stringify(err.body), err.responseBody].filter(Boolean).join(' '))
  }
} else {
  const used = []
  for (const call of calls) used.push(await call())
  console.log(JSON.stringify({ calls: used.length, input: used.reduce((n, u) => n + u[0], 0), output: used.reduce((n, u) => n + u[1], 0) }))
}
