/** Compares all that there is with all that there should be, in the order in which it may be done. */
import type { ProvisionFile } from '../config/provision-file.ts'
import { joined, verdict, type Note, type Verdict } from './change.ts'
import { diffCluster, type ClusterActual } from './diff-kubernetes.ts'
import { diffVault, pathOf } from './diff-vault.ts'
import type { VaultActual } from './actual.ts'
import { JOBS } from './names.ts'
import type { Plan } from './plan.ts'
import type { Fields, VaultItem } from './items.ts'
import { identityOf, type Manifest } from './manifest.ts'

/** What the servers were read to hold. */
export interface Actual {
  readonly vault: VaultActual
  /** By the name of the cluster. */
  readonly clusters: ReadonlyMap<string, ClusterActual>
}

/**
 * Compares. What is done in this order is safe wherever it ends: a key before the policies that name
 * it, the cluster's objects before Vault trusts the cluster, and the roles, which let somebody in, last.
 *
 * @param now - Unix milliseconds
 */
export function diff(plan: Plan, actual: Actual, now: number): Verdict {
  const [before, after] = halves(plan.vault)
  const ofVault = (items: readonly VaultItem[]): readonly Verdict[] =>
    items.map((item) => diffVault(item, actual.vault, now, accountOf(item, actual)))
  const ofClusters = [...plan.clusters].map(([name, manifests]) => {
    const there = actual.clusters.get(name) ?? new Map()
    return joined([homeless(name, manifests, there), diffCluster(name, manifests, there)])
  })
  return joined([doubles(plan), ...ofVault(before), ...ofClusters, ...ofVault(after)])
}

/** Two things of one name: whichever came last would be there, and be taken for both. */
function doubles({ vault, clusters }: Plan): Verdict {
  const names = [
    ...vault.map((item) => `vault: ${pathOf(item)}`),
    ...[...clusters].flatMap(([name, manifests]) =>
      manifests.map((manifest) => `cluster ${name}: ${identityOf(manifest)}`),
    ),
  ]
  const twice = new Set(names.filter((name, at) => names.indexOf(name) < at))
  return verdict({ conflicts: [...twice].map((name) => `${name} ${TWICE}`) })
}

const TWICE = 'would be two things in one: name the app, its policy or the mount otherwise'

/** The ServiceAccount of a mount's reviewer, as the cluster has it. */
function accountOf(item: VaultItem, { clusters }: Actual): Fields | undefined {
  if (item.kind !== 'config' || item.reviewer === undefined) return undefined
  const { namespace, serviceAccount: name } = item.reviewer
  const metadata = { namespace, name }
  return clusters
    .get(item.record.cluster)
    ?.get(identityOf({ apiVersion: 'v1', kind: 'ServiceAccount', metadata }))
}

/** The reviewer's ServiceAccount has to be there before Vault is given its token. */
function halves(
  items: readonly VaultItem[],
): readonly [readonly VaultItem[], readonly VaultItem[]] {
  const isLater = ({ kind }: VaultItem): boolean =>
    kind === 'config' || kind === 'role' || kind === 'header'
  return [items.filter((item) => !isLater(item)), items.filter(isLater)]
}

function homeless(cluster: string, manifests: readonly Manifest[], there: ClusterActual): Verdict {
  const made = new Set(
    manifests.filter(({ kind }) => kind === 'Namespace').map(({ metadata }) => metadata.name),
  )
  const needed = new Set(manifests.flatMap(({ metadata }) => metadata.namespace ?? []))
  const missing = [...needed].filter((name) => !made.has(name) && !there.has(`Namespace ${name}`))
  return verdict({
    conflicts: missing.map(
      (name) =>
        `cluster ${cluster} has no namespace ${name}: kubectl create namespace ${name}, or set createNamespaces: true of the cluster`,
    ),
  })
}

/** What the file itself asks for that a person should know. */
export function risksOf({ apps }: ProvisionFile): readonly Note[] {
  return apps.flatMap((app) =>
    JOBS.flatMap((job) =>
      (app[job]?.extra ?? []).map((verb) => ({
        about: `${job} of ${app.name}`,
        says: RISKS[verb],
        isRisk: true,
      })),
    ),
  )
}

const RISKS = {
  create:
    'may create Secrets of any name in its namespace, also those that hold tokens of ServiceAccounts',
  list: 'may list, and so read, all Secrets of its namespace',
} as const
