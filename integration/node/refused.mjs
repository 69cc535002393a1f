// What a person sees of OpenAI's SDK when the proxy refuses.
import OpenAI from 'openai'

const client = new OpenAI({ baseURL: process.argv[2], apiKey: process.argv[3], maxRetries: 2 })
try {
  await client.chat.completions.create({ model: 'm', messages: [] })
} catch (err) {
  console.log(err.message)
}
