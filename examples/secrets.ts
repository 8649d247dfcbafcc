/** What every recipe here begins with, whatever its framework: copy it along. */
import { createHmac } from 'node:crypto'
import { type SecretDefinition, type SecretManager } from 'secretmanager'
import * as v from 'valibot'

/** The dictionary that this service reads, and what must be in it. */
export const definition = {
  secretName: 'matrix-secrets',
  namespace: 'default',
  readKey: 'secrets.json',
  transitKey: 'aes256-key',
  format: 'raw',
  schema: v.object({ api_token: v.string() }),
} as const satisfies SecretDefinition

/**
 * What the service does with it: signs a text.
 *
 * The dictionary is asked for in each use and kept nowhere: what is fresh comes from memory, and what
 * was replaced in the cluster arrives without a restart.
 */
export async function sign(sm: SecretManager, text: string): Promise<string> {
  const { api_token } = await sm.readSecrets(definition)
  return createHmac('sha256', api_token).update(text).digest('hex')
}

/** What a readiness probe is told: codes, no names and no addresses. */
export interface Readiness {
  readonly ready: boolean
  readonly trouble: readonly string[]
}

/** Whether there is a dictionary to serve, and if not, why. Answers at once. */
export function readiness(sm: SecretManager): Readiness {
  // No request comes before this pod is ready: so it is the probe that asks for the dictionary, again
  // each time. From memory it costs nothing; why it cannot be had is in the status.
  sm.readSecrets(definition).catch(() => undefined)
  const { ready, definitions, backends } = sm.status()
  const troubled = ready ? [] : [...definitions, backends.vault, backends.kubernetes]
  return { ready, trouble: [...new Set(troubled.flatMap(({ trouble }) => trouble?.code ?? []))] }
}
