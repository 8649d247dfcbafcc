/** ServiceAccounts, and what they may do: facts for the checks of RBAC. */
import { isSecretManagerError } from '../errors.ts'
import { mayI, type Action } from '../kubernetes/access-review.ts'
import { isRecord } from '../lib/record.ts'
import { caller, cluster, clusterAccess } from './cluster.ts'
import { Missing } from './verdict.ts'
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
      throw deniedAs(error, 'create on selfsubjectaccessreviews (ClusterRole system:basic-user)')
    })
}

/**
 * Asks whether somebody else may do something.
 *
 * @throws {@link Missing} where that may not be asked
 * @see https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/subject-access-review-v1/
 */
export async function mayUser(
  world: World,
  user: string,
  groups: readonly string[],
  { verb, resource: path, group = '', namespace = '', name = '' }: Action,
): Promise<boolean> {
  const client = await cluster(world)
  const [resource = '', subresource = ''] = path.split('/')
  const resourceAttributes = { verb, group, resource, subresource, namespace, name }
  const spec = { user, groups, resourceAttributes }
  const operation = { verb: 'create', resource: `${REVIEWS}.${GROUP}` } as const
  const body = { apiVersion: `${GROUP}/v1`, kind: 'SubjectAccessReview', spec }
  const url = `/apis/${GROUP}/v1/${REVIEWS}`
  const request = { method: 'POST', path: url, headers: {}, body } as const
  const { json } = await world
    .call((allowance) => client.request(allowance, operation, request))
    .catch((error: unknown) => {
      throw deniedAs(error, 'to run as the ServiceAccount (secretmanager doctor --print-job)')
    })
  return isRecord(json) && isRecord(json['status']) && json['status']['allowed'] === true
}

function deniedAs(error: unknown, needs: string): unknown {
  const isDenied = isSecretManagerError(error) && error.code === 'SM_K8S_DENIED'
  return isDenied ? new Missing(needs) : error
}

const GROUP = 'authorization.k8s.io'
const REVIEWS = 'subjectaccessreviews'

/** Asks whether the service's ServiceAccount may do something, as itself or about it. */
export async function mayService(world: World, action: Action): Promise<boolean> {
  if ((await caller(world)).isServiceAccount) return mayCaller(world, action)
  const { namespace, name } = await account(world)
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`]
  const user = `system:serviceaccount:${namespace}:${name}`
  return mayUser(world, user, [...groups, 'system:authenticated'], action)
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
  const subject = other ? `--serviceaccount=${other.namespace}:${other.name}` : '--user=NAME'
  const role = `secretmanager-${verb}-${name}`.slice(0, 63)
  const create = `kubectl -n ${namespace} create`
  return (
    `${create} role ${role} --verb=${verb} --resource=${resource} --resource-name=${name}` +
    ` && ${create} rolebinding ${role} --role=${role} ${subject}`
  )
}
