/** Which roles of Vault's auth mounts let somebody decrypt. */
import { isPathSegments } from '../../lib/names.ts'
import { isRecord } from '../../lib/record.ts'
import type { VaultReply } from '../../vault/client.ts'
import { look, textIn, textsIn, transitPaths } from '../vault.ts'
import { Missing } from '../verdict.ts'
import type { World } from '../world.ts'
import { grants, rulesOf } from './policy.ts'

/** A role whose tokens decrypt. */
export interface RoleAccess {
  /** Such as `auth/kubernetes/role/app`. */
  readonly role: string
  /** Those of its policies that grant it. */
  readonly policies: readonly string[]
  /** Who may log in by it, for people. */
  readonly subjects: readonly string[]
  /** Those of them that are ServiceAccounts, as `NAMESPACE/NAME`; `*` for any. */
  readonly accounts: readonly string[]
}

/** What was found, and what could not be looked at. */
export interface Found<T> {
  readonly found: readonly T[]
  readonly notChecked: readonly string[]
}

/** Auth methods whose roles are read, and how their names are listed. */
const METHODS: ReadonlySet<string> = new Set(['kubernetes', 'jwt', 'oidc', 'approle', 'gcp'])

/** Looks at every role of every auth mount. */
export async function rolesThatDecrypt(world: World): Promise<Found<RoleAccess>> {
  const notes = new Set<string>()
  const mounts = Object.entries((await orNoted(look(world, 'sys/auth'), notes)) ?? {})
  const found: RoleAccess[] = []
  const granting = policyReader(world, notes)
  for (const [path, mount] of mounts) {
    const type = isRecord(mount) ? textIn(mount, 'type') : ''
    for (const role of await rolesAt(world, path, type, notes)) {
      const data = await orNoted(look(world, role), notes)
      const policies = data ? await granting(policiesIn(data)) : []
      if (data && policies.length > 0) found.push({ role, policies, ...subjectsOf(type, data) })
    }
  }
  notes.add('tokens that were made by hand, and policies of identity entities and groups')
  return { found, notChecked: [...notes] }
}

/** Paths of the roles of a mount; tokens have none. */
async function rolesAt(
  world: World,
  mount: string,
  type: string,
  notes: Set<string>,
): Promise<readonly string[]> {
  // What an answer names goes into paths: what could lead elsewhere is not followed.
  if (METHODS.has(type) && isPathSegments(mount.replace(/\/$/, ''))) {
    const names = await orNoted(namesAt(world, `auth/${mount}role`), notes)
    return (names ?? []).map((name) => `auth/${mount}role/${name}`)
  }
  if (type !== 'token') notes.add(`auth/${mount} (${type}), whose users are not looked at`)
  return []
}

async function orNoted<T>(work: Promise<T>, notes: Set<string>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof Missing)) throw error
    notes.add(error.message)
    return undefined
  }
}

async function namesAt(world: World, path: string): Promise<readonly string[]> {
  const data = await look(world, path, 'list')
  return textsIn(data ?? {}, 'keys').filter((name) => !name.includes('/') && isPathSegments(name))
}

/** Also the fields of before token_policies had its name. */
function policiesIn(data: VaultReply): readonly string[] {
  const own = [...textsIn(data, 'token_policies'), ...textsIn(data, 'policies')]
  const isDefault = data['token_no_default_policy'] !== true
  return [...new Set(isDefault ? [...own, 'default'] : own)]
}

/** Gives those of some policies that grant decrypting; each is read once. */
function policyReader(
  world: World,
  notes: Set<string>,
): (policies: readonly string[]) => Promise<readonly string[]> {
  const { decrypt } = transitPaths(world)
  const known = new Map<string, Promise<boolean>>()
  const grantsIt = async (name: string): Promise<boolean> => {
    if (name === 'root') return true
    const data = await orNoted(look(world, `sys/policies/acl/${name}`), notes)
    const rules = data && rulesOf(textIn(data, 'policy'))
    if (data && !rules) notes.add(`the policy ${name}, whose text cannot be read here`)
    return rules !== undefined && grants(rules, decrypt, ['update', 'create'])
  }
  return async (policies) => {
    const granting: string[] = []
    for (const name of policies.filter(isPathSegments)) {
      const answer = known.get(name) ?? grantsIt(name)
      known.set(name, answer)
      if (await answer) granting.push(name)
    }
    return granting
  }
}

type Subjects = Pick<RoleAccess, 'subjects' | 'accounts'>

function subjectsOf(type: string, data: VaultReply): Subjects {
  switch (type) {
    case 'kubernetes':
      return kubernetesSubjects(data)
    case 'jwt':
    case 'oidc':
      return jwtSubjects(data)
    case 'approle':
      return { subjects: ['whoever has its role_id and a secret_id'], accounts: [] }
    default:
      return { subjects: textsIn(data, 'bound_service_accounts'), accounts: [] }
  }
}

function kubernetesSubjects(data: VaultReply): Subjects {
  const names = textsIn(data, 'bound_service_account_names')
  const namespaces = textsIn(data, 'bound_service_account_namespaces')
  const selector = textIn(data, 'bound_service_account_namespace_selector')
  const spaces = selector === '' ? namespaces : [...namespaces, '*']
  const accounts = spaces.flatMap((space) => names.map((name) => `${space}/${name}`))
  return { subjects: accounts.map((account) => `ServiceAccount ${account}`), accounts }
}

function jwtSubjects(data: VaultReply): Subjects {
  const subject = textIn(data, 'bound_subject')
  const [, account] = /^system:serviceaccount:([^:]+:[^:]+)$/.exec(subject) ?? []
  if (account !== undefined) {
    const path = account.replace(':', '/')
    return { subjects: [`ServiceAccount ${path}`], accounts: [path] }
  }
  const { bound_claims: claims } = data
  const named = isRecord(claims) ? Object.keys(claims).join(', ') : ''
  if (subject !== '') return { subjects: [subject], accounts: [] }
  const bound = named === '' ? '' : ` with bound_claims ${named}`
  return { subjects: [`every token of the audience${bound}`], accounts: ['*/*'] }
}
