/**
 * The secrets of the whole process: Next.js bundles routes and instrumentation apart from each other,
 * and anew after each change in development, so that a variable of a module is several.
 *
 * In an app, begin this file with `import 'server-only'`, so that no client component can import it, and
 * name the package in `next.config.ts`: `serverExternalPackages: ['secretmanager']`.
 */
import { isSecretManagerError, loadConfig, SecretManager } from 'secretmanager'

import { logEvents } from '../../events.ts'
import { readiness, sign, type Readiness } from '../../secrets.ts'

/** What routes may do with them. It keeps the definition one, too: each bundle has a copy of its own. */
export interface Secrets {
  readonly sign: (text: string) => Promise<string>
  readonly readiness: () => Readiness
}

const shared: typeof globalThis & { secrets?: Promise<Secrets> } = globalThis

/** Made on first use, not on import: `next build` imports every route. */
export function secrets(): Promise<Secrets> {
  shared.secrets ??= create()
  return shared.secrets
}

async function create(): Promise<Secrets> {
  const sm = new SecretManager(await loadConfig())
  logEvents((line) => console.warn(JSON.stringify(line)))
  return { sign: (text) => sign(sm, text), readiness: () => readiness(sm) }
}

/** What a client is told while there are no secrets; the log has the reason. */
export function unavailable(error: unknown): Response {
  if (!isSecretManagerError(error)) throw error
  console.error(JSON.stringify(error))
  return Response.json({ error: 'unavailable' }, { status: 503 })
}
