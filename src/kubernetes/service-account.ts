/** Where a service gets the JWT that proves its ServiceAccount to Vault. */
import { isSecretManagerError, SecretManagerError, systemCode } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { readClaims, type JwtClaims } from '../lib/jwt.ts'
import type { Runtime } from '../runtime.ts'
import type { JwtSource } from '../vault/jwt-login.ts'
import type { KubernetesClient, TokenRequestSpec } from './client.ts'

/** Reads of a token file that is being replaced. */
const FILE_READS = 3
/** What clocks of two hosts may differ, in milliseconds: the API server allows as much. */
const LEEWAY_MS = 60_000
/** A requested token is used for this part of its life. */
const USED_PART = 0.8
/** Age below which a refused token is not replaced, in milliseconds. */
const NEW_MS = 10_000

/**
 * A projected token, read from its file for every login: the kubelet replaces it.
 *
 * @param audience - what the token must be for, so that nobody can replay it elsewhere
 * @returns a source that rejects with SM_TOKEN_FILE_MISSING, SM_TOKEN_FILE_INVALID, SM_TOKEN_EXPIRED, SM_TOKEN_AUDIENCE
 * @see https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken
 */
export function projectedToken(path: string, audience: string, runtime: Runtime): JwtSource {
  return async (allowance) => {
    for (let failures = 1; ; failures += 1) {
      try {
        return await readToken(path, audience, runtime)
      } catch (error) {
        const replaced = isSecretManagerError(error) && error.retryable && failures < FILE_READS
        if (!replaced || !(await allowance.retry('vault', failures))) throw error
      }
    }
  }
}

/**
 * A token from the TokenRequest API, kept for most of its life.
 *
 * @param client - connects on first use
 */
export function requestedToken(
  client: (allowance: Allowance) => Promise<KubernetesClient>,
  specOf: (client: KubernetesClient) => TokenRequestSpec,
  runtime: Runtime,
): JwtSource {
  let kept:
    | { readonly jwt: string; readonly issuedAt: number; readonly usableUntil: number }
    | undefined
  return async (allowance, refused) => {
    const now = runtime.now()
    // One that is seconds old was not refused for its age: another would be refused, too.
    const worthKeeping =
      kept !== undefined && (kept.jwt !== refused || now - kept.issuedAt < NEW_MS)
    if (kept && worthKeeping && now < kept.usableUntil) return kept.jwt
    const kubernetes = await client(allowance)
    const { jwt, expiresAt } = await kubernetes.requestToken(allowance, specOf(kubernetes))
    const lifeMs = Math.max(0, expiresAt - runtime.wallClock())
    kept = { jwt, issuedAt: now, usableUntil: now + lifeMs * USED_PART }
    return jwt
  }
}

async function readToken(path: string, audience: string, runtime: Runtime): Promise<string> {
  const bytes = await runtime.readFile(path).catch((error: unknown) => {
    throw new SecretManagerError('SM_TOKEN_FILE_MISSING', `cannot read the token file ${path}`, {
      causeClass: systemCode(error),
    })
  })
  const jwt = Buffer.from(bytes).toString('latin1').trim()
  checkToken(jwt, path, audience, runtime.wallClock())
  return jwt
}

function checkToken(jwt: string, path: string, audience: string, nowMs: number): void {
  const claims = readClaims(jwt)
  if (!claims)
    throw new SecretManagerError(
      'SM_TOKEN_FILE_INVALID',
      `the token file ${path} holds no whole JWT`,
    )
  if (claims.exp !== undefined && claims.exp * 1000 + LEEWAY_MS < nowMs) {
    const ageS = Math.round(nowMs / 1000 - claims.exp)
    throw new SecretManagerError('SM_TOKEN_EXPIRED', `the token in ${path} expired ${ageS} s ago`)
  }
  if (!claims.aud.includes(audience) || isAlsoForApiServer(claims, audience)) {
    const found = claims.aud.join(', ') || 'none'
    throw new SecretManagerError(
      'SM_TOKEN_AUDIENCE',
      `the token in ${path} is for audience ${found}, not for ${audience} alone`,
    )
  }
}

/** One audience too many is enough to replay it; who names the API server's own has accepted that. */
function isAlsoForApiServer({ aud, iss }: JwtClaims, audience: string): boolean {
  const isApiServer = (name: string): boolean =>
    name === iss || name.includes('kubernetes.default.svc')
  return !isApiServer(audience) && aud.some(isApiServer)
}
