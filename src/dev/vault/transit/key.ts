/** Named keys with versions: real AES-256-GCM, and HKDF-SHA256 where the key is derived. */
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import { refusal } from '../core/failure.ts'
import type { World } from '../core/operation.ts'

/** Settings of a key; versions count from 1, and a minimum of 0 is not set. */
export interface KeyConfig {
  readonly derived: boolean
  exportable: boolean
  allowPlaintextBackup: boolean
  deletionAllowed: boolean
  minDecryptionVersion: number
  minEncryptionVersion: number
  minAvailableVersion: number
  /** Seconds. Kept and shown; nothing here rotates by itself. */
  autoRotatePeriod: number
}

/** A named key. */
export interface TransitKey {
  readonly name: string
  readonly config: KeyConfig
  latestVersion(): number
  /** Unix seconds of creation by version, from the minimum decryption version on. */
  creationTimes(): Readonly<Record<string, number>>
  rotate(): void
  /** Forgets what is below the minimum available version, for ever. */
  trim(): void
  /** Raw key material, for keys that are exportable. */
  material(version: number): Uint8Array | undefined
  /** Version 0 is the latest. @throws VaultFailure in Transit's words */
  encrypt(plaintext: Uint8Array, options: CipherOptions & { readonly version: number }): string
  decrypt(ciphertext: string, options: CipherOptions): Uint8Array
}

/** What else goes into a ciphertext. */
export interface CipherOptions {
  /** Ignored unless the key is derived: Transit says nothing about that. */
  readonly context: Uint8Array
  readonly associatedData?: Uint8Array | undefined
}

const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16

const NO_CONTEXT =
  "missing 'context' for key derivation; the key was created using a derived key, which means " +
  'additional, per-request information must be included in order to perform operations with the key'

/** Creates a key with its first version. */
export function createTransitKey(name: string, config: KeyConfig, world: World): TransitKey {
  const versions = new Map<number, { readonly key: Uint8Array; readonly createdAt: number }>()
  let latest = 0

  const rotate = (): void => {
    latest += 1
    const createdAt = Math.floor(world.clock() / 1000)
    versions.set(latest, { key: world.randomBytes(KEY_BYTES), createdAt })
  }
  const cipherKey = (version: number, context: Uint8Array): Uint8Array => {
    const material = versions.get(version)?.key
    // Versions below the minimum are archived: not even encryption with them is possible.
    if (!material || version < config.minDecryptionVersion) throw refusal('no such key version')
    if (!config.derived) return material
    if (context.length === 0) throw refusal(NO_CONTEXT)
    return new Uint8Array(hkdfSync('sha256', material, new Uint8Array(), context, KEY_BYTES))
  }
  rotate()

  return {
    name,
    config,
    rotate,
    latestVersion: () => latest,
    creationTimes: () =>
      Object.fromEntries(
        [...versions]
          .filter(([version]) => version >= config.minDecryptionVersion)
          .map(([version, { createdAt }]) => [String(version), createdAt]),
      ),
    trim() {
      for (const version of versions.keys()) {
        if (version < config.minAvailableVersion) versions.delete(version)
      }
    },
    material: (version) => versions.get(version)?.key,
    encrypt(plaintext, { version: asked, context, associatedData }) {
      const version = encryptionVersion(asked, latest, config.minEncryptionVersion)
      const nonce = world.randomBytes(NONCE_BYTES)
      const sealed = seal(cipherKey(version, context), nonce, plaintext, associatedData)
      return `vault:v${version}:${sealed.toString('base64')}`
    },
    decrypt(ciphertext, { context, associatedData }) {
      const { version, bytes } = parseCiphertext(ciphertext, latest, config.minDecryptionVersion)
      return open(cipherKey(version, context), bytes, associatedData)
    },
  }
}

function encryptionVersion(asked: number, latest: number, minimum: number): number {
  if (asked === 0) return latest
  if (asked < 0) throw refusal('requested version for encryption is negative')
  if (asked > latest) {
    throw refusal('requested version for encryption is higher than the latest key version')
  }
  if (asked < minimum) {
    throw refusal(
      'requested version for encryption is less than the minimum encryption key version',
    )
  }
  return asked
}

function parseCiphertext(
  text: string,
  latest: number,
  minimum: number,
): { version: number; bytes: Buffer } {
  if (!text.startsWith('vault:v')) throw refusal('invalid ciphertext: no prefix')
  const body = text.slice('vault:v'.length)
  const colon = body.indexOf(':')
  if (colon === -1) throw refusal('invalid ciphertext: wrong number of fields')
  const number = body.slice(0, colon)
  if (!/^[+-]?\d+$/.test(number)) {
    throw refusal('invalid ciphertext: version number could not be decoded')
  }
  // Version 0 is how the first Vault wrote version 1.
  const version = Number(number) === 0 ? 1 : Number(number)
  if (version > latest) throw refusal('invalid ciphertext: version is too new')
  if (version < minimum) {
    throw refusal('ciphertext or signature version is disallowed by policy (too old)')
  }
  const bytes = decodeBase64(body.slice(colon + 1))
  if (!bytes) throw refusal('invalid ciphertext: could not decode base64')
  return { version, bytes }
}

/** Standard base64 as Go decodes it: padded, line breaks ignored; undefined where it is not. */
export function decodeBase64(text: string): Buffer | undefined {
  const joined = text.replaceAll(/[\r\n]/g, '')
  return invalidBase64At(joined) === undefined ? Buffer.from(joined, 'base64') : undefined
}

/** Offset of the first character that standard base64 cannot have there, as Go reports it. */
export function invalidBase64At(text: string): number | undefined {
  const valid = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?/.exec(text)
  const end = valid?.[0].length ?? 0
  if (end === text.length) return undefined
  const bad = text.slice(end).search(/[^A-Za-z0-9+/]/)
  return bad === -1 ? end : end + bad
}

function seal(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array, aad?: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  if (aad) cipher.setAAD(aad)
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

function open(key: Uint8Array, bytes: Buffer, aad?: Uint8Array): Uint8Array {
  if (bytes.length < NONCE_BYTES) throw refusal('invalid ciphertext length')
  if (bytes.length < NONCE_BYTES + TAG_BYTES) throw forged()
  const tag = bytes.subarray(bytes.length - TAG_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES))
  decipher.setAuthTag(tag)
  if (aad) decipher.setAAD(aad)
  try {
    const body = bytes.subarray(NONCE_BYTES, bytes.length - TAG_BYTES)
    return Buffer.concat([decipher.update(body), decipher.final()])
  } catch {
    throw forged()
  }
}

function forged(): Error {
  return refusal('cipher: message authentication failed')
}
