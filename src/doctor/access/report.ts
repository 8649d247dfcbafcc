/** Who can decrypt a document: the roles that may, and who may become those that the roles are for. */
import { isSecretManagerError } from '../../errors.ts'
import { CLUSTER } from '../checks/cluster.ts'
import { transitPaths } from '../vault.ts'
import { Missing, type Verdict } from '../verdict.ts'
import type { World } from '../world.ts'
import { whoMayBe, type AccountAccess } from './rbac.ts'
import { rolesThatDecrypt, type Found, type RoleAccess } from './roles.ts'

/** Who can decrypt. */
export interface AccessReport {
  /** Such as `transit/keys/app`. */
  readonly key: string
  readonly roles: readonly RoleAccess[]
  readonly accounts: readonly AccountAccess[]
  /** Whether RBAC means anything at all; absent where nobody can tell. */
  readonly authorizer: Verdict | undefined
  /** What could not be looked at, or never is. */
  readonly notChecked: readonly string[]
}

/**
 * Looks at everybody who can decrypt.
 *
 * @throws {@link SecretManagerError} SM_VAULT_*, SM_K8S_*, where a server cannot be asked at all
 */
export async function accessTo(world: World): Promise<AccessReport> {
  const roles = await rolesThatDecrypt(world)
  const accounts = [...new Set(roles.found.flatMap((role) => role.accounts))].toSorted()
  const people = await reachable(() => whoMayBe(world, accounts))
  return {
    key: transitPaths(world).decrypt.replace('/decrypt/', '/keys/'),
    roles: roles.found,
    accounts: people.found,
    authorizer: await authorizer(world),
    notChecked: [...roles.notChecked, ...people.notChecked],
  }
}

/** Without a cluster, what Vault says still counts. */
async function reachable<T>(look: () => Promise<Found<T>>): Promise<Found<T>> {
  try {
    return await look()
  } catch (error) {
    if (error instanceof Missing) return { found: [], notChecked: [`needs ${error.message}`] }
    if (!isSecretManagerError(error) || error.code === 'SM_ABORTED') throw error
    return { found: [], notChecked: [`needs an answer of the cluster: ${error.message}`] }
  }
}

async function authorizer(world: World): Promise<Verdict | undefined> {
  const check = CLUSTER.find(({ id }) => id === 'kubernetes.authorizer')
  const asked = await reachable(async () => ({
    found: check ? [await check.run(world)] : [],
    notChecked: [],
  }))
  return asked.found[0]
}
