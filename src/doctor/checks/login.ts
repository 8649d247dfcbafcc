/** The login of the service, and the token that it gives. */
import { word } from '../../lib/shell-word.ts'
import {
  allowed,
  login,
  look,
  lookAsService,
  role,
  roleWrite,
  textsIn,
  transitPaths,
  type TransitPaths,
} from '../vault.ts'
import { critical, finding, Missing, ok, warning, type Verdict } from '../verdict.ts'
import type { Check, World } from '../world.ts'

/** The login, the token, and what it may. */
export const LOGIN: readonly Check[] = [
  { id: 'login', title: 'login', needs: ['vault.unsealed', 'jwt.token'], run: logIn },
  { id: 'token.ttl', title: 'life of the token', needs: ['login'], run: life },
  { id: 'token.type', title: 'type of the token', needs: ['login'], run: type },
  { id: 'token.policies', title: 'policies of the token', needs: ['login'], run: policies },
  { id: 'policy.decrypt', title: 'decrypting is allowed', needs: ['login'], run: mayDecrypt },
  ...excess('encrypt', 'encrypting', ['encrypt'], 'warning'),
  ...excess('config', 'changing the key', ['config', 'rotate'], 'warning'),
  ...excess('export', 'taking the key out', ['export', 'backup'], 'critical'),
]

async function logIn(world: World): Promise<Verdict> {
  await login(world)
  const { auth } = world.settings.vault
  const as = 'role' in auth ? ` as role ${auth.role}` : ''
  return ok(`by ${auth.method}${as}`)
}

const HOUR_MS = 3_600_000

async function life(world: World): Promise<Verdict> {
  const { ttlMs } = await login(world)
  if (ttlMs === undefined)
    throw new Missing('a token that Vault gave: one that was given lives as long as it does')
  const seconds = Math.ceil(ttlMs / 1000)
  if (ttlMs <= HOUR_MS) return ok(`${seconds} s`)
  return warning(
    `a token lives ${Math.round(ttlMs / HOUR_MS)} h: who finds one may use it as long; a read needs seconds`,
    write(world, 'token_ttl=10s'),
  )
}

function write({ settings }: World, field: string): string {
  const { auth } = settings.vault
  const { method } = auth
  const mount = 'mount' in auth ? auth.mount : 'MOUNT'
  return roleWrite({ method, mount, role: 'role' in auth ? auth.role : 'ROLE' }, field)
}

async function type(world: World): Promise<Verdict> {
  const { type: found } = await login(world)
  if (found === 'batch') return ok('batch: a login writes nothing to the storage of Vault')
  if (found === 'given') return ok('a token that somebody else got')
  return ok(
    'service: each login writes to the storage of Vault (token_type=batch of the role does not)',
  )
}

async function policies(world: World): Promise<Verdict> {
  const found = await policiesOf(world)
  if (found.includes('root')) {
    return critical(
      'the token is root: it may do everything in Vault',
      'log in by a role with one policy: secretmanager provision',
    )
  }
  const absent = await absentOf(world, found)
  if (absent.length === 0) return ok(found.join(', ') || 'none')
  return finding(
    `the role gives ${absent.join(', ')}, and there is no such policy: the token may do nothing by it`,
    `secretmanager provision; or vault policy write ${word(absent[0] ?? '')} with path "${transitPaths(world).decrypt}" { capabilities = ["update"] }`,
  )
}

/** Vault gives a policy that is not there without a word. Only an operator may look. */
async function absentOf(world: World, names: readonly string[]): Promise<readonly string[]> {
  if (!world.operator) return []
  const absent: string[] = []
  for (const name of names.filter((each) => each !== 'default')) {
    if ((await isPolicy(world, name)) === false) absent.push(name)
  }
  return absent
}

async function isPolicy(world: World, name: string): Promise<boolean | undefined> {
  // The last gate before a name that somebody else chose is part of a URL.
  if (!/^[\w-][\w.-]*$/.test(name)) return undefined
  try {
    return (await look(world, `sys/policies/acl/${name}`)) !== undefined
  } catch (error) {
    if (error instanceof Missing) return undefined
    throw error
  }
}

/** As the token says, else as the role does. */
async function policiesOf(world: World): Promise<readonly string[]> {
  const path = 'auth/token/lookup-self'
  const own = await lookAsService(world, path).catch((error: unknown) => {
    if (error instanceof Missing) return undefined
    throw error
  })
  if (own) return textsIn(own, 'policies')
  const bound = await role(world)
  if (bound) return textsIn(bound, 'token_policies')
  throw new Missing('read on auth/token/lookup-self')
}

/** The commands that show the policies of the token, as far as their names are known. */
async function shown(world: World): Promise<string> {
  const names = await policiesOf(world).catch((error: unknown) => {
    if (error instanceof Missing) return ['POLICY']
    throw error
  })
  const own = names.filter((name) => name !== 'default' && name !== 'root')
  return (own.length > 0 ? own : names).map((name) => `vault policy read ${word(name)}`).join('; ')
}

async function mayDecrypt(world: World): Promise<Verdict> {
  const { decrypt } = transitPaths(world)
  if (has(await allowed(world), decrypt, 'decrypt')) return ok(`update on ${decrypt}`)
  return finding(
    `the policies of the token do not grant ${decrypt}`,
    `add to a policy of the role: path "${decrypt}" { capabilities = ["update"] }`,
  )
}

type Capabilities = ReadonlyMap<string, ReadonlySet<string>>

function has(found: Capabilities, path: string, use: keyof TransitPaths): boolean {
  const names = found.get(path)
  return ['root', ...NEEDED[use]].some((name) => names?.has(name))
}

/** What each path takes: `create` makes a key where there is none, and decrypts nothing. */
const NEEDED: Readonly<Record<keyof TransitPaths, readonly string[]>> = {
  decrypt: ['update'],
  encrypt: ['create', 'update'],
  config: ['update'],
  rotate: ['update'],
  export: ['read'],
  backup: ['read'],
}

/** What a service that reads must not be able to do. */
function excess(
  id: string,
  what: string,
  uses: readonly (keyof TransitPaths)[],
  outcome: 'warning' | 'critical',
): readonly Check[] {
  const run = async (world: World): Promise<Verdict> => {
    const paths = transitPaths(world)
    const found = await allowed(world)
    const granted = uses.filter((use) => has(found, paths[use], use)).map((use) => paths[use])
    if (granted.length === 0) return ok('refused, as it should be')
    const list = granted.join(', ')
    const verdict = outcome === 'critical' ? critical : warning
    return verdict(
      `the service may use ${list}; a reader needs decrypt alone`,
      `take it out of the policies of the token, or give the service a role of its own (secretmanager provision): ${await shown(world)}`,
    )
  }
  return [{ id: `policy.${id}`, title: `${what} is refused`, needs: ['login'], run }]
}
