/** Who may become a ServiceAccount: by its tokens, or by pods that run as it. */
import { isSecretManagerError } from '../../errors.ts'
import { covers, ruleOf, type Action, type Rule } from '../../kubernetes/access-review.ts'
import { pageOf } from '../../kubernetes/list.ts'
import { isDnsLabel, isDnsSubdomain } from '../../lib/names.ts'
import { isRecord } from '../../lib/record.ts'
import { cluster } from '../cluster.ts'
import { fact, type World } from '../world.ts'
import type { Found } from './roles.ts'

/** Who may become one ServiceAccount. */
export interface AccountAccess {
  /** `NAMESPACE/NAME`. */
  readonly account: string
  /** Who may get a token of it, or impersonate it. */
  readonly tokens: readonly string[]
  /** Who may make pods in its namespace, which may run as it, or enter those that do. */
  readonly pods: readonly string[]
}

type Json = Readonly<Record<string, unknown>>

const TOKENS: readonly Action[] = [
  { verb: 'create', group: '', resource: 'serviceaccounts/token' },
  { verb: 'impersonate', group: '', resource: 'serviceaccounts' },
  // One of type kubernetes.io/service-account-token is given a token by the cluster.
  { verb: 'create', group: '', resource: 'secrets' },
]

/** What makes pods has their rights, and so has who enters one. */
const PODS: readonly Action[] = [
  { verb: 'create', group: '', resource: 'pods' },
  { verb: 'create', group: '', resource: 'pods/exec' },
  { verb: 'create', group: '', resource: 'pods/ephemeralcontainers' },
  { verb: 'create', group: '', resource: 'replicationcontrollers' },
  ...['deployments', 'daemonsets', 'replicasets', 'statefulsets'].map((resource) => {
    return { verb: 'create', group: 'apps', resource }
  }),
  ...['jobs', 'cronjobs'].map((resource) => ({ verb: 'create', group: 'batch', resource })),
]

/** Reads RBAC for these ServiceAccounts. */
export async function whoMayBe(
  world: World,
  accounts: readonly string[],
): Promise<Found<AccountAccess>> {
  const exact = accounts.filter(isAccount)
  const found: AccountAccess[] = []
  try {
    for (const [namespace, own] of byNamespace(exact)) {
      const bindings = await bindingsIn(world, namespace)
      found.push(...own.map((account) => accessTo(account, bindings)))
    }
  } catch (error) {
    if (!isSecretManagerError(error) || error.code !== 'SM_K8S_DENIED') throw error
    const what = 'needs list on roles, rolebindings, clusterroles and clusterrolebindings'
    return { found: [], notChecked: [what] }
  }
  const patterns = accounts.filter((account) => !isAccount(account))
  return {
    found,
    notChecked: patterns.map((each) => `the ServiceAccounts that ${each} stands for`),
  }
}

/** What Vault says of a role goes into paths of the cluster: only names do. */
function isAccount(account: string): boolean {
  const [namespace = '', name = '', ...more] = account.split('/')
  return more.length === 0 && isDnsLabel(namespace) && isDnsSubdomain(name)
}

function accessTo(account: string, bindings: readonly Binding[]): AccountAccess {
  const [, name = ''] = account.split('/')
  const who = (actions: readonly Action[], object: string): readonly string[] => {
    const granting = bindings.filter(({ rules }) =>
      actions.some((action) => rules.some((rule) => covers(rule, { ...action, name: object }))),
    )
    return [...new Set(granting.flatMap(({ subjects }) => subjects))].toSorted()
  }
  return { account, tokens: who(TOKENS, name), pods: who(PODS, '') }
}

/** In their order: each namespace is read once. */
function byNamespace(accounts: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>()
  for (const account of accounts) {
    const [namespace = ''] = account.split('/')
    groups.set(namespace, [...(groups.get(namespace) ?? []), account])
  }
  return groups
}

interface Binding {
  readonly subjects: readonly string[]
  readonly rules: readonly Rule[]
}

/** What applies in a namespace: its own bindings, and those of the cluster. */
async function bindingsIn(world: World, namespace: string): Promise<readonly Binding[]> {
  const { clusterRoles, clusterBindings } = await clusterWide(world)
  const roles = rulesByName(await listOf(world, `namespaces/${namespace}/roles`))
  const own = await listOf(world, `namespaces/${namespace}/rolebindings`)
  return [...clusterBindings, ...own].map((binding) => {
    const { roleRef, subjects } = binding
    const { kind, name } = isRecord(roleRef) ? roleRef : {}
    const rules = kind === 'Role' ? roles : clusterRoles
    return { rules: rules.get(String(name)) ?? [], subjects: recordsIn(subjects).map(subjectOf) }
  })
}

const clusterWide: (world: World) => Promise<{
  readonly clusterRoles: ReadonlyMap<string, readonly Rule[]>
  readonly clusterBindings: readonly Json[]
}> = fact(async (world) => ({
  clusterRoles: rulesByName(await listOf(world, 'clusterroles')),
  clusterBindings: await listOf(world, 'clusterrolebindings'),
}))

function rulesByName(roles: readonly Json[]): ReadonlyMap<string, readonly Rule[]> {
  const named = roles.map(({ metadata, rules }): [string, readonly Rule[]] => [
    isRecord(metadata) ? String(metadata['name']) : '',
    recordsIn(rules).map(ruleOf),
  ])
  return new Map(named)
}

function recordsIn(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter(isRecord) : []
}

/** Names that somebody else chose, on one line. */
function subjectOf({ kind, namespace, name }: Json): string {
  const full = kind === 'ServiceAccount' ? `${String(namespace)}/${String(name)}` : String(name)
  return `${String(kind)} ${full}`.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 300)
}

const GROUP = 'rbac.authorization.k8s.io'
/** Objects of one page. */
const PAGE = 500

/** All pages of a list. @throws SM_K8S_DENIED, SM_K8S_* */
async function listOf(world: World, path: string): Promise<readonly Json[]> {
  const client = await cluster(world)
  const resource = `${path.split('/').at(-1) ?? ''}.${GROUP}`
  const [, namespace] = /^namespaces\/([^/]+)/.exec(path) ?? []
  const collection = { path: `/apis/${GROUP}/v1/${path}`, resource, namespace, read }
  const items: Json[] = []
  let from: string | undefined
  do {
    const request = { limit: PAGE, continue: from }
    const page = await world.call((allowance) => pageOf(client, allowance, collection, request))
    items.push(...page.items)
    from = page.continue
  } while (from !== undefined)
  return items
}

function read(_backend: unknown, { json }: { readonly json: unknown }): Json {
  return isRecord(json) ? json : {}
}
