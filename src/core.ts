/** What a SecretManager and the jobs beside it are made of. */
import type { Settings } from './config/schema.ts'
import { Calls } from './calls.ts'
import type { Runtime } from './runtime.ts'
import { Connections } from './sources/connections.ts'
import { KubevaultSource } from './sources/kubevault.ts'

/** The parts, in the order in which each uses those before. */
export interface Core {
  readonly settings: Settings
  readonly calls: Calls
  readonly connections: Connections
  readonly source: KubevaultSource
}

/** Makes the parts; does no I/O. */
export function createCore(settings: Settings, runtime: Runtime): Core {
  const calls = new Calls(runtime, settings)
  const connections = new Connections(settings, calls.budget, runtime)
  const source = new KubevaultSource({ settings, runtime, connections })
  return { settings, calls, connections, source }
}

/** Ends calls under way, revokes a token that would live on, and closes every connection. */
export async function closeCore({ calls, connections }: Core): Promise<void> {
  calls.close()
  await connections.close(calls.budget.last())
}
