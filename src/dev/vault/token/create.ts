import { parseSeconds } from '../core/duration.ts'
import { refusal } from '../core/failure.ts'
import type { Fields, Schema } from '../core/fields.ts'
import type { Reply } from '../core/operation.ts'
import type { Call } from '../core/paths.ts'
import { caller, type TokenDeps } from './deps.ts'
import type { TokenStore } from './store.ts'
import { authBlock, checkAssignable, sanitizePolicies, type Token } from './token.ts'
import { calculateTtl, type Ttl } from './ttl.ts'

/** Fields of `auth/token/create`. */
export const CREATE_FIELDS: Schema = {
  id: 'string',
  policies: 'list',
  meta: 'map',
  no_parent: 'bool',
  no_default_policy: 'bool',
  renewable: 'bool',
  ttl: 'string',
  type: 'string',
  explicit_max_ttl: 'string',
  period: 'string',
  display_name: 'string',
  num_uses: 'int',
}

const WEAK_ID =
  'Supplying a custom ID for the token uses the weaker SHA1 hashing instead of the more secure ' +
  'SHA2-256 HMAC for token obfuscation. SHA1 hashed tokens on the wire leads to less secure lookups.'

/** Creates a child of the calling token, or an orphan. @throws VaultFailure in Vault's words */
export function createToken(deps: TokenDeps, call: Call, orphan: boolean): Reply {
  const { fields, operation } = call
  const parent = caller(operation)
  checkParent(parent)
  const type = typeOf(fields)
  const id = idOf(fields, operation.sudo, deps.tokens)
  const policies = policiesOf(fields, parent, operation.sudo)
  const loose = orphan || detached(fields, operation.sudo)
  const limits = limitsOf(fields, operation.sudo)
  const ttl = lifetime(limits, policies)
  checkAssignable(policies)
  checkRoot(policies, type, parent, ttl)
  const token = deps.tokens.create({
    ...limits,
    id,
    type,
    policies,
    path: `auth/token/${operation.path}`,
    displayName: displayName(fields),
    metadata: fields.map('meta'),
    ttl: ttl.seconds,
    renewable: type === 'service' && ttl.seconds > 0 && renewableOf(fields),
    numUses: fields.int('num_uses'),
    parent: loose ? undefined : parent,
    entityId: loose ? '' : parent.entityId,
  })
  const unknown = policies
    .filter((name) => !deps.policyExists(name))
    .map((name) => `Policy ${JSON.stringify(name)} does not exist`)
  const warnings = [...ttl.warnings, ...(id === undefined ? [] : [WEAK_ID]), ...unknown]
  return { auth: authBlock(token, ttl.seconds), warnings }
}

function checkParent({ type, numUses }: Token): void {
  if (type === 'batch') throw refusal('batch tokens cannot create more tokens')
  if (numUses !== 0) throw refusal('restricted use token cannot generate child tokens')
}

function typeOf(fields: Fields): Token['type'] {
  const type = fields.string('type')
  if (type === '' || type === 'service') return 'service'
  if (type !== 'batch') throw refusal("invalid 'token_type' value")
  const limit = ['explicit_max_ttl', 'num_uses', 'period'].find(
    (name) => parseSeconds(fields.raw(name) ?? 0) !== 0,
  )
  if (limit) throw refusal(`batch tokens cannot have ${JSON.stringify(limit)} set`)
  return 'batch'
}

function idOf(fields: Fields, sudo: boolean, tokens: TokenStore): string | undefined {
  const id = fields.string('id')
  if (id === '') return undefined
  if (!sudo) throw refusal('root or sudo privileges required to specify token id')
  if (id.includes('.')) throw refusal("custom token ID cannot have a '.' in the value")
  if (tokens.find(id)) throw refusal('cannot create a token with a duplicate ID')
  return id
}

function policiesOf(fields: Fields, parent: Token, sudo: boolean): readonly string[] {
  const asked = sanitizePolicies(fields.list('policies'), false)
  const bare = fields.bool('no_default_policy')
  if (asked.length === 0) return withoutDefault(parent.policies, bare)
  if (!sudo && !asked.every((name) => parent.policies.includes(name))) {
    throw refusal('child policies must be subset of parent')
  }
  const inherits = sudo || parent.policies.includes('default')
  return withoutDefault(sanitizePolicies(asked, !bare && inherits), bare)
}

function withoutDefault(policies: readonly string[], bare: boolean): readonly string[] {
  return bare ? policies.filter((name) => name !== 'default') : policies
}

function detached(fields: Fields, sudo: boolean): boolean {
  if (!fields.bool('no_parent')) return false
  if (!sudo) throw refusal('root or sudo privileges required to create orphan token')
  return true
}

interface Limits {
  readonly ttl: number
  readonly period: number
  readonly explicitMaxTtl: number
}

function limitsOf(fields: Fields, sudo: boolean): Limits {
  const explicitMaxTtl = positive(fields, 'explicit_max_ttl')
  const period = positive(fields, 'period')
  if (period > 0 && !sudo)
    throw refusal('root or sudo privileges required to create periodic token')
  return { ttl: positive(fields, 'ttl'), period, explicitMaxTtl }
}

function positive(fields: Fields, name: string): number {
  const seconds = parseSeconds(fields.string(name))
  if (seconds < 0) throw refusal(`${name} must be positive`)
  return seconds
}

function lifetime(limits: Limits, policies: readonly string[]): Ttl {
  const endless = policies.includes('root') && limits.ttl === 0 && limits.period === 0
  if (endless) return { seconds: limits.explicitMaxTtl, warnings: [] }
  return calculateTtl({ ...limits, increment: 0, maxTtl: 0, age: 0 })
}

function checkRoot(
  policies: readonly string[],
  type: Token['type'],
  parent: Token,
  ttl: Ttl,
): void {
  if (!policies.includes('root')) return
  if (!parent.policies.includes('root')) {
    throw refusal('root tokens may not be created without parent token being root')
  }
  if (type === 'batch') throw refusal('batch tokens cannot be root tokens')
  if (ttl.seconds === 0 && parent.ttl !== 0) {
    throw refusal('expiring root tokens cannot create non-expiring root tokens')
  }
}

function displayName(fields: Fields): string {
  const name = fields.string('display_name')
  return name === '' ? 'token' : `token-${name}`.replaceAll(/[^a-zA-Z0-9-]/g, '-').replace(/-$/, '')
}

function renewableOf(fields: Fields): boolean {
  return !fields.has('renewable') || fields.bool('renewable')
}
