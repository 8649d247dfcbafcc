/** Which roles of Vault's auth mounts let somebody decrypt. */
import { isPathSegments } from '../../lib/names.ts'
import { isRecord } from '../../lib/record.ts'
import type { VaultReply } from '../../vault/client.ts'
import { look, textIn, textsIn } from '../vault.ts'
import { Missing } from '../verdict.ts'
import type { World } from '../world.ts'
import { policyJudge, type Granting } from './policies.ts'

/** A role whose tokens decrypt, or may. */
export interface RoleAccess extends Granting {
  /** Such as `auth/kubernetes/role/app`. */
  readonly role: string
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
  const judge = policyJudge(world)
  for (const [path, mount] of mounts) {
    const type = isRecord(mount) ? textIn(mount, 'type') : ''
    for (const role of await rolesAt(world, path, type, notes)) {
      const data = await orNoted(look(world, role), notes)
      if (data === undefined) continue
      const granting = await judge(policiesIn(data))
      const isFound = granting.policies.length > 0 || granting.doubts.length > 0
      if (isFound) found.push({ role, ...granting, ...subjectsOf(type, data) })
    }
  }
  for (const note of never(world)) notes.add(note)
  return { found, notChecked: [...notes] }
}

/** What is looked at nowhere. */
function never({ settings }: World): readonly string[] {
  const { namespace } = settings.vault
  const above = `roles and policies of the namespaces above ${namespace}, which may reach into it`
  const always = 'tokens that were made by hand, and policies of identity entities and groups'
  return namespace === undefined ? [always] : [above, always]
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
    const listed = await orNoted(look(world, `auth/${mount}role`, 'list'), notes)
    const names = textsIn(listed ?? {}, 'keys')
    const odd = names.filter((name) => !isName(name))
    for (const name of odd) notes.add(`role ${name} of auth/${mount}: vault read it by hand`)
    return names.filter(isName).map((name) => `auth/${mount}role/${name}`)
  }
  if (type !== 'token') notes.add(`auth/${mount} (${type}), whose users are not looked at`)
  return []
}

async function orNoted<T>(work: Promise<T>, notes: Set<string>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof Missing)) throw error
    notes.add(`needs ${error.message}`)
    return undefined
  }
}

function isName(name: string): boolean {
  return !name.includes('/') && isPathSegments(name)
}

/** Also the fields of before token_policies had its name. */
function policiesIn(data: VaultReply): readonly string[] {
  const own = [...textsIn(data, 'token_policies'), ...textsIn(data, 'policies')]
  const isDefault = data['token_no_default_policy'] !== true
  return [...new Set(isDefault ? [...own, 'default'] : own)]
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
