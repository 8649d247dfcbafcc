/**
 * Provision: reads, compares, and does what is missing. It may end anywhere, by a kill as by an error:
 * what is done by then is safe, and the next run does the rest.
 */
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import { textsOf } from '../lib/record.ts'
import type {
  Change,
  KubernetesWrite,
  ReviewerWrite,
  VaultWrite,
  Verdict,
  Write,
} from './change.ts'
import { isSame } from './compare.ts'
import { diffDestroy } from './diff-destroy.ts'
import { diff, risksOf, type Actual } from './diff.ts'
import { diffCluster } from './diff-kubernetes.ts'
import { mountsOf } from './diff-vault.ts'
import { factsOf } from './facts.ts'
import { planOf, type ClusterFacts, type Plan } from './plan.ts'
import { identityOf } from './manifest.ts'
import { readActual } from './read.ts'
import { withRecord } from './record.ts'
import { NO_ADDRESS, vaultAddress } from './renewer-config.ts'
import { readNeeds, refuseInClusters, refuseWithout, writeNeeds } from './rights.ts'
import type { Servers } from './servers.ts'

/**
 * Compares the servers with the file. Nothing is changed.
 *
 * @throws {@link SecretManagerError} SM_VAULT_DENIED with all that the token lacks, SM_VAULT_*, SM_K8S_*
 */
export async function compare(servers: Servers): Promise<Verdict> {
  const { file, runtime, vault, settings } = servers
  // Before any call: it may have to be said otherwise.
  const address = await vaultAddress(file, settings, runtime)
  const plan = planOf(file, await allFacts(servers), address)
  if (plan.vault.length === 0) return { changes: [], conflicts: [], notes: [] }
  // Whoever lacks a right to look learns at once what else they will lack.
  const later = writeNeeds(diff(plan, nothing(plan), 0).changes)
  await refuseWithout(vault, readNeeds(plan), later)
  const verdict = diff(plan, await readActual(plan, servers), runtime.wallClock())
  return { ...verdict, notes: [...risksOf(file), ...verdict.notes] }
}

/**
 * Compares the servers with what they should hold when everything of the file is taken away. Nothing is changed:
 * {@link apply} does it.
 *
 * @param options - `keys`: whether the keys go, too
 * @throws {@link SecretManagerError} SM_VAULT_DENIED, SM_VAULT_*, SM_K8S_*
 */
export async function compareDestroyed(
  servers: Servers,
  { keys }: { readonly keys: boolean },
): Promise<Verdict> {
  const plan = planOf(servers.file, await allFacts(servers), NO_ADDRESS)
  if (plan.vault.length === 0) return { changes: [], conflicts: [], notes: [] }
  const mounts = plan.vault.flatMap((item) => (item.kind === 'method' ? [item.mount] : []))
  const lists = mounts.map((mount) => ({ path: `auth/${mount}/role`, capabilities: ['list'] }))
  await refuseWithout(servers.vault, [...readNeeds(plan), ...lists])
  const [actual, roles] = await Promise.all([
    readActual(plan, servers),
    Promise.all(mounts.map(async (mount) => [mount, await rolesOf(servers, mount)] as const)),
  ])
  return diffDestroy(plan, actual, { keys, roles: new Map(roles) })
}

async function rolesOf({ vault }: Servers, mount: string): Promise<readonly string[]> {
  return textsOf((await vault.read(`auth/${mount}/role?list=true`))?.['keys'])
}

async function allFacts({
  file,
  runtime,
  cluster,
}: Servers): Promise<ReadonlyMap<string, ClusterFacts>> {
  const used = file.clusters.filter(({ name }) =>
    file.apps.some(({ clusters }) => clusters.includes(name)),
  )
  const facts = await Promise.all(
    used.map(
      async (spec) => [spec.name, await factsOf(spec, cluster(spec.name), runtime)] as const,
    ),
  )
  refuseTwins(facts)
  return new Map(facts)
}

/** Two contexts of one cluster, or one context twice. */
function refuseTwins(facts: readonly (readonly [string, ClusterFacts])[]): void {
  for (const [name, { uid }] of facts) {
    const [twin] = facts.find(([other, { uid: same }]) => other !== name && same === uid) ?? []
    if (twin !== undefined) {
      throw refusal([`${twin} and ${name} lead to the same cluster: check clusters[].context`])
    }
  }
}

function nothing({ clusters }: Plan): Actual {
  const none = new Map()
  const vault = { engines: none, methods: none, headers: none, at: none }
  return { vault, clusters: new Map([...clusters.keys()].map((name) => [name, none])) }
}

/**
 * Does what a comparison found.
 *
 * @param onDone - told of each change once it is done
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID with every conflict, SM_VAULT_DENIED and SM_K8S_DENIED with
 *   every right that is missing, before anything is changed; SM_VAULT_*, SM_K8S_* on the way
 */
export async function apply(
  servers: Servers,
  { changes, conflicts }: Verdict,
  onDone: (change: Change) => void = () => undefined,
): Promise<void> {
  if (conflicts.length > 0) throw refusal(conflicts)
  await refuseWithout(servers.vault, writeNeeds(changes))
  await refuseInClusters(servers, changes)
  for (const change of changes) {
    for (const write of change.writes) await perform(servers, write)
    if (change.writes.length > 0) onDone(change)
  }
}

/** Why nothing may be done, all at once. */
export function refusal(conflicts: readonly string[]): SecretManagerError {
  return new SecretManagerError(
    'SM_CONFIG_INVALID',
    `nothing was changed: ${conflicts.join('; ')}`,
    { hint: 'mend the provision file, or what it is compared with', problems: conflicts },
  )
}

function perform(servers: Servers, write: Write): Promise<void> {
  switch (write.target) {
    case 'vault':
      return writeVault(servers, write)
    case 'kubernetes':
      return writeCluster(servers, write)
    case 'reviewer':
      return renewReviewer(servers, write)
  }
}

async function writeVault({ vault }: Servers, write: VaultWrite): Promise<void> {
  try {
    await vault.write(write)
  } catch (error) {
    // Its answer was lost, and the second attempt met what the first had made.
    if (await isMounted(vault, write, error)) return
    throw error
  }
}

async function isMounted(
  vault: Servers['vault'],
  { method, path, body = {} }: VaultWrite,
  error: unknown,
): Promise<boolean> {
  const [, list, mount] = /^(sys\/(?:mounts|auth))\/(.+)$/.exec(path) ?? []
  if (list === undefined || mount === undefined || method !== 'POST') return false
  if (!isSecretManagerError(error) || error.code !== 'SM_VAULT_REJECTED') return false
  const there = mountsOf((await vault.read(list)) ?? {}).get(mount)
  return (
    there !== undefined &&
    ['type', 'description'].every((field) => isSame(body[field] ?? '', there[field]))
  )
}

async function writeCluster(servers: Servers, write: KubernetesWrite): Promise<void> {
  const { manifest, verb, patch = {} } = write
  const calls = servers.cluster(write.cluster)
  if (verb === 'delete') return calls.remove(manifest)
  if (verb === 'patch') return calls.patch(manifest, patch)
  try {
    await calls.create(manifest)
  } catch (error) {
    if (!isSecretManagerError(error) || error.code !== 'SM_K8S_CONFLICT') throw error
    // Ours whose answer was lost, or that of somebody who wants the same.
    if (!(await isThere(servers, write))) throw error
  }
}

async function isThere(servers: Servers, { cluster, manifest }: KubernetesWrite): Promise<boolean> {
  const { kind, metadata } = manifest
  const there = await servers.cluster(cluster).get(kind, metadata.name, metadata.namespace)
  if (there === undefined) return false
  const actual = new Map([[identityOf(manifest), there]])
  const { changes, conflicts } = diffCluster(cluster, [manifest], actual)
  return conflicts.length === 0 && changes.every(({ action }) => action === 'same')
}

/**
 * Gives Vault a new token to review others by. The record comes last: without it the next run renews again,
 * which is harmless.
 *
 * @throws {@link SecretManagerError} SM_K8S_*, SM_VAULT_*
 */
export async function renewReviewer(servers: Servers, write: ReviewerWrite): Promise<void> {
  const { cluster, mount, reviewer, fields, record, description } = write
  const { namespace, serviceAccount, expiresInMs } = reviewer
  const from = servers.runtime.wallClock()
  const seconds = Math.round(expiresInMs / 1000)
  const { jwt, expiresAt: until } = await servers
    .cluster(cluster)
    .token({ namespace, serviceAccount, seconds })
  const post = (path: string, body: Readonly<Record<string, unknown>>): Promise<void> =>
    servers.vault.write({ target: 'vault', method: 'POST', path, body })
  await post(`auth/${mount}/config`, { ...fields, token_reviewer_jwt: jwt })
  await post(`sys/auth/${mount}/tune`, {
    description: withRecord(description, { ...record, reviewer: { from, until } }),
  })
}
