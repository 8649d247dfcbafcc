/** The ServiceAccount token that the service logs in with, held against the role. */
import { isSecretManagerError } from '../../errors.ts'
import { isRecord } from '../../lib/record.ts'
import type { JwtClaims } from '../../lib/jwt.ts'
import type { VaultReply } from '../../vault/client.ts'
import { vaultField } from '../../lib/shell-word.ts'
import { claims, jwtSettings, role, roleWrite, textIn, textsIn } from '../vault.ts'
import { finding, Missing, ok, warning, type Verdict } from '../verdict.ts'
import { fact, type Check, type World } from '../world.ts'
import { isForApiServer } from './configuration.ts'

/** The token, and whether the role is for it. */
export const JWT: readonly Check[] = [
  { id: 'jwt.token', title: 'ServiceAccount token', needs: ['rbac.token'], run: token },
  { id: 'jwt.audience', title: 'audience of the token', needs: ['jwt.token'], run: audience },
  { id: 'role.exists', title: 'role of the auth mount', needs: ['vault.unsealed'], run: exists },
  {
    id: 'role.audience',
    title: 'audience of the role',
    needs: ['role.exists', 'jwt.token'],
    run: roleAudience,
  },
  {
    id: 'role.identity',
    title: 'ServiceAccount and namespace of the role',
    needs: ['role.exists', 'jwt.token'],
    run: identity,
  },
  {
    id: 'role.bounds',
    title: 'how far the role opens',
    needs: ['role.exists', 'jwt.token'],
    run: bounds,
  },
]

async function token(world: World): Promise<Verdict> {
  const found = await claims(world).catch((error: unknown) => {
    if (isSecretManagerError(error) && error.code === 'SM_K8S_NOT_FOUND') return error
    throw error
  })
  if (isSecretManagerError(found)) {
    const make = 'set kubernetes.serviceAccount, or make it: secretmanager provision'
    return finding(found.message, `${found.hint}; ${make}`)
  }
  const { sub = 'nobody', exp, iat, pod } = found
  const leftMs = (exp ?? 0) * 1000 - world.runtime.wallClock()
  if (exp !== undefined && leftMs <= 0) {
    return finding(
      `the token of ${sub} has expired by this host's clock`,
      'compare the clocks; a mounted token is replaced by the kubelet: describe the pod and its node',
    )
  }
  const life = exp === undefined || iat === undefined ? '' : `, lives ${exp - iat} s`
  const bound = pod === undefined ? '' : `, bound to pod ${pod.name}`
  return ok(`of ${sub}${life}${bound}`)
}

async function audience(world: World): Promise<Verdict> {
  const { aud, iss } = await claims(world)
  const { audience: asked } = jwtSettings(world)
  const list = aud.join(', ') || 'nobody'
  if (!aud.includes(asked)) {
    return finding(
      `the token is for ${list}, and vault.auth.audience is ${asked}`,
      `mount a projected token with audience ${asked}`,
    )
  }
  // Where the settings ask for it, they are what is told of.
  const others = aud.filter((name) => name !== asked && (name === iss || isForApiServer(name)))
  if (others.length === 0) return ok(`for ${list}`)
  return warning(
    `the token is for the API server too (${list}): whoever receives it may act as the ServiceAccount`,
    `mount a projected token with audience ${asked} alone`,
  )
}

/** The role, which must exist. */
const bound: (world: World) => Promise<VaultReply> = fact(async (world) => {
  const found = await role(world)
  if (found) return found
  throw new Missing('the role')
})

function pathOf(world: World): string {
  const { mount, role: name } = jwtSettings(world)
  return `auth/${mount}/role/${name}`
}

function write(world: World, fields: string): string {
  return roleWrite(jwtSettings(world), fields)
}

async function exists(world: World): Promise<Verdict> {
  const { mount, role: name } = jwtSettings(world)
  if (await role(world)) return ok(pathOf(world))
  return finding(
    `auth/${mount} is not there, or has no role "${name}"`,
    `vault list auth/${mount}/role; then set vault.auth.mount or vault.auth.role, or make it: secretmanager provision`,
  )
}

async function roleAudience(world: World): Promise<Verdict> {
  const found = await bound(world)
  const { method } = jwtSettings(world)
  const field = method === 'jwt' ? 'bound_audiences' : 'audience'
  const wanted = method === 'jwt' ? textsIn(found, field) : [textIn(found, field)].filter(Boolean)
  const { audience: asked } = jwtSettings(world)
  const mend = write(world, vaultField(field, asked))
  if (wanted.length === 0) {
    const what = `the role takes tokens for any audience: one that was meant for another service logs in`
    return warning(what, mend)
  }
  const { aud } = await claims(world)
  if (wanted.some((name) => aud.includes(name))) return ok(`${field} is ${wanted.join(', ')}`)
  return finding(
    `${field} of the role is ${wanted.join(', ')}, and the token is for ${aud.join(', ') || 'nobody'}`,
    `set vault.auth.audience to ${wanted[0] ?? ''}, or: ${mend}`,
  )
}

async function identity(world: World): Promise<Verdict> {
  const found = await bound(world)
  const who = await claims(world)
  const differences =
    jwtSettings(world).method === 'jwt' ? jwtDifferences(found, who) : differencesOf(found, who)
  const [first] = differences
  if (!first) return ok(`for ${who.sub ?? 'the token'}`)
  const says = differences.map(
    ({ field, has, wanted }) => `${field} is ${has}, and the token says ${wanted}`,
  )
  const mend = write(
    world,
    differences.map(({ field, wanted }) => vaultField(field, wanted)).join(' '),
  )
  // The role may be somebody else's, and its policy too: a writer's is not for a reader.
  return finding(
    says.join('; '),
    `set vault.auth.role to the role of ${who.sub ?? 'the token'}, or kubernetes.serviceAccount to that of the role; only if the role is for it: ${mend}`,
  )
}

interface Difference {
  readonly field: string
  readonly has: string
  readonly wanted: string
}

const NAMES = 'bound_service_account_names'
const NAMESPACES = 'bound_service_account_namespaces'

/** As auth/kubernetes compares: `*` stands for any text. */
function differencesOf(found: VaultReply, who: JwtClaims): readonly Difference[] {
  // A selector asks the namespace's labels, which the token does not have.
  const bySelector = textIn(found, 'bound_service_account_namespace_selector') !== ''
  const rows = [
    { field: NAMES, has: textsIn(found, NAMES), wanted: who.serviceAccount ?? 'none' },
    { field: NAMESPACES, has: textsIn(found, NAMESPACES), wanted: who.namespace ?? 'none' },
  ]
  return rows
    .filter(({ field }) => !(bySelector && field === NAMESPACES))
    .filter(({ has, wanted }) => !has.some((pattern) => fits(pattern, wanted)))
    .map(({ field, has, wanted }) => ({ field, has: has.join(', ') || 'empty', wanted }))
}

/** Two parts at most: a role with more stars is compared by its ends. */
function fits(pattern: string, name: string): boolean {
  const [head = '', ...rest] = pattern.split('*')
  const tail = rest.at(-1)
  if (tail === undefined) return pattern === name
  return name.length >= head.length + tail.length && name.startsWith(head) && name.endsWith(tail)
}

function jwtDifferences(found: VaultReply, who: JwtClaims): readonly Difference[] {
  const subject = textIn(found, 'bound_subject')
  const wanted = who.sub ?? 'none'
  if (subject === '' || subject === wanted) return []
  return [{ field: 'bound_subject', has: subject, wanted }]
}

async function bounds(world: World): Promise<Verdict> {
  const found = await bound(world)
  const { method } = jwtSettings(world)
  const open = method === 'jwt' ? openJwt(found) : openNames(found)
  if (open === undefined) return ok('exact names')
  const { serviceAccount = 'NAME', namespace = 'NAMESPACE', sub = '' } = await claims(world)
  const exact =
    method === 'jwt'
      ? vaultField('bound_subject', sub)
      : `${vaultField(NAMES, serviceAccount)} ${vaultField(NAMESPACES, namespace)}`
  return warning(`the role lets in ${open}`, write(world, exact))
}

function openNames(found: VaultReply): string | undefined {
  const isOpen = (field: string): boolean =>
    textsIn(found, field).some((name) => name.includes('*'))
  if (isOpen(NAMES)) return `ServiceAccounts by a pattern (${textsIn(found, NAMES).join(', ')})`
  if (isOpen(NAMESPACES))
    return `namespaces by a pattern (${textsIn(found, NAMESPACES).join(', ')})`
  return undefined
}

function openJwt(found: VaultReply): string | undefined {
  const { bound_claims: further } = found
  const hasClaims = isRecord(further) && Object.keys(further).length > 0
  if (textIn(found, 'bound_subject') !== '' || hasClaims) return undefined
  return 'every ServiceAccount of the cluster whose token has the audience'
}
