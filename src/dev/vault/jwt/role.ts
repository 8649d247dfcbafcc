import { refusal } from '../core/failure.ts'
import type { Fields, Schema } from '../core/fields.ts'
import type { Reply, TokenParams } from '../core/operation.ts'
import { describeTokenParams, readTokenParams, TOKEN_FIELDS_OF_OLD } from '../token/params.ts'
import { listOf } from './bound-claims.ts'
import { recordOf, type Claims } from './claims.ts'

/** Who may log in as what. */
export interface JwtRole {
  readonly boundAudiences: readonly string[]
  /** Empty: anybody. */
  readonly boundSubject: string
  readonly boundClaimsType: string
  readonly boundClaims: Claims | null
  /** Names of metadata by the claims that fill them. */
  readonly claimMappings: Readonly<Record<string, string>> | null
  readonly userClaim: string
  readonly userClaimIsPointer: boolean
  /** Seconds; 0 is Vault's default, a negative one none. */
  readonly expirationLeeway: number
  readonly notBeforeLeeway: number
  readonly clockSkewLeeway: number
  readonly params: TokenParams
}

/** Fields of a role. */
export const ROLE_FIELDS: Schema = {
  ...TOKEN_FIELDS_OF_OLD,
  role_type: 'string',
  allowed_redirect_uris: 'list',
  bound_audiences: 'list',
  bound_claims: 'object',
  bound_claims_type: 'string',
  bound_subject: 'string',
  claim_mappings: 'map',
  clock_skew_leeway: 'signed',
  expiration_leeway: 'signed',
  groups_claim: 'string',
  not_before_leeway: 'signed',
  user_claim: 'string',
  user_claim_json_pointer: 'bool',
}

const FRESH: Omit<JwtRole, 'params' | 'boundClaimsType'> = {
  boundAudiences: [],
  boundSubject: '',
  boundClaims: null,
  claimMappings: null,
  userClaim: '',
  userClaimIsPointer: false,
  expirationLeeway: 0,
  notBeforeLeeway: 0,
  clockSkewLeeway: 0,
}

/** Reads a role over what it was before. @throws VaultFailure in Vault's words */
export function readRole(fields: Fields, known: JwtRole | undefined): JwtRole {
  const type = fields.string('role_type') || 'oidc'
  if (type !== 'jwt' && type !== 'oidc') throw refusal(`invalid 'role_type': ${type}`)
  const params = readTokenParams(fields, known?.params)
  const before = known ?? FRESH
  const given = <T>(name: string, read: (name: string) => T, old: T): T =>
    fields.has(name) ? read(name) : old
  const role: JwtRole = {
    boundAudiences: given('bound_audiences', fields.list, before.boundAudiences),
    boundSubject: given('bound_subject', fields.string, before.boundSubject),
    // Unlike the rest it is not kept: a write that does not say it says "string".
    boundClaimsType: fields.string('bound_claims_type') || 'string',
    boundClaims: given('bound_claims', (name) => objectOf(fields, name), before.boundClaims),
    claimMappings: given('claim_mappings', (name) => fields.map(name) ?? {}, before.claimMappings),
    userClaim: given('user_claim', fields.string, before.userClaim),
    userClaimIsPointer: given('user_claim_json_pointer', fields.bool, before.userClaimIsPointer),
    expirationLeeway: given('expiration_leeway', fields.seconds, before.expirationLeeway),
    notBeforeLeeway: given('not_before_leeway', fields.seconds, before.notBeforeLeeway),
    clockSkewLeeway: given('clock_skew_leeway', fields.seconds, before.clockSkewLeeway),
    params,
  }
  check(role)
  checkType(type, fields, role)
  return role
}

function objectOf(fields: Fields, name: string): Claims {
  return recordOf(fields.raw(name)) ?? {}
}

function check({ boundClaimsType, boundClaims, claimMappings, userClaim }: JwtRole): void {
  if (boundClaimsType !== 'string' && boundClaimsType !== 'glob') {
    throw refusal(`invalid 'bound_claims_type': ${boundClaimsType}`)
  }
  if (boundClaimsType === 'glob') checkGlobs(boundClaims ?? {})
  checkMappings(Object.values(claimMappings ?? {}))
  if (userClaim === '') throw refusal('a user claim must be defined on the role')
}

function checkGlobs(boundClaims: Claims): void {
  const values = Object.values(boundClaims).flatMap((value) => listOf(value) ?? [])
  const bad = values.find((value) => typeof value !== 'string')
  if (bad !== undefined) throw refusal(`claim is not a string: ${JSON.stringify(bad)}`)
}

function checkMappings(targets: readonly string[]): void {
  if (targets.includes('role')) {
    throw refusal('metadata key "role" is reserved and may not be a mapping destination')
  }
  const twice = targets.find((target, index) => targets.indexOf(target) !== index)
  if (twice !== undefined) {
    throw refusal(`multiple keys are mapped to metadata key ${JSON.stringify(twice)}`)
  }
}

function checkType(type: string, fields: Fields, role: JwtRole): void {
  if (type === 'oidc' && fields.list('allowed_redirect_uris').length === 0) {
    throw refusal("'allowed_redirect_uris' must be set if 'role_type' is 'oidc' or unspecified.")
  }
  if (type === 'oidc') throw refusal('role_type oidc: the embedded Vault opens no browser')
  if (fields.string('groups_claim') !== '') {
    throw refusal('groups_claim: the embedded Vault has no groups')
  }
  const { boundAudiences, boundSubject, boundClaims } = role
  const claims = Object.keys(boundClaims ?? {})
  if (boundAudiences.length === 0 && boundSubject === '' && claims.length === 0) {
    throw refusal('must have at least one bound constraint when creating/updating a role')
  }
}

/** A role as it reads. */
export function describeRole(role: JwtRole): Reply {
  return {
    data: {
      ...describeTokenParams(role.params),
      allowed_redirect_uris: null,
      bound_audiences: role.boundAudiences.length === 0 ? null : role.boundAudiences,
      bound_claims: role.boundClaims,
      bound_claims_type: role.boundClaimsType,
      bound_subject: role.boundSubject,
      callback_mode: 'client',
      claim_mappings: role.claimMappings,
      clock_skew_leeway: role.clockSkewLeeway,
      expiration_leeway: role.expirationLeeway,
      groups_claim: '',
      max_age: 0,
      not_before_leeway: role.notBeforeLeeway,
      oauth2_metadata: null,
      oidc_scopes: null,
      role_type: 'jwt',
      token_policies_template_claims: false,
      user_claim: role.userClaim,
      user_claim_json_pointer: role.userClaimIsPointer,
      verbose_oidc_logging: false,
    },
  }
}
