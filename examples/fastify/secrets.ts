/** A plugin: `app.secrets`, the two probes, and what a client is told while there are no secrets. */
import type { FastifyError } from 'fastify'
import fp from 'fastify-plugin'
import { isSecretManagerError, type SecretManager } from 'secretmanager'

import { logEvents } from '../events.ts'
import { readiness } from '../secrets.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly secrets: SecretManager
  }
}

export const secretsPlugin = fp<{ readonly secrets: SecretManager }>(async (app, { secrets }) => {
  app.decorate('secrets', secrets)
  const stopLogging = logEvents((line) => app.log.warn(line))

  // Runs once the last request has been answered.
  app.addHook('onClose', async () => {
    await secrets.close()
    stopLogging()
  })

  app.get('/healthz', () => ({ alive: true }))
  app.get('/readyz', (_request, reply) => {
    const state = readiness(secrets)
    return reply.code(state.ready ? 200 : 503).send(state)
  })

  app.setErrorHandler<FastifyError>((error, request, reply) => {
    // The default would send its message, which names hosts and roles, to the client.
    if (!isSecretManagerError(error)) return reply.send(error)
    request.log.error({ err: error }, 'no secrets')
    return reply.code(503).send({ error: 'unavailable' })
  })
})
