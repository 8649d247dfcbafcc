import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'

/** What a token may be signed with. */
export interface Signer {
  readonly algorithm: 'RS256' | 'ES256' | 'EdDSA'
  readonly publicPem: string
  readonly privateKey: KeyObject
}

/** Makes a key pair. */
export function newSigner(algorithm: Signer['algorithm']): Signer {
  const { publicKey, privateKey } = keysFor(algorithm)
  return {
    algorithm,
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    privateKey,
  }
}

function keysFor(algorithm: Signer['algorithm']): {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
} {
  switch (algorithm) {
    case 'RS256':
      return generateKeyPairSync('rsa', { modulusLength: 2048 })
    case 'ES256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' })
    case 'EdDSA':
      return generateKeyPairSync('ed25519')
  }
}

/** Signs claims; `alg` is what the header says, where that is not what is done. */
export function signJwt(claims: object, signer: Signer, alg: string = signer.algorithm): string {
  const signed = `${part({ alg })}.${part(claims)}`
  const bytes = Buffer.from(signed)
  const { privateKey: key, algorithm } = signer
  const signature =
    algorithm === 'EdDSA'
      ? sign(null, bytes, key)
      : sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' })
  return `${signed}.${signature.toString('base64url')}`
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** What Vault says of a token whose time it is not, by the claim. */
export const TIME_ERRORS: Readonly<Record<string, string>> = {
  exp: 'invalid expiration time (exp) claim: token is expired',
  nbf: 'invalid not before (nbf) claim: token not yet valid',
  iat: 'invalid issued at (iat) claim: token issued in the future',
  none: 'no issued at (iat), not before (nbf), or expiration time (exp) claims in token',
}
