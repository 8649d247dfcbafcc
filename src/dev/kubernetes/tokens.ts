/**
 * Signs and checks ServiceAccount tokens: RS256 JWTs with the claims of kube-apiserver.
 *
 * https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens
 */
import {
  type KeyObject,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
} from 'node:crypto'

/** `iss` of every token, and the audience of tokens for the API server itself. */
export const ISSUER = 'https://kubernetes.default.svc.cluster.local'

/** A name with the uid that says which object of this name is meant. */
export interface ObjectRef {
  readonly name: string
  readonly uid: string
}

/** The private claims, under `kubernetes.io`. */
export interface KubernetesClaims {
  readonly namespace?: string
  readonly node?: Partial<ObjectRef>
  readonly pod?: ObjectRef
  readonly secret?: ObjectRef
  readonly serviceaccount?: ObjectRef
}

/** The claims of a token; times in Unix seconds. */
export interface Claims {
  readonly aud?: string | readonly string[]
  readonly exp?: number
  readonly iat?: number
  readonly iss?: string
  readonly jti?: string
  readonly 'kubernetes.io'?: KubernetesClaims
  readonly nbf?: number
  readonly sub?: string
}

/** What is known of a token before its claims are believed. */
export type Verified =
  | { readonly kind: 'foreign' }
  | { readonly kind: 'refused'; readonly error: string }
  | { readonly kind: 'genuine'; readonly claims: Claims }

/** A key pair with the name under which its public half is published. */
interface SigningKeys {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly keyId: string
}

/** Holds the signing key of the cluster. */
export class TokenSigner {
  readonly #signingKey: string | undefined
  #made: SigningKeys | undefined

  /** With the key in PEM, or with that of this process, which is made when it is first needed. */
  constructor(signingKey: string | undefined) {
    this.#signingKey = signingKey
  }

  /** The public key as PEM: what `jwt_validation_pubkeys` of Vault's jwt auth takes. */
  get publicKeyPem(): string {
    return this.#keys.publicKey.export({ type: 'spki', format: 'pem' }).toString()
  }

  /** The key set of `/openid/v1/jwks`. */
  get jwks(): object {
    const { publicKey, keyId } = this.#keys
    const { n, e } = publicKey.export({ format: 'jwk' })
    return { keys: [{ use: 'sig', kty: 'RSA', kid: keyId, alg: 'RS256', n, e }] }
  }

  sign(claims: Claims): string {
    const { privateKey, keyId } = this.#keys
    const signed = `${encode({ alg: 'RS256', kid: keyId })}.${encode(claims)}`
    return `${signed}.${sign('RSA-SHA256', Buffer.from(signed), privateKey).toString('base64url')}`
  }

  /** Checks issuer, key and signature; neither times nor audiences. */
  verify(token: string): Verified {
    const [head = '', body = '', signature = ''] = token.split('.')
    const claims = decode(body)
    if (claims?.['iss'] !== ISSUER) return { kind: 'foreign' }
    const error = this.#signatureError(decode(head) ?? {}, `${head}.${body}`, signature)
    return error === undefined ? { kind: 'genuine', claims } : { kind: 'refused', error }
  }

  #signatureError(
    { alg, kid }: Readonly<Record<string, unknown>>,
    signed: string,
    signature: string,
  ): string | undefined {
    const { publicKey, keyId } = this.#keys
    if (kid !== undefined && kid !== keyId) return 'invalid signature, no keys found'
    const bytes = Buffer.from(signature, 'base64url')
    const isGenuine = alg === 'RS256' && verify('RSA-SHA256', Buffer.from(signed), publicKey, bytes)
    return isGenuine ? undefined : 'go-jose/go-jose: error in cryptographic primitive'
  }

  get #keys(): SigningKeys {
    this.#made ??= signingKeys(this.#signingKey)
    return this.#made
  }
}

function signingKeys(pem: string | undefined): SigningKeys {
  const privateKey = pem === undefined ? keyOfProcess() : createPrivateKey(pem)
  const publicKey = createPublicKey(privateKey)
  const der = publicKey.export({ type: 'spki', format: 'der' })
  return { privateKey, publicKey, keyId: createHash('sha256').update(der).digest('base64url') }
}

let ownKey: KeyObject | undefined

/** RSA takes a tenth of a second and more to make: too much for each of many tests. */
function keyOfProcess(): KeyObject {
  ownKey ??= generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  return ownKey
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}

function decode(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString())
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    // Not a JWT: for the caller the same as one of another issuer.
    return undefined
  }
}
