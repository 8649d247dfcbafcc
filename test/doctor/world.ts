/** A world for a few checks, with what they look at scripted. */
import { onTestFinished } from 'vitest'

import { parseDefinition } from '../../src/config/definition.ts'
import { parseConfig } from '../../src/config/schema.ts'
import type { SecretManagerConfig } from '../../src/config/types.ts'
import { diagnose, type Result } from '../../src/doctor/run.ts'
import { closeWorld, createWorld, type Check } from '../../src/doctor/world.ts'
import type { Runtime } from '../../src/runtime.ts'

/** Runs `checks`, and gives what each came to by its id. */
export async function resultsOf(
  checks: readonly Check[],
  config: Partial<SecretManagerConfig> & Pick<SecretManagerConfig, 'vault'>,
  runtime: Runtime,
): Promise<Readonly<Record<string, Result>>> {
  const world = createWorld({
    settings: parseConfig({ timeout: 1000, ...config }),
    definition: parseDefinition({ secretName: 'app', readKey: 'a.json', transitKey: 'app' }),
    runtime,
    asOperator: false,
    signal: new AbortController().signal,
  })
  onTestFinished(() => closeWorld(world))
  const told: Record<string, Result> = {}
  for await (const result of diagnose(world, checks)) told[result.id] = result
  return told
}

/** Ids of what is not as it should be. */
export function notOk(told: Readonly<Record<string, Result>>): readonly string[] {
  const others = Object.values(told).filter(({ outcome }) => outcome !== 'ok')
  return others.map(({ id }) => id)
}
