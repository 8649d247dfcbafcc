import { refusal } from '../core/failure.ts'

/** What a ServiceAccount token says about itself; nothing of it is proven. */
export interface ServiceAccountClaims {
  readonly name: string
  readonly namespace: string
  readonly uid: string
  readonly audiences: readonly string[]
  readonly jwt: string
}

const ALGORITHMS: ReadonlySet<unknown> = new Set([
  'RS256',
  'RS384',
  'RS512',
  'ES256',
  'ES384',
  'ES512',
])
/** Difference of clocks that is forgiven, in seconds. */
const LEEWAY_SECONDS = 60

/**
 * Reads a JWT and checks its times, and its audience where the role asks for one.
 *
 * @param now - Unix milliseconds
 * @throws VaultFailure 403 in the words of Vault
 */
export function readJwt(jwt: string, audience: string, now: number): ServiceAccountClaims {
  const [header, payload] = jwt.split('.').map(decode)
  if (!header || !payload || !ALGORITHMS.has(header['alg']) || jwt.split('.').length !== 3) {
    throw refusal('permission denied', 403)
  }
  checkAudience(payload['aud'], audience)
  checkTimes(payload, now / 1000)
  return serviceAccount(payload, jwt)
}

type Claims = Readonly<Record<string, unknown>>

function decode(segment: string): Claims | undefined {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(segment, 'base64url').toString())
    return record(parsed)
  } catch {
    // The signature is not JSON, and neither is a token that is none.
    return undefined
  }
}

function record(value: unknown): Claims | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? { ...value }
    : undefined
}

function checkAudience(claim: unknown, wanted: string): void {
  if (wanted === '') return
  const given: readonly unknown[] = Array.isArray(claim) ? claim : [claim]
  if (given.includes(wanted)) return
  throw refusal(
    'invalid audience (aud) claim: audience claim does not match any expected audience',
    403,
  )
}

function checkTimes(claims: Claims, now: number): void {
  if (number(claims['nbf'], -Infinity) > now + LEEWAY_SECONDS) {
    throw refusal('invalid not before (nbf) claim: token not yet valid', 403)
  }
  if (number(claims['exp'], Infinity) < now - LEEWAY_SECONDS) {
    throw refusal('invalid expiration time (exp) claim: token is expired', 403)
  }
  if (number(claims['iat'], -Infinity) > now + LEEWAY_SECONDS) {
    throw refusal('invalid issued at (iat) claim: token issued in the future', 403)
  }
}

function number(value: unknown, absent: number): number {
  return typeof value === 'number' ? value : absent
}

function serviceAccount(claims: Claims, jwt: string): ServiceAccountClaims {
  const audiences: unknown = claims['aud'] ?? []
  if (!Array.isArray(audiences)) {
    throw refusal(
      'decoding failed due to the following error(s):\n\n' +
        "'aud' source data must be an array or slice, got string",
      500,
    )
  }
  const kubernetes = record(claims['kubernetes.io'])
  const account = record(kubernetes?.['serviceaccount'])
  return {
    name: text(account?.['name']),
    uid: text(account?.['uid']),
    namespace: text(kubernetes?.['namespace']),
    audiences: audiences.map(String),
    jwt,
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
