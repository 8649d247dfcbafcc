/** Token settings that roles of all auth methods share (Vault's tokenutil). */
import { refusal } from '../core/failure.ts'
import type { Fields, Schema } from '../core/fields.ts'
import type { TokenParams } from '../core/operation.ts'
import { sanitizePolicies } from './token.ts'

/** Fields of a role that shape its tokens. */
export const TOKEN_FIELDS: Schema = {
  token_bound_cidrs: 'list',
  token_explicit_max_ttl: 'duration',
  token_max_ttl: 'duration',
  token_no_default_policy: 'bool',
  token_num_uses: 'int',
  token_period: 'duration',
  token_policies: 'list',
  token_strictly_bind_ip: 'bool',
  token_ttl: 'duration',
  token_type: 'string',
}

/** The same with their older names, in methods that had them before Vault shared them. */
export const TOKEN_FIELDS_OF_OLD: Schema = {
  ...TOKEN_FIELDS,
  policies: 'list',
  ttl: 'duration',
  max_ttl: 'duration',
  period: 'duration',
  num_uses: 'int',
}

const NONE: TokenParams = {
  policies: [],
  ttl: 0,
  maxTtl: 0,
  explicitMaxTtl: 0,
  period: 0,
  numUses: 0,
  noDefaultPolicy: false,
  type: 'default',
  oldNames: [],
}

const OLD_NAMES: readonly string[] = ['policies', 'ttl', 'max_ttl', 'period', 'num_uses']

/** Reads the settings over what the role had before. @throws VaultFailure in Vault's words */
export function readTokenParams(fields: Fields, before: TokenParams = NONE): TokenParams {
  const given = <T>(names: readonly string[], read: (name: string) => T, old: T): T => {
    const name = names.find((candidate) => fields.has(candidate))
    return name === undefined ? old : read(name)
  }
  if (fields.list('token_bound_cidrs').length > 0) {
    throw refusal('token_bound_cidrs: the embedded Vault does not see addresses')
  }
  const params: TokenParams = {
    policies: given(['token_policies', 'policies'], readPolicies(fields), before.policies),
    ttl: given(['token_ttl', 'ttl'], fields.seconds, before.ttl),
    maxTtl: given(['token_max_ttl', 'max_ttl'], fields.seconds, before.maxTtl),
    explicitMaxTtl: given(['token_explicit_max_ttl'], fields.seconds, before.explicitMaxTtl),
    period: given(['token_period', 'period'], fields.seconds, before.period),
    numUses: given(['token_num_uses', 'num_uses'], fields.int, before.numUses),
    noDefaultPolicy: given(['token_no_default_policy'], fields.bool, before.noDefaultPolicy),
    type: given(['token_type'], (name) => tokenType(fields.string(name)), before.type),
    oldNames: OLD_NAMES.filter((name) => isOld(name, fields, before)),
  }
  checkNotNegative(params)
  checkTogether(params)
  return params
}

/** Under their older name they are put in order. */
function readPolicies(fields: Fields): (name: string) => readonly string[] {
  return (name) =>
    name === 'policies' ? sanitizePolicies(fields.list(name), false) : fields.list(name)
}

/** The newer name makes a role forget the older one, unless both are given. */
function isOld(name: string, fields: Fields, { oldNames }: TokenParams): boolean {
  if (fields.has(name)) return true
  return oldNames.includes(name) && !fields.has(`token_${name}`)
}

function tokenType(name: string): TokenParams['type'] {
  if (name === '' || name === 'default') return 'default'
  if (name === 'service' || name === 'batch') return name
  throw refusal(`invalid 'token_type' value ${JSON.stringify(name)}`)
}

function checkNotNegative({ ttl, maxTtl, period, numUses }: TokenParams): void {
  const limits = {
    token_max_ttl: maxTtl,
    token_period: period,
    token_num_uses: numUses,
    token_ttl: ttl,
  }
  const bad = Object.entries(limits).find(([, value]) => value < 0)
  if (bad) throw refusal(`'${bad[0]}' cannot be negative`)
}

function checkTogether({ type, period, numUses, ttl, maxTtl }: TokenParams): void {
  const noBatch = "'token_type' cannot be 'batch' or 'default_batch' when set to generate"
  if (type === 'batch' && period > 0) throw refusal(`${noBatch} periodic tokens`)
  if (type === 'batch' && numUses > 0) throw refusal(`${noBatch} tokens with limited use count`)
  if (ttl > 0 && maxTtl > 0 && ttl > maxTtl) {
    throw refusal("'token_ttl' cannot be greater than 'token_max_ttl'")
  }
}

/** The settings as a role shows them. */
export function describeTokenParams(params: TokenParams): Readonly<Record<string, unknown>> {
  const shown: Readonly<Record<string, unknown>> = {
    token_bound_cidrs: [],
    token_explicit_max_ttl: params.explicitMaxTtl,
    token_max_ttl: params.maxTtl,
    token_no_default_policy: params.noDefaultPolicy,
    token_num_uses: params.numUses,
    token_period: params.period,
    token_policies: params.policies,
    token_strictly_bind_ip: false,
    token_ttl: params.ttl,
    token_type: params.type,
  }
  const old = params.oldNames
    .map((name) => [name, shown[`token_${name}`]] as const)
    .filter(([, value]) => value !== 0 && !(Array.isArray(value) && value.length === 0))
  return { ...shown, ...Object.fromEntries(old) }
}
