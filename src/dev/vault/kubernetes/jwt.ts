import { refusal } from '../core/failure.ts'
import {
  audienceError,
  decodePart,
  DEFAULT_LEEWAYS,
  NO_TIMES,
  recordOf,
  timeError,
  type Claims,
} from '../jwt/claims.ts'

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

/**
 * Reads a JWT and checks its times, and its audience where the role asks for one.
 *
 * @param now - Unix milliseconds
 * @throws VaultFailure 403 in the words of Vault
 */
export function readJwt(jwt: string, audience: string, now: number): ServiceAccountClaims {
  const [header, payload] = jwt.split('.').map(decodePart)
  if (!header || !payload || !ALGORITHMS.has(header['alg']) || jwt.split('.').length !== 3) {
    throw refusal('permission denied', 403)
  }
  const error =
    audienceError(payload, audience === '' ? [] : [audience]) ??
    timeError(payload, now / 1000, DEFAULT_LEEWAYS)
  // A token of the old kind, from a Secret, has no times.
  if (error !== undefined && error !== NO_TIMES) throw refusal(error, 403)
  return serviceAccount(payload, jwt)
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
  const kubernetes = recordOf(claims['kubernetes.io'])
  const account = recordOf(kubernetes?.['serviceaccount'])
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
