/** What every method that takes a JWT reads and checks alike: in Vault, `hashicorp/cap`. */

/** The claims of a JWT. */
export type Claims = Readonly<Record<string, unknown>>

/** How far a time may be off, in seconds. */
export interface Leeways {
  /** Difference of clocks. */
  readonly clockSkew: number
  /** Life of a token without `exp`, from its start. */
  readonly expiration: number
  /** Time before `exp` at which a token without a start begins. */
  readonly notBefore: number
}

/** What Vault forgives where nobody says how much. */
export const DEFAULT_LEEWAYS: Leeways = { clockSkew: 60, expiration: 150, notBefore: 150 }

/** Reads one part of a JWT; undefined where it is not an object in JSON. */
export function decodePart(part: string): Claims | undefined {
  try {
    return recordOf(JSON.parse(Buffer.from(part, 'base64url').toString()))
  } catch {
    // The signature is not JSON, and neither is a token that is none.
    return undefined
  }
}

/** The value as an object, if it is one. */
export function recordOf(value: unknown): Claims | undefined {
  const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isRecord ? { ...value } : undefined
}

/** `aud`, which may be one text. */
export function audiencesOf(claims: Claims): readonly unknown[] {
  const claim = claims['aud'] ?? []
  return Array.isArray(claim) ? claim : [claim]
}

/** Vault's words where none of the audiences is among those wanted; any will do where none is wanted. */
export function audienceError(claims: Claims, wanted: readonly string[]): string | undefined {
  const given = audiencesOf(claims)
  if (wanted.length === 0 || wanted.some((audience) => given.includes(audience))) return undefined
  return 'invalid audience (aud) claim: audience claim does not match any expected audience'
}

/** What Vault says of a token that is good for ever; some methods let it pass. */
export const NO_TIMES =
  'no issued at (iat), not before (nbf), or expiration time (exp) claims in token'

/**
 * Vault's words where it is not the time of the token.
 *
 * @param now - Unix seconds
 */
export function timeError(claims: Claims, now: number, leeways: Leeways): string | undefined {
  const [issued, before, end] = [
    timeOf(claims['iat']),
    timeOf(claims['nbf']),
    timeOf(claims['exp']),
  ]
  if (Math.max(issued, before, end) === 0) return NO_TIMES
  const { clockSkew, expiration, notBefore } = leeways
  const expiry = end || Math.max(issued, before) + expiration
  const start = before || issued || expiry - notBefore
  if (now + clockSkew < start) return 'invalid not before (nbf) claim: token not yet valid'
  if (now - clockSkew > expiry) return 'invalid expiration time (exp) claim: token is expired'
  if (now + clockSkew >= issued) return undefined
  return 'invalid issued at (iat) claim: token issued in the future'
}

/** 0 where there is none. */
function timeOf(claim: unknown): number {
  return typeof claim === 'number' ? Math.trunc(claim) : 0
}
