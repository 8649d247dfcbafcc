/** The JWT auth method, with public keys alone. https://openbao.org/api-docs/auth/jwt/ */
import { fault, refusal } from '../core/failure.ts'
import type { Backend, Grant, World } from '../core/operation.ts'
import { backendOf, type PathSpec } from '../core/paths.ts'
import { rolePaths, type RoleKind } from '../core/roles.ts'
import { boundClaimsError, claimAt } from './bound-claims.ts'
import {
  audienceError,
  audiencesOf,
  DEFAULT_LEEWAYS,
  timeError,
  type Claims,
  type Leeways,
} from './claims.ts'
import { CONFIG_FIELDS, describeConfig, readConfig, type JwtConfig } from './config.ts'
import { describeRole, readRole, ROLE_FIELDS, type JwtRole } from './role.ts'
import { verifyJwt } from './signature.ts'

const ROLES: RoleKind<JwtRole> = {
  fields: ROLE_FIELDS,
  read: readRole,
  describe: describeRole,
}

interface State {
  readonly roles: Map<string, JwtRole>
  config: JwtConfig | undefined
  readonly clock: World['clock']
}

/** An auth method without configuration. */
export function createJwtBackend({ clock }: World): Backend {
  const state: State = { roles: new Map(), config: undefined, clock }
  return backendOf([configPath(state), ...rolePaths(state.roles, ROLES), loginPath(state)], {
    isLogin: (path) => path === 'login',
    paramsOf: ({ metadata }) => {
      const name = metadata?.['role'] ?? ''
      const role = state.roles.get(name)
      if (!role) throw fault(`role ${name} does not exist during renewal`)
      return role.params
    },
  })
}

function configPath(state: State): PathSpec {
  return {
    pattern: 'config',
    fields: CONFIG_FIELDS,
    on: {
      read: () => state.config && describeConfig(state.config),
      update: ({ fields }) => {
        state.config = readConfig(fields)
        return undefined
      },
    },
  }
}

function loginPath(state: State): PathSpec {
  return {
    pattern: 'login',
    fields: { role: 'string', jwt: 'string' },
    on: {
      update: ({ fields }) => {
        const { config, roles, clock } = state
        if (!config) throw refusal('could not load configuration')
        const name = fields.string('role').toLowerCase() || config.defaultRole
        if (name === '') throw refusal('missing role')
        const role = roles.get(name)
        if (!role) throw refusal(`role ${JSON.stringify(name)} could not be found`)
        const jwt = fields.string('jwt')
        if (jwt === '') throw refusal('missing token')
        const claims = validate(jwt, config, role, clock() / 1000)
        return { grant: grantOf(name, role, claims) }
      },
    },
  }
}

/** @param now - Unix seconds */
function validate(jwt: string, config: JwtConfig, role: JwtRole, now: number): Claims {
  const signed = verifyJwt(jwt, config.keys)
  if (signed.error !== undefined) throw invalid(`error verifying token signature: ${signed.error}`)
  const { claims, algorithm } = signed
  if (config.algorithms.length > 0 && !config.algorithms.includes(algorithm)) {
    throw invalid(
      'invalid algorithm (alg) header parameter: token signed with unexpected algorithm',
    )
  }
  const error =
    nameError(claims, config, role) ??
    audienceError(claims, role.boundAudiences) ??
    timeError(claims, now, leewaysOf(role))
  if (error !== undefined) throw invalid(error)
  if (role.boundAudiences.length === 0 && audiencesOf(claims).length > 0) {
    throw refusal('audience claim found in JWT but no audiences bound to the role')
  }
  return claims
}

function invalid(reason: string): Error {
  return refusal(`error validating token: ${reason}`)
}

function nameError(
  { iss, sub }: Claims,
  { boundIssuer }: JwtConfig,
  { boundSubject }: JwtRole,
): string | undefined {
  if (boundIssuer !== '' && iss !== boundIssuer) return 'invalid issuer (iss) claim'
  if (boundSubject !== '' && sub !== boundSubject) return 'invalid subject (sub) claim'
  return undefined
}

function leewaysOf(role: JwtRole): Leeways {
  const orDefault = (seconds: number, name: keyof Leeways): number =>
    seconds === 0 ? DEFAULT_LEEWAYS[name] : Math.max(seconds, 0)
  return {
    clockSkew: orDefault(role.clockSkewLeeway, 'clockSkew'),
    expiration: orDefault(role.expirationLeeway, 'expiration'),
    notBefore: orDefault(role.notBeforeLeeway, 'notBefore'),
  }
}

function grantOf(name: string, role: JwtRole, claims: Claims): Grant {
  const user = userOf(role, claims)
  const metadata = { ...mappedClaims(role, claims), role: name }
  const error = boundClaimsError(claims, role.boundClaims ?? {}, role.boundClaimsType === 'glob')
  if (error !== undefined) throw refusal(`error validating claims: ${error}`)
  return { displayName: user, alias: user, metadata, params: role.params }
}

function userOf({ userClaim, userClaimIsPointer }: JwtRole, claims: Claims): string {
  const user = userClaimIsPointer ? claimAt(claims, userClaim) : claims[userClaim]
  const name = JSON.stringify(userClaim)
  if (user === undefined || user === null) throw refusal(`claim ${name} not found in token`)
  if (typeof user !== 'string') throw refusal(`claim ${name} could not be converted to string`)
  return user
}

function mappedClaims(
  { claimMappings }: JwtRole,
  claims: Claims,
): Readonly<Record<string, string>> {
  const metadata: Record<string, string> = {}
  for (const [source, target] of Object.entries(claimMappings ?? {})) {
    const value = claimAt(claims, source) ?? undefined
    if (value === undefined) continue
    if (typeof value !== 'string') throw refusal(`error converting claim '${source}' to string`)
    metadata[target] = value
  }
  return metadata
}
