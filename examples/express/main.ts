import { loadConfig, SecretManager } from 'secretmanager'

import { logEvents } from '../events.ts'
import { createApp } from './app.ts'

const secrets = new SecretManager(await loadConfig())
logEvents((line) => console.warn(JSON.stringify(line)))

const host = process.env.HOST ?? '0.0.0.0'
const server = createApp(secrets).listen(Number(process.env.PORT ?? 3000), host, (error) => {
  if (error) throw error
  console.log('listening on', server.address())
})

// First the server, which answers the requests that run, and then what they read from.
process.once('SIGTERM', () => server.close(() => void secrets.close()))
