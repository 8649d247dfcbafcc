/** All checks, in their order: each stands behind those that it needs. */
import { AUTH_MOUNT } from './checks/auth-mount.ts'
import { CLUSTER, CLUSTER_ACCESS } from './checks/cluster.ts'
import { CONFIGURATION } from './checks/configuration.ts'
import { DOCUMENT } from './checks/document.ts'
import { JWT } from './checks/jwt.ts'
import { KEY } from './checks/key.ts'
import { LOGIN } from './checks/login.ts'
import { KUBERNETES_NETWORK, VAULT_NETWORK } from './checks/network.ts'
import { POD } from './checks/pod.ts'
import { VAULT } from './checks/vault.ts'
import type { Check } from './world.ts'

/** Every check, as they run. */
export const CHECKS: readonly Check[] = [
  ...CONFIGURATION,
  ...VAULT_NETWORK,
  ...VAULT,
  ...CLUSTER_ACCESS,
  ...KUBERNETES_NETWORK,
  ...CLUSTER,
  ...JWT,
  ...AUTH_MOUNT,
  ...LOGIN,
  ...KEY,
  ...DOCUMENT,
  ...POD,
]
