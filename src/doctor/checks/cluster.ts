/** The API server, whether it judges at all, and what it lets the service do. */
import { isSecretManagerError } from '../../errors.ts'
import { AUTHENTICATED } from '../../kubernetes/access-review.ts'
import { isRecord } from '../../lib/record.ts'
import { word } from '../../lib/shell-word.ts'
import { caller, cluster, clusterAccess } from '../cluster.ts'
import { place } from '../document.ts'
import { account, grantOf, mayCaller, mayOther, mayService } from '../subjects.ts'
import { critical, finding, Missing, ok, warning, type Verdict } from '../verdict.ts'
import { fact, type Check, type World } from '../world.ts'
import { reachable } from './network.ts'
import { skewVerdict } from './vault.ts'

/** How the API server is found; before its network. */
export const CLUSTER_ACCESS: readonly Check[] = [
  { id: 'kubernetes.access', title: 'access to Kubernetes', run: access },
]

const ANSWERING: readonly string[] = ['kubernetes.version']

/** The API server and RBAC. */
export const CLUSTER: readonly Check[] = [
  {
    id: 'kubernetes.version',
    title: 'the API server answers',
    needs: ['kubernetes.access', ...reachable('kubernetes')],
    run: version,
  },
  { id: 'kubernetes.clock', title: 'clock of the API server', needs: ANSWERING, run: clock },
  {
    id: 'kubernetes.authorizer',
    title: 'the API server refuses what nobody was granted',
    needs: ANSWERING,
    run: authorizer,
  },
  {
    id: 'rbac.read',
    title: 'the object may be read',
    needs: ['kubernetes.authorizer'],
    run: mayRead,
  },
  {
    id: 'rbac.token',
    title: 'a token may be requested',
    needs: ['kubernetes.authorizer'],
    run: mayRequestToken,
  },
  {
    id: 'rbac.list',
    title: 'Secrets of other namespaces are out of reach',
    needs: ['kubernetes.authorizer'],
    run: mayList,
  },
  {
    id: 'rbac.others',
    title: 'tokens of other ServiceAccounts are out of reach',
    needs: ['kubernetes.authorizer'],
    run: mayRequestOthers,
  },
]

async function access(world: World): Promise<Verdict> {
  const { origin, server } = await clusterAccess(world)
  const { name } = await caller(world)
  return ok(`${origin}: ${server}, as ${name}`)
}

interface Version {
  /** Absent where it may not be read. */
  readonly text: string | undefined
  readonly date: string | undefined
}

const answered: (world: World) => Promise<Version> = fact(async (world) => {
  const client = await cluster(world)
  const operation = { verb: 'get', resource: 'version' } as const
  const request = { method: 'GET', path: '/version', headers: {} } as const
  try {
    const { json, headers } = await world.call((allowance) =>
      client.request(allowance, operation, request),
    )
    const said = isRecord(json) ? json['gitVersion'] : undefined
    const isVersion = typeof said === 'string' && /^v[\w.+-]{1,64}$/.test(said)
    return { text: isVersion ? said : 'version unknown', date: headers['date'] }
  } catch (error) {
    // A refusal is an answer.
    if (!isSecretManagerError(error) || error.code !== 'SM_K8S_DENIED') throw error
    return { text: undefined, date: undefined }
  }
})

async function version(world: World): Promise<Verdict> {
  const { text } = await answered(world)
  return ok(text === undefined ? 'it answers; its version may not be read' : text)
}

async function clock(world: World): Promise<Verdict> {
  const date = Date.parse((await answered(world)).date ?? '')
  if (Number.isNaN(date)) throw new Missing('the time, which the API server does not tell')
  return skewVerdict('the API server', world.runtime.wallClock() - (date + 500))
}

/** Nobody who was granted anything. */
const NOBODY = { name: 'secretmanager:nobody', groups: [AUTHENTICATED] } as const
/** Nobody was ever granted this. */
const NONSENSE = { verb: 'diagnose', resource: 'nonsense', group: 'doctor.secretmanager' } as const

async function authorizer(world: World): Promise<Verdict> {
  const { isServiceAccount } = await caller(world)
  // An administrator may do everything where RBAC is on, too: there another is asked about.
  const isAllowed = isServiceAccount
    ? await mayCaller(world, NONSENSE)
    : await mayOther(world, NOBODY, NONSENSE)
  if (!isAllowed) return ok('RBAC is on')
  const who = isServiceAccount ? 'this ServiceAccount' : 'anybody who is authenticated'
  return critical(
    `${who} may do everything: any pod may mint a token of any ServiceAccount and with it log in to Vault, and what RBAC says means nothing`,
    isServiceAccount
      ? 'switch RBAC on (microk8s enable rbac; --authorization-mode=Node,RBAC); where it is on, take cluster-admin away: kubectl get clusterrolebindings -o wide'
      : 'switch RBAC on: microk8s enable rbac; --authorization-mode=Node,RBAC of kube-apiserver',
  )
}

async function mayRead(world: World): Promise<Verdict> {
  if (world.settings.kubernetes.mountedAt !== undefined) {
    throw new Missing('a read of the API server, and the ciphertext is mounted')
  }
  const { kind, namespace, name } = await place(world)
  const resource = kind === 'Secret' ? 'secrets' : 'configmaps'
  const action = { verb: 'get', resource, namespace, name }
  return permission(world, action, `get ${resource} ${namespace}/${name}`)
}

async function mayRequestToken(world: World): Promise<Verdict> {
  const { auth } = world.settings.vault
  if (!('audience' in auth)) throw new Missing(`a login by ServiceAccount, not by ${auth.method}`)
  if (auth.jwtFile !== undefined) throw new Missing('a TokenRequest, and the token is mounted')
  const { namespace, name } = await account(world)
  const action = { verb: 'create', resource: 'serviceaccounts/token', namespace, name }
  return permission(world, action, `create serviceaccounts/token ${namespace}/${name}`)
}

async function permission(
  world: World,
  action: Parameters<typeof grantOf>[1],
  what: string,
): Promise<Verdict> {
  const { name, isServiceAccount } = await caller(world)
  if (!(await mayCaller(world, action))) {
    return finding(`${name} may not ${what}`, await grantOf(world, action))
  }
  // Whoever runs this may do everything, it may be: that says nothing of the service.
  if (isServiceAccount || (await mayServiceOrUnknown(world, action))) return ok(what)
  const { namespace, name: own } = await account(world)
  return warning(
    `${name} may ${what}, and the service may not: ${await serviceName(world)} is denied it in a pod`,
    await grantOf(world, action, { namespace, name: own }),
  )
}

/** Who may not ask about others is told of by the checks that can do nothing else. */
async function mayServiceOrUnknown(
  world: World,
  action: Parameters<typeof mayService>[1],
): Promise<boolean> {
  try {
    return await mayService(world, action)
  } catch (error) {
    if (error instanceof Missing) return true
    throw error
  }
}

async function mayList(world: World): Promise<Verdict> {
  const who = await serviceName(world)
  const list = await mayService(world, { verb: 'list', resource: 'secrets' })
  const get = await mayService(world, { verb: 'get', resource: 'secrets' })
  if (!list && !get) return ok(`${who} may read no Secrets of the whole cluster`)
  const { name } = await account(world)
  return warning(
    `${who} may ${list ? 'list' : 'get'} every Secret of the cluster; a read needs get on one`,
    `find what grants it: kubectl get clusterrolebindings -o wide | grep ${word(name)}; bind a Role with resourceNames in its place`,
  )
}

/** Whoever mints tokens of another ServiceAccount logs in as it. */
async function mayRequestOthers(world: World): Promise<Verdict> {
  const who = await serviceName(world)
  const { namespace, name } = await account(world)
  const action = { verb: 'create', resource: 'serviceaccounts/token', namespace }
  if (!(await mayService(world, action))) return ok(`${who} may mint tokens of no others`)
  return warning(
    `${who} may mint tokens of every ServiceAccount in ${namespace}, and log in to Vault as each`,
    `kubectl -n ${word(namespace)} get roles -o yaml; add resourceNames: [${name}] to the rule for serviceaccounts/token`,
  )
}

async function serviceName(world: World): Promise<string> {
  const { name, isServiceAccount } = await caller(world)
  if (isServiceAccount) return name
  const { namespace, name: configured } = await account(world)
  return `system:serviceaccount:${namespace}:${configured}`
}
