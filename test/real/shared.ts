/** The servers that test files share; each file takes names of its own: see `named` in src/dev/provision.ts. */
import { inject } from 'vitest'
import { wireOfUrl } from '../contracts/wire.ts'
import type { Wire } from '../contracts/wire.ts'
import type { SharedServers } from './global-setup.ts'
import type { Servers } from '../../src/dev/plan.ts'

/** A shared OpenBao and API server, as a test uses them. */
export interface Shared extends SharedServers {
  readonly vaultWire: Wire
  readonly kubernetesWire: Wire
  /** For `originalPlan` and `nativePlan`. */
  readonly servers: Servers
}

/** The shared servers. @throws where they are absent: guard with `serversPresent` */
export function sharedServers(): Shared {
  const shared = inject('servers')
  if (shared === undefined)
    throw new Error('no shared servers: guard this test with serversPresent')
  const { vault, kubernetes } = shared
  return {
    ...shared,
    vaultWire: wireOfUrl(vault.url, { ca: vault.caPem }),
    kubernetesWire: wireOfUrl(kubernetes.url, { ca: kubernetes.caPem }),
    servers: {
      rootToken: vault.rootToken,
      adminToken: kubernetes.adminToken,
      kubernetesHost: kubernetes.url,
      kubernetesCaPem: kubernetes.caPem,
    },
  }
}
