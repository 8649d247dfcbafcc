/** One OpenBao and one API server for all files of test/real: together they take five seconds to start. */
import type { TestProject } from 'vitest/node'
import { serversPresent, startKubernetes, startVault } from './servers.ts'
import type { KubernetesAccess, VaultAccess } from './servers.ts'

/** Servers that tests share; plain data. What a test breaks, it starts for itself. */
export interface SharedServers {
  /** OpenBao in memory, over TLS. */
  readonly vault: VaultAccess
  /** RBAC on, etcd behind it. */
  readonly kubernetes: KubernetesAccess
}

declare module 'vitest' {
  interface ProvidedContext {
    readonly servers: SharedServers | undefined
  }
}

/** Called by vitest once, before the files of the project `real`. Gives what to call after them. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  if (!serversPresent('bao', 'kube', 'etcd')) {
    project.provide('servers', undefined)
    return async () => undefined
  }
  const [vault, kubernetes] = await Promise.all([
    startVault({ tls: true }),
    startKubernetes({ store: 'etcd', rbac: true }),
  ])
  // Across the processes goes JSON: functions stay here.
  const plain = (server: object): never => JSON.parse(JSON.stringify(server)) as never
  project.provide('servers', { vault: plain(vault), kubernetes: plain(kubernetes) })
  return async () => {
    await Promise.all([vault.stop(), kubernetes.stop()])
  }
}
