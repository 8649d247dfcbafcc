/** The state that all requests to one embedded API server share. */
import type { KubernetesObject, Resource } from './objects.ts'
import { CRON_JOBS } from './batch-kinds.ts'
import { NAMESPACES, PODS, SERVICE_ACCOUNTS } from './core-kinds.ts'
import { CONFIG_MAPS, SECRETS } from './data-kinds.ts'
import { CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, ROLES, ROLE_BINDINGS } from './rbac-kinds.ts'
import type { States } from './pages.ts'
import type { Store } from './store.ts'
import type { TokenSigner } from './tokens.ts'

/** Everything a request may look at or change. */
export interface Cluster {
  readonly store: Store
  readonly states: States
  readonly signer: TokenSigner
  readonly adminToken: string
  /** False: every authenticated user may do everything, as on MicroK8s without its rbac add-on. */
  readonly rbac: boolean
  /** Unix milliseconds. */
  readonly clock: () => number
  readonly randomBytes: (size: number) => Uint8Array
}

/** The resources that are stored, by group and name. */
export const RESOURCES: ReadonlyMap<string, Resource<KubernetesObject>> = byGroupAndName([
  NAMESPACES,
  SECRETS,
  CONFIG_MAPS,
  SERVICE_ACCOUNTS,
  PODS,
  ROLES,
  CLUSTER_ROLES,
  ROLE_BINDINGS,
  CLUSTER_ROLE_BINDINGS,
  CRON_JOBS,
])

/** A fresh uid, also for token and audit ids: a random UUID, version 4. */
export function randomUuid({ randomBytes }: Cluster): string {
  const bytes = Buffer.from(randomBytes(16))
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6)
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
  const hex = bytes.toString('hex')
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-')
}

/** Unix milliseconds as `metav1.Time`: RFC 3339 in whole seconds. */
export function timestamp(unixMs: number): string {
  return `${new Date(unixMs).toISOString().slice(0, 19)}Z`
}

function byGroupAndName(
  resources: readonly Resource<KubernetesObject>[],
): ReadonlyMap<string, Resource<KubernetesObject>> {
  return new Map(resources.map((resource) => [`${resource.group}/${resource.name}`, resource]))
}
