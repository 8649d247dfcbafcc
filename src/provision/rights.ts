/** What whoever provisions must be allowed to do: all that is missing is told, before anything is done. */
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { Action } from '../kubernetes/access-review.ts'
import type { Change, VaultWrite, Write } from './change.ts'
import { actionFor, type ClusterCalls } from './cluster-calls.ts'
import type { Plan } from './plan.ts'
import { listPaths, readPaths } from './read.ts'
import type { Servers } from './servers.ts'
import type { VaultCalls } from './vault-calls.ts'

/** What is needed at one path of Vault. */
export interface Need {
  readonly path: string
  readonly capabilities: readonly string[]
}

/** The reads of a plan. */
export function readNeeds({ vault }: Plan): readonly Need[] {
  const lists = listPaths(vault).map((path) => ({
    path,
    // Vault lets nobody look at its auditing without sudo.
    capabilities: path.startsWith('sys/config/auditing') ? ['read', 'sudo'] : ['read'],
  }))
  return [...lists, ...readPaths(vault).map((path) => ({ path, capabilities: ['read'] }))]
}

/** The writes of changes. */
export function writeNeeds(changes: readonly Change[]): readonly Need[] {
  return changes.flatMap(({ action, writes }) => writes.flatMap((write) => needsOf(action, write)))
}

function needsOf(action: Change['action'], write: Write): readonly Need[] {
  if (write.target === 'vault') return [needOf(action, write)]
  if (write.target === 'kubernetes') return []
  return [
    { path: `auth/${write.mount}/config`, capabilities: ['update'] },
    { path: `sys/auth/${write.mount}/tune`, capabilities: ['update', 'sudo'] },
  ]
}

function needOf(action: Change['action'], { method, path, isRootPath }: VaultWrite): Need {
  const sudo = isRootPath === true ? ['sudo'] : []
  if (method === 'DELETE') return { path, capabilities: ['delete', ...sudo] }
  // Roles are one of the few things of which Vault asks first whether they are there.
  const isNewRole = action === 'create' && /^auth\/.+\/role\/[^/]+$/.test(path)
  return { path, capabilities: [isNewRole ? 'create' : 'update', ...sudo] }
}

/**
 * Asks Vault whether the token may do all of this.
 *
 * @param besides - what would be needed later: it is told of with the rest, and by itself is no reason
 * @throws {@link SecretManagerError} SM_VAULT_DENIED with a rule for each path that lacks one
 */
export async function refuseWithout(
  calls: VaultCalls,
  needs: readonly Need[],
  besides: readonly Need[] = [],
): Promise<void> {
  const wanted = merged([...needs, ...besides])
  if (wanted.length === 0) return
  const granted = await calls.capabilities(wanted.map(({ path }) => path))
  const lacks = ({ path, capabilities }: Need): boolean => {
    const has = granted.get(path) ?? new Set()
    return !has.has('root') && capabilities.some((each) => !has.has(each))
  }
  if (needs.some(lacks)) throw denied(wanted.filter(lacks))
}

/** One need for each path, with all that is needed there. */
function merged(needs: readonly Need[]): readonly Need[] {
  const paths = new Map<string, Set<string>>()
  for (const { path, capabilities } of needs) {
    paths.set(path, new Set([...(paths.get(path) ?? []), ...capabilities]))
  }
  return [...paths].map(([path, capabilities]) => ({ path, capabilities: [...capabilities] }))
}

function denied(missing: readonly Need[]): SecretManagerError {
  const problems = missing.map(
    ({ path, capabilities }) =>
      `path "${path}" { capabilities = [${capabilities.map((each) => `"${each}"`).join(', ')}] }`,
  )
  const message = `nothing was changed: the policies of this login do not have ${problems.join('; ')}`
  return new SecretManagerError('SM_VAULT_DENIED', message, {
    hint: 'add that to its policy: vault policy write; or log in as who has it: --auth-method token',
    problems,
  })
}

/**
 * Asks each cluster whether we may do all of this.
 *
 * @throws {@link SecretManagerError} SM_K8S_DENIED with each right that is missing
 */
export async function refuseInClusters(
  servers: Servers,
  changes: readonly Change[],
): Promise<void> {
  const byCluster = new Map<string, Action[]>()
  for (const [cluster, action] of changes.flatMap(({ writes }) => writes.flatMap(actionsOf))) {
    byCluster.set(cluster, [...(byCluster.get(cluster) ?? []), action])
  }
  const missing = await Promise.all(
    [...byCluster].map(async ([cluster, actions]) => {
      const lacking = await lackingIn(servers.cluster(cluster), distinct(actions))
      return lacking.map((what) => `cluster ${cluster}: ${what}`)
    }),
  )
  const problems = missing.flat()
  if (problems.length === 0) return
  const message = `nothing was changed: this login may not ${problems.join('; ')}`
  throw new SecretManagerError('SM_K8S_DENIED', message, {
    hint: 'use a kubeconfig of who administers the cluster, or apply the manifests of -o yaml by other means',
    problems,
  })
}

function actionsOf(write: Write): readonly (readonly [string, Action])[] {
  if (write.target === 'vault') return []
  if (write.target === 'kubernetes') return [[write.cluster, actionFor(write.verb, write.manifest)]]
  const { namespace, serviceAccount: name } = write.reviewer
  const resource = 'serviceaccounts/token'
  return [[write.cluster, { verb: 'create', resource, namespace, name }]]
}

function distinct(actions: readonly Action[]): readonly Action[] {
  return [...new Map(actions.map((action) => [JSON.stringify(action), action])).values()]
}

/** Where even asking is refused, nothing is known before it is tried. */
async function lackingIn(
  calls: ClusterCalls,
  actions: readonly Action[],
): Promise<readonly string[]> {
  try {
    return await calls.missing(actions)
  } catch (error) {
    if (isSecretManagerError(error) && error.code === 'SM_K8S_DENIED') return []
    throw error
  }
}
