/** Vault and the clusters of a provision file, open until they are closed. */
import type { ProvisionFile } from '../config/provision-file.ts'
import type { Settings } from '../config/settings.ts'
import type { Core } from '../core.ts'
import { SecretManagerError } from '../errors.ts'
import { Clusters } from '../rotation/sites.ts'
import type { Runtime } from '../runtime.ts'
import { ClusterCalls } from './cluster-calls.ts'
import { VaultCalls } from './vault-calls.ts'

/** What provision works with. */
export interface Servers {
  readonly file: ProvisionFile
  readonly settings: Settings
  readonly runtime: Runtime
  readonly vault: VaultCalls
  readonly cluster: (name: string) => ClusterCalls
  close(): void
}

/** Opens nothing yet: each server is connected to when it is first asked. */
export function openServers(
  core: Core,
  file: ProvisionFile,
  runtime: Runtime,
  signal: AbortSignal,
): Servers {
  const clusters = new Clusters(core, runtime)
  const calls = new Map(
    file.clusters.map(({ name, context }) => [
      name,
      new ClusterCalls(core, clusters.connect(context), signal),
    ]),
  )
  return {
    file,
    settings: core.settings,
    runtime,
    vault: new VaultCalls(core, signal),
    cluster: (name) => {
      const found = calls.get(name)
      if (found) return found
      throw new SecretManagerError('SM_CONFIG_INVALID', `there is no cluster ${name} in the file`)
    },
    close: () => clusters.close(),
  }
}
