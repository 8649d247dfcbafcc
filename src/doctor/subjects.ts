/** ServiceAccounts, and what they may do: facts for the checks of RBAC. */
import {
  mayI,
  mayUser,
  serviceAccountUser,
  type Action,
  type User,
} from '../kubernetes/access-review.ts'
import { word } from '../lib/shell-word.ts'
import { caller, cluster, clusterAccess } from './cluster.ts'
import { ifDenied } from './verdict.ts'
import { fact, type World } from './world.ts'

/** A ServiceAccount. */
export interface Account {
  readonly namespace: string
  readonly name: string
}

/** Who tokens are requested for: the configured ServiceAccount, else the pod's own. */
export const account: (world: World) => Promise<Account> = fact(async (world) => {
  const { identity, namespace: ofContext = 'default' } = await clusterAccess(world)
  const own = identity ?? { namespace: ofContext, serviceAccount: 'default' }
  const { namespace = own.namespace, serviceAccount: name = own.serviceAccount } =
    world.settings.kubernetes
  return { namespace, name }
})

/** Asks whether who asks here may do something. @throws {@link Missing} where even that may not be asked */
export async function mayCaller(world: World, action: Action): Promise<boolean> {
  const client = await cluster(world)
  return world
    .call((allowance) => mayI(client, allowance, action))
    .catch((error: unknown) => {
      throw ifDenied(
        'SM_K8S_DENIED',
        error,
        'create on selfsubjectaccessreviews (ClusterRole system:basic-user)',
      )
    })
}

/** Asks whether somebody else may do something. @throws {@link Missing} where that may not be asked */
export async function mayOther(world: World, user: User, action: Action): Promise<boolean> {
  const client = await cluster(world)
  return world
    .call((allowance) => mayUser(client, allowance, user, action))
    .catch((error: unknown) => {
      throw ifDenied(
        'SM_K8S_DENIED',
        error,
        'to run as the ServiceAccount (secretmanager doctor --print-job)',
      )
    })
}

/** Asks whether the service's ServiceAccount may do something, as itself or about it. */
export async function mayService(world: World, action: Action): Promise<boolean> {
  if ((await caller(world)).isServiceAccount) return mayCaller(world, action)
  const { namespace, name } = await account(world)
  return mayOther(world, serviceAccountUser(namespace, name), action)
}

/** The commands that grant exactly this to `to`, else to who asks here, and no more. */
export async function grantOf(
  world: World,
  {
    verb,
    resource,
    namespace,
    name,
  }: Action & { readonly namespace: string; readonly name: string },
  to?: Account,
): Promise<string> {
  const { name: asked, isServiceAccount } = await caller(world)
  const [, , space = '', own = ''] = asked.split(':')
  const other = to ?? (isServiceAccount ? { namespace: space, name: own } : undefined)
  const subject = other
    ? `--serviceaccount=${word(`${other.namespace}:${other.name}`)}`
    : '--user=NAME'
  const role = word(`secretmanager-${verb}-${name}`.slice(0, 63))
  const create = `kubectl -n ${word(namespace)} create`
  return (
    `${create} role ${role} --verb=${verb} --resource=${resource} --resource-name=${word(name)}` +
    ` && ${create} rolebinding ${role} --role=${role} ${subject}`
  )
}
