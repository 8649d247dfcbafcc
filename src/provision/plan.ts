/** What Vault and the clusters should hold, as data: a pure function of the file and of the clusters. */
import type { AppSpec, ClusterSpec, ProvisionFile } from '../config/provision-file.ts'
import type {
  ConfigItem,
  Fields,
  KeyItem,
  MethodItem,
  PolicyItem,
  RoleItem,
  VaultItem,
} from './items.ts'
import { CORRELATION_HEADER, JOBS, keysOf } from './names.ts'
import { policyText } from './policies.ts'
import type { Manifest } from './manifest.ts'
import { manifestsOf } from './rbac.ts'
import type { MountRecord } from './record.ts'
import { renewedIn, renewerPolicy, renewerRole } from './renewal.ts'
import type { VaultAddress } from './renewer-config.ts'

/** What must be known of a cluster to let Vault trust it. */
export interface ClusterFacts {
  /** UID of the namespace kube-system. */
  readonly uid: string
  /** `iss` of its ServiceAccount tokens. */
  readonly issuer: string
  /** Public keys of its ServiceAccount tokens, in PEM. */
  readonly publicKeys: readonly string[]
  /** URL of the API server as Vault is to reach it. */
  readonly server: string
  /** Its CA in PEM; absent where nobody named one. */
  readonly caPem: string | undefined
}

/** All that should be there. */
export interface Plan {
  /** Each after what it needs: a policy before the role that gives it. */
  readonly vault: readonly VaultItem[]
  /** By the name of the cluster. */
  readonly clusters: ReadonlyMap<string, readonly Manifest[]>
}

/**
 * Plans what a provision file asks for.
 *
 * @param facts - by the name of the cluster; one for each
 * @param address - of Vault, for what runs in a cluster
 */
export function planOf(
  file: ProvisionFile,
  facts: ReadonlyMap<string, ClusterFacts>,
  address: VaultAddress,
): Plan {
  const { transitMount: mount, apps, clusters } = file
  const used = clusters.filter(({ name }) => appsIn(apps, name).length > 0)
  const trusted = used.flatMap((cluster) => {
    const known = facts.get(cluster.name)
    return known ? [methodItem(cluster, known), configItem(cluster, known)] : []
  })
  const vault: readonly VaultItem[] = [
    { kind: 'engine', mount },
    { kind: 'upsert', mount, adopt: apps.some(({ adopt }) => adopt) },
    ...keyItems(file),
    ...apps.flatMap((app) => policyItems(app, mount)),
    ...used.flatMap((cluster) => renewerItems(cluster, facts).filter(isPolicy)),
    ...trusted,
    ...used.flatMap((cluster) => appsIn(apps, cluster.name).flatMap((app) => roles(app, cluster))),
    ...used.flatMap((cluster) => renewerItems(cluster, facts).filter((item) => !isPolicy(item))),
    ...headerItems(file),
  ]
  return {
    vault: apps.length === 0 ? [] : vault,
    clusters: new Map(used.map((cluster) => [cluster.name, manifestsOf(file, cluster, address)])),
  }
}

function isPolicy({ kind }: VaultItem): boolean {
  return kind === 'policy'
}

function renewerItems(
  cluster: ClusterSpec,
  facts: ReadonlyMap<string, ClusterFacts>,
): readonly VaultItem[] {
  const known = facts.get(cluster.name)
  const renewed = renewedIn(cluster)
  if (known === undefined || renewed === undefined) return []
  const config = reviewConfig(cluster, known)
  return [renewerPolicy(cluster, config), renewerRole(cluster, renewed)]
}

function headerItems({ auditCorrelationId }: ProvisionFile): readonly VaultItem[] {
  return auditCorrelationId ? [{ kind: 'header', name: CORRELATION_HEADER }] : []
}

function appsIn(apps: readonly AppSpec[], cluster: string): readonly AppSpec[] {
  return apps.filter(({ clusters }) => clusters.includes(cluster))
}

function keyItems({ apps, transitMount: mount }: ProvisionFile): readonly KeyItem[] {
  const names = [...new Set(apps.flatMap(keysOf))]
  return names.map((key) => {
    const ms = apps
      .filter(({ transitKey }) => transitKey === key)
      .find(({ autoRotatePeriodMs }) => autoRotatePeriodMs !== undefined)?.autoRotatePeriodMs
    const autoRotateSeconds = ms === undefined ? undefined : Math.round(ms / 1000)
    return { kind: 'key', mount, key, autoRotateSeconds }
  })
}

function policyItems(app: AppSpec, mount: string): readonly PolicyItem[] {
  return JOBS.flatMap((job) => {
    const name = app[job]?.policy
    if (name === undefined) return []
    return [{ kind: 'policy', name, text: policyText(app, job, mount), adopt: app.adopt }]
  })
}

function recordOf({ name: cluster }: ClusterSpec, { uid }: ClusterFacts): MountRecord {
  return { cluster, uid }
}

function methodItem(cluster: ClusterSpec, facts: ClusterFacts): MethodItem {
  const { mount, auth: type, adopt } = cluster
  return { kind: 'method', mount, type, record: recordOf(cluster, facts), adopt }
}

function configItem(cluster: ClusterSpec, facts: ClusterFacts): ConfigItem {
  const { mount, auth: type, adopt, reviewer } = cluster
  const fields = type === 'jwt' ? jwtConfig(facts) : reviewConfig(cluster, facts)
  return { kind: 'config', mount, type, fields, reviewer, record: recordOf(cluster, facts), adopt }
}

/** @see https://developer.hashicorp.com/vault/api-docs/auth/jwt#configure */
function jwtConfig({ issuer, publicKeys }: ClusterFacts): Fields {
  return { bound_issuer: issuer, jwt_validation_pubkeys: publicKeys }
}

/** @see https://developer.hashicorp.com/vault/api-docs/auth/kubernetes#configure-method */
function reviewConfig({ reviewer }: ClusterSpec, { server, caPem }: ClusterFacts): Fields {
  return {
    kubernetes_host: server,
    ...(caPem === undefined ? {} : { kubernetes_ca_cert: caPem }),
    // Vault then never sends the token of its own pod to another cluster.
    disable_local_ca_jwt: reviewer !== undefined,
  }
}

function roles(app: AppSpec, cluster: ClusterSpec): readonly RoleItem[] {
  const { mount, auth: type, audience } = cluster
  const { namespace, adopt } = app
  return JOBS.flatMap((job) => {
    const access = app[job]
    if (access === undefined) return []
    const { role: name, policy, serviceAccount } = access
    const who = { namespace, serviceAccount, audience }
    return [{ kind: 'role', mount, type, name, policy, ...who, adopt }]
  })
}
