/** Reads what the servers hold of a plan. Nothing is changed. */
import { isSecretManagerError } from '../errors.ts'
import { inParallel } from '../lib/in-parallel.ts'
import { isRecord } from '../lib/record.ts'
import type { ClusterCalls } from './cluster-calls.ts'
import type { Actual } from './diff.ts'
import type { ClusterActual } from './diff-kubernetes.ts'
import { mountsOf, pathOf } from './diff-vault.ts'
import type { VaultActual } from './actual.ts'
import type { Plan } from './plan.ts'
import type { Fields, VaultItem } from './items.ts'
import { identityOf, type Manifest } from './manifest.ts'
import type { Servers } from './servers.ts'
import type { VaultCalls } from './vault-calls.ts'

/** Requests under way at each server. */
const AT_ONCE = 8

const HEADERS = 'sys/config/auditing/request-headers'

/** The lists that hold more than one thing of a plan. */
export function listPaths(items: readonly VaultItem[]): readonly string[] {
  const hasHeaders = items.some(({ kind }) => kind === 'header')
  return ['sys/mounts', 'sys/auth', ...(hasHeaders ? [HEADERS] : [])]
}

/** Reads everything that {@link Plan} names. @throws {@link SecretManagerError} SM_VAULT_*, SM_K8S_* */
export async function readActual(plan: Plan, servers: Servers): Promise<Actual> {
  const [vault, clusters] = await Promise.all([
    readVault(plan.vault, servers.vault),
    Promise.all(
      [...plan.clusters].map(async ([name, manifests]) => {
        const actual = await readCluster(manifests, servers.cluster(name))
        return [name, actual] as const
      }),
    ),
  ])
  return { vault, clusters: new Map(clusters) }
}

/** The paths of Vault that are read by themselves. */
export function readPaths(items: readonly VaultItem[]): readonly string[] {
  return items
    .filter(({ kind }) => kind !== 'engine' && kind !== 'method' && kind !== 'header')
    .map(pathOf)
}

async function readVault(items: readonly VaultItem[], calls: VaultCalls): Promise<VaultActual> {
  const paths = readPaths(items)
  const lists = listPaths(items)
  const all = await inParallel([...lists, ...paths], AT_ONCE, async (path) => {
    const there = path === HEADERS ? await readHeaders(calls) : await calls.read(path)
    return [path, there] as const
  })
  const found = new Map(all.filter((one): one is readonly [string, Fields] => one[1] !== undefined))
  const audited = found.get(HEADERS)
  return {
    engines: mountsOf(found.get('sys/mounts') ?? {}),
    methods: mountsOf(found.get('sys/auth') ?? {}),
    headers: audited && headersOf(audited),
    at: found,
  }
}

/** In a namespace below the root there is no such list, and Vault says so by a 400. */
async function readHeaders(calls: VaultCalls): Promise<Fields | undefined> {
  try {
    return (await calls.read(HEADERS)) ?? {}
  } catch (error) {
    if (isSecretManagerError(error) && error.code === 'SM_VAULT_REJECTED') return undefined
    throw error
  }
}

function headersOf({ headers }: Fields): ReadonlyMap<string, Fields> {
  const rows = Object.entries(isRecord(headers) ? headers : {})
  return new Map(
    rows
      .filter((row): row is [string, Fields] => isRecord(row[1]))
      .map(([name, row]) => [name.toLowerCase(), row]),
  )
}

async function readCluster(
  manifests: readonly Manifest[],
  calls: ClusterCalls,
): Promise<ClusterActual> {
  const namespaces = new Set(manifests.flatMap(({ metadata }) => metadata.namespace ?? []))
  const [homes, objects] = await Promise.all([
    inParallel([...namespaces], AT_ONCE, async (name) => {
      const there = await namespaceOrUnknown(name, calls)
      return [`Namespace ${name}`, there] as const
    }),
    inParallel(
      manifests.filter(({ kind }) => kind !== 'Namespace'),
      AT_ONCE,
      async (manifest) => {
        const { kind, metadata } = manifest
        const there = await calls.get(kind, metadata.name, metadata.namespace)
        return [identityOf(manifest), there] as const
      },
    ),
  ])
  return new Map(
    [...homes, ...objects].filter((one): one is readonly [string, Fields] => one[1] !== undefined),
  )
}

/** Whoever administers one namespace need not be able to look at it. */
async function namespaceOrUnknown(name: string, calls: ClusterCalls): Promise<Fields | undefined> {
  try {
    return await calls.get('Namespace', name)
  } catch (error) {
    if (isSecretManagerError(error) && error.code === 'SM_K8S_DENIED') return {}
    throw error
  }
}
