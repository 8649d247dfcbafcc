import { constants, verify, type KeyObject } from 'node:crypto'
import { decodePart, type Claims } from './claims.ts'

/** A JWT whose signature was found good, or why it is not. */
export type Signed =
  | { readonly claims: Claims; readonly algorithm: string; readonly error?: undefined }
  | { readonly error: string }

/** Names of the signature algorithms that Vault takes. */
export const ALGORITHMS: ReadonlySet<unknown> = new Set(
  'RS256 RS384 RS512 ES256 ES384 ES512 PS256 PS384 PS512 EdDSA'.split(' '),
)

/** Checks a JWT against each of the keys. https://datatracker.ietf.org/doc/html/rfc7515 */
export function verifyJwt(jwt: string, keys: readonly KeyObject[]): Signed {
  const parts = jwt.split('.')
  const [header = '', payload = '', signature = ''] = parts
  if (parts.length !== 3) {
    return { error: 'go-jose/go-jose: compact JWS format must have three parts' }
  }
  const error = parts.map(base64Error).find((text) => text !== undefined)
  if (error !== undefined) return { error }
  const algorithm = String(decodePart(header)?.['alg'])
  const signed = Buffer.from(`${header}.${payload}`)
  const bytes = Buffer.from(signature, 'base64url')
  const claims = decodePart(payload)
  if (!claims || !keys.some((key) => isSignedBy(key, algorithm, signed, bytes))) {
    return { error: 'no known key successfully validated the token signature' }
  }
  return { claims, algorithm }
}

/** In the words of Go, which counts from the start of the part. */
function base64Error(part: string): string | undefined {
  const odd = part.search(/[^\w-]/)
  const end = part.length % 4 === 1 ? part.length - 1 : -1
  const at = odd === -1 ? end : odd
  return at === -1 ? undefined : `illegal base64 data at input byte ${at}`
}

const CURVES: Readonly<Record<string, string>> = {
  ES256: 'prime256v1',
  ES384: 'secp384r1',
  ES512: 'secp521r1',
}

function isSignedBy(key: KeyObject, algorithm: string, signed: Buffer, signature: Buffer): boolean {
  const hash = `sha${algorithm.slice(2)}`
  if (!ALGORITHMS.has(algorithm) || !isKeyFor(key, algorithm)) return false
  switch (algorithm.slice(0, 2)) {
    case 'RS':
      return verify(hash, signed, key, signature)
    case 'PS':
      return verify(hash, signed, { key, padding: constants.RSA_PKCS1_PSS_PADDING }, signature)
    case 'ES':
      return verify(hash, signed, { key, dsaEncoding: 'ieee-p1363' }, signature)
    default:
      return verify(null, signed, key, signature)
  }
}

function isKeyFor(key: KeyObject, algorithm: string): boolean {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (algorithm === 'EdDSA') return type === 'ed25519'
  const curve = CURVES[algorithm]
  return curve === undefined ? type === 'rsa' : type === 'ec' && details?.namedCurve === curve
}
