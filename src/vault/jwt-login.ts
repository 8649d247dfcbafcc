/**
 * Logins with a ServiceAccount JWT: `kubernetes`, where Vault asks the cluster, and `jwt`, where it
 * has the cluster's public keys.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/auth/kubernetes#login
 * @see https://developer.hashicorp.com/vault/api-docs/auth/jwt#jwt-login
 */
import type { JwtSettings } from '../config/settings.ts'
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { readClaims, type JwtClaims } from '../lib/jwt.ts'
import type { Refusal, VaultClient } from './client.ts'
import { orClockSkew } from './clock-skew.ts'
import { jwtHint } from './jwt-hints.ts'
import { authenticate, type Login, type VaultAuth } from './login.ts'

/**
 * Gives a ServiceAccount JWT.
 *
 * @param refused - the JWT that Vault just refused; another one is wanted, if there is any
 */
export type JwtSource = (allowance: Allowance, refused: string | undefined) => Promise<string>

/**
 * Logs in with a ServiceAccount JWT.
 *
 * @returns a login that rejects with SM_AUTH_DENIED or SM_CLOCK_SKEW when Vault refuses the JWT, and one
 * other where there is one
 */
export function jwtLogin(settings: JwtSettings, jwtSource: JwtSource): Login {
  return async (client, allowance) => {
    const jwt = await jwtSource(allowance, undefined)
    try {
      return await loginWith(client, allowance, settings, jwt)
    } catch (error) {
      if (!isSecretManagerError(error) || !isRefusal(error)) throw error
      // The kubelet may have replaced the file, or a kept JWT may have been revoked with its pod.
      const other = await jwtSource(allowance, jwt)
      if (other === jwt) throw error
      await allowance.admit('vault', error)
      return loginWith(client, allowance, settings, other)
    }
  }
}

function isRefusal({ code }: SecretManagerError): boolean {
  return code === 'SM_AUTH_DENIED' || code === 'SM_CLOCK_SKEW'
}

function loginWith(
  client: VaultClient,
  allowance: Allowance,
  settings: JwtSettings,
  jwt: string,
): Promise<VaultAuth> {
  return authenticate(client, allowance, {
    path: `auth/${settings.mount}/login`,
    body: { role: settings.role, jwt },
    refused: (refusal) => orClockSkew(refusal, denied(settings, jwt, refusal)),
  })
}

/** Says what Vault does not: which role, which identity, which audience, and what to compare. */
function denied(
  settings: JwtSettings,
  jwt: string,
  { sentence, facts }: Refusal,
): SecretManagerError {
  const { mount, role } = settings
  const reason = sentence === '' ? '' : `: ${sentence}`
  const message =
    `vault denied auth/${mount}/login for role "${role}" (${facts.status ?? 0})${reason}` +
    `; the JWT is ${identityOf(readClaims(jwt))}`
  const hint = jwtHint(settings, sentence)
  return new SecretManagerError('SM_AUTH_DENIED', message, { ...facts, hint })
}

function identityOf(claims: JwtClaims | undefined): string {
  if (!claims) return 'unreadable'
  const { sub = 'nobody', aud, exp } = claims
  return `of ${sub} with audience ${aud.join(', ') || 'none'}${expiry(exp)}`
}

/** Longest time that a `Date` can hold, in seconds. */
const LAST_SECOND = 8_640_000_000_000

function expiry(exp: number | undefined): string {
  if (exp === undefined || Math.abs(exp) > LAST_SECOND) return ''
  return `, valid until ${new Date(exp * 1000).toISOString().replace('.000Z', 'Z')}`
}
