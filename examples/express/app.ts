import express, { type ErrorRequestHandler, type Express } from 'express'
import { isSecretManagerError, type SecretManager } from 'secretmanager'

import { readiness, sign } from '../secrets.ts'

/** The app; whoever made `secrets` closes it. */
export function createApp(secrets: SecretManager): Express {
  const app = express()
  app.get('/healthz', (_request, response) => {
    response.json({ alive: true })
  })
  app.get('/readyz', (_request, response) => {
    const state = readiness(secrets)
    response.status(state.ready ? 200 : 503).json(state)
  })
  // Express 5 hands what an async handler rejects with to the error handler.
  app.get('/sign', async (request, response) => {
    const { text } = request.query
    if (typeof text === 'string') response.json({ signature: await sign(secrets, text) })
    else response.sendStatus(400)
  })
  app.use(whileThereAreNoSecrets)
  return app
}

/** The default would send the stack to the client, unless NODE_ENV is `production`. */
const whileThereAreNoSecrets: ErrorRequestHandler = (error, _request, response, next) => {
  if (!isSecretManagerError(error)) return next(error)
  console.error(JSON.stringify(error))
  response.status(503).json({ error: 'unavailable' })
}
