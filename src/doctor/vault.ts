/** Vault, its settings, and how the service logs in: facts for the checks of Vault. */
import { isSecretManagerError } from '../errors.ts'
import { readClaims, type JwtClaims } from '../lib/jwt.ts'
import { textOf, textsOf } from '../lib/record.ts'
import type { JwtSettings } from '../config/settings.ts'
import { capabilities } from '../vault/capabilities.ts'
import { recordField, type VaultReply } from '../vault/client.ts'
import { Keyring, type KeyFacts } from '../vault/keyring.ts'
import type { Session } from '../vault/session.ts'
import { ifDenied, Missing } from './verdict.ts'
import { fact, type World } from './world.ts'

/** `sys/health`, of which every state is an answer. See https://developer.hashicorp.com/vault/api-docs/system/health */
export const health: (world: World) => Promise<VaultReply> = fact((world) => {
  const codes = ['active', 'standby', 'sealed', 'uninit', 'drsecondary', 'performancestandby']
  const query = codes.map((state) => `${state}code=200`).join('&')
  const request = { method: 'GET', path: `sys/health?${query}` } as const
  return world.call((allowance) => world.server.request(allowance, request))
})

/** A token that the service got. */
export interface LoggedIn {
  readonly type: 'service' | 'batch' | 'given'
  /** Absent where nobody knows. */
  readonly ttlMs: number | undefined
}

/** Logs the service in. @throws {@link SecretManagerError} why it cannot */
export const login: (world: World) => Promise<LoggedIn> = fact(async (world) => {
  const { session } = world.core.connections
  await world.call((allowance) => session.ready(allowance))
  const { tokenType = 'service', expiresInMs } = session.status()
  return { type: tokenType, ttlMs: expiresInMs }
})

/** Who looks at Vault's settings: an operator, else the service. @throws {@link Missing} without either */
export async function inspector(world: World): Promise<Session> {
  if (world.operator) return world.operator
  try {
    await login(world)
  } catch (error) {
    if (isSecretManagerError(error)) throw new Missing('a login')
    throw error
  }
  return world.core.connections.session
}

/** What Vault demands of who looks at a path. */
type Capability = 'read' | 'list' | 'read and sudo'

/**
 * Reads what stands at a path of Vault, as who looks at settings.
 *
 * @returns `undefined` where nothing does
 * @throws {@link Missing} where it may not be read
 */
export async function look(
  world: World,
  path: string,
  capability: Capability = 'read',
): Promise<VaultReply | undefined> {
  return lookAs(world, await inspector(world), path, capability)
}

/** The same as the service itself. */
export async function lookAsService(world: World, path: string): Promise<VaultReply | undefined> {
  return lookAs(world, world.core.connections.session, path, 'read')
}

async function lookAs(
  world: World,
  session: Session,
  path: string,
  capability: Capability,
): Promise<VaultReply | undefined> {
  const { vault } = world.core.connections
  const query = capability === 'list' ? '?list=true' : ''
  const reply = await world.call((allowance) =>
    // A refusal is an answer here: another login would not change it.
    session.use(allowance, path, (token) =>
      vault
        .request(allowance, { method: 'GET', path: `${path}${query}`, token })
        .catch((error: unknown) => refusalOf(error)),
    ),
  )
  if (reply === DENIED) throw new Missing(needed(world, capability, path))
  return reply && recordField(reply, 'data')
}

function refusalOf(error: unknown): VaultReply | undefined {
  if (isSecretManagerError(error) && error.code === 'SM_VAULT_NOT_FOUND') return undefined
  if (isSecretManagerError(error) && error.code === 'SM_VAULT_DENIED') return DENIED
  throw error
}

const DENIED: VaultReply = {}

function needed({ operator }: World, capability: Capability, path: string): string {
  const whose = operator ? 'by the token of --as-operator: vault token lookup' : 'or --as-operator'
  return `${capability} on ${path} (${whose})`
}

/** The settings of the login by ServiceAccount. @throws {@link Missing} with any other */
export function jwtSettings({ settings }: World): JwtSettings {
  const { auth } = settings.vault
  if (auth.method === 'kubernetes' || auth.method === 'jwt') return auth
  throw new Missing(`a login with a ServiceAccount token, and this one is by ${auth.method}`)
}

/** The command that sets these fields of a role, and leaves the others. */
export function roleWrite(
  { method, mount, role: name }: Pick<JwtSettings, 'mount' | 'role'> & { readonly method: string },
  fields: string,
): string {
  // Without its type, a jwt role is taken for one of oidc.
  const type = method === 'jwt' ? 'role_type=jwt ' : ''
  return `vault write auth/${mount}/role/${name} ${type}${fields}`
}

/** What the JWT of the login says. @throws {@link Missing}, and why there is none */
export const claims: (world: World) => Promise<JwtClaims> = fact(async (world) => {
  jwtSettings(world)
  const jwt = await world.call((allowance) => world.core.connections.jwt(allowance, undefined))
  const found = readClaims(jwt)
  if (found) return found
  throw new Missing('a token that is a JWT')
})

/** The role of the login; `undefined` where it does not exist. @throws {@link Missing} */
export const role: (world: World) => Promise<VaultReply | undefined> = fact((world) => {
  const { mount, role: name } = jwtSettings(world)
  return look(world, `auth/${mount}/role/${name}`)
})

/** The configuration of the auth mount; `undefined` where it has none. @throws {@link Missing} */
export const mountConfig: (world: World) => Promise<VaultReply | undefined> = fact((world) =>
  look(world, `auth/${jwtSettings(world).mount}/config`),
)

/** What Vault says of the Transit key. @throws {@link Missing}, SM_KEY_NOT_FOUND */
export const key: (world: World) => Promise<KeyFacts> = fact(async (world) => {
  const { transitMount: mount } = world.settings.vault
  const { transitKey } = world.definition
  const session = await inspector(world)
  const keyring = new Keyring({ client: world.core.connections.vault, session, mount })
  return world
    .call((allowance) => keyring.facts(allowance, transitKey))
    .catch((error: unknown) => {
      throw ifDenied('SM_VAULT_DENIED', error, needed(world, 'read', `${mount}/keys/${transitKey}`))
    })
})

/** What the service may do with the key, by path. @throws {@link Missing} */
export const allowed: (world: World) => Promise<ReadonlyMap<string, ReadonlySet<string>>> = fact(
  async (world) => {
    const { vault, session } = world.core.connections
    const paths = Object.values(transitPaths(world))
    await login(world)
    return world
      .call((allowance) => capabilities(vault, session, allowance, paths))
      .catch((error: unknown) => {
        throw ifDenied('SM_VAULT_DENIED', error, 'update on sys/capabilities-self')
      })
  },
)

/** The paths of Transit by what they are for. */
export function transitPaths({ settings, definition }: World): TransitPaths {
  const { transitMount: mount } = settings.vault
  const { transitKey: name } = definition
  return {
    decrypt: `${mount}/decrypt/${name}`,
    encrypt: `${mount}/encrypt/${name}`,
    config: `${mount}/keys/${name}/config`,
    rotate: `${mount}/keys/${name}/rotate`,
    export: `${mount}/export/encryption-key/${name}`,
    backup: `${mount}/backup/${name}`,
  }
}

/** Below `/v1/`. */
export interface TransitPaths {
  readonly decrypt: string
  readonly encrypt: string
  readonly config: string
  readonly rotate: string
  readonly export: string
  readonly backup: string
}

/** A list of texts in an answer of Vault; empty where there is none. */
export function textsIn(reply: VaultReply, field: string): readonly string[] {
  return textsOf(reply[field])
}

/** A text in an answer of Vault; empty where there is none. */
export function textIn(reply: VaultReply, field: string): string {
  return textOf(reply[field])
}
