import Fastify from 'fastify'
import { loadConfig, SecretManager } from 'secretmanager'

import { sign } from '../secrets.ts'
import { secretsPlugin } from './secrets.ts'

const app = Fastify({ logger: true })
await app.register(secretsPlugin, { secrets: new SecretManager(await loadConfig()) })

app.get<{ Querystring: { text: string } }>(
  '/sign',
  {
    schema: {
      querystring: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } },
    },
  },
  async (request) => ({ signature: await sign(app.secrets, request.query.text) }),
)

process.once('SIGTERM', () => void app.close())
await app.listen({ host: process.env.HOST ?? '0.0.0.0', port: Number(process.env.PORT ?? 3000) })
