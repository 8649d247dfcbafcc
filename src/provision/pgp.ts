/**
 * OpenPGP public keys as `sys/init` wants them: one each, binary, in base64. What is wrong with one is told before
 * anything is sent: where Vault encrypts recovery shares or the root token, it is initialised already, and the keys
 * would be lost by a key that does not fit.
 *
 * @see https://www.rfc-editor.org/rfc/rfc4880
 */
import { SecretManagerError } from '../errors.ts'
import { fromBase64 } from '../lib/base64.ts'

/**
 * Reads one public key: binary, base64, or ASCII-armored.
 *
 * @param what - said of it in an error, such as `the PGP key "a.asc"`
 * @param now - unix milliseconds
 * @returns base64 of the binary form
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID where it is none, is private, is several, cannot encrypt or has expired
 */
export function publicKeyIn(bytes: Uint8Array, what: string, now: number): string {
  const found = binaryIn(bytes)
  const problem = typeof found === 'string' ? found : problemOf(packetsIn(found), now / 1000)
  if (problem === undefined) return Buffer.from(found).toString('base64')
  const hint = problem === PRIVATE ? HINT_PRIVATE : HINT
  throw new SecretManagerError('SM_CONFIG_INVALID', `${what} ${problem}`, { hint })
}

const HINT = 'export one public key into a file of its own: gpg --export KEY > key.pgp'
const NO_KEY = 'is not one OpenPGP public key'
const PRIVATE = 'holds a private key, which nobody but its owner should have'
const HINT_PRIVATE = 'export the public one: gpg --export KEY > key.pgp'

/** The binary form, or what is wrong. */
function binaryIn(bytes: Uint8Array): Uint8Array | string {
  // Each packet begins with a bit that no text has.
  if (((bytes[0] ?? 0) & 0x80) !== 0) return bytes
  const text = new TextDecoder().decode(bytes)
  if (/-----BEGIN PGP (?:PRIVATE|SECRET)/.test(text)) return PRIVATE
  return (text.includes('-----BEGIN') ? dearmored(text) : base64In(text)) ?? NO_KEY
}

interface Packet {
  readonly tag: number
  readonly body: Uint8Array
}

const SIGNATURE = 2
const SECRET_KEY = 5
const PUBLIC_KEY = 6
const SECRET_SUBKEY = 7
const PUBLIC_SUBKEY = 14

/** RSA, ElGamal, ECDH: those of RFC 4880 and 6637 that encrypt. */
const ENCRYPTING: ReadonlySet<number | undefined> = new Set([1, 2, 16, 18])

function problemOf(packets: readonly Packet[] | undefined, now: number): string | undefined {
  const tags = packets?.map(({ tag }) => tag) ?? []
  if (tags.includes(SECRET_KEY) || tags.includes(SECRET_SUBKEY)) return PRIVATE
  if (!packets || tags[0] !== PUBLIC_KEY) return NO_KEY
  if (tags.lastIndexOf(PUBLIC_KEY) > 0) return 'holds more than one public key'
  return problemOfKeys(keysIn(packets), now)
}

/** A key or subkey, and the signatures that follow it. */
interface Key {
  readonly body: Uint8Array
  readonly signatures: Uint8Array[]
}

function keysIn(packets: readonly Packet[]): readonly Key[] {
  const keys: Key[] = []
  for (const { tag, body } of packets) {
    if (tag === PUBLIC_KEY || tag === PUBLIC_SUBKEY) keys.push({ body, signatures: [] })
    if (tag === SIGNATURE && body[0] === 4) keys.at(-1)?.signatures.push(body)
  }
  return keys
}

function problemOfKeys(keys: readonly Key[], now: number): string | undefined {
  const [primary] = keys
  if (keys.some(({ body }) => body[0] !== 4)) return 'is not of version 4, which Vault reads'
  if (!primary || isOver(primary, now)) return OVER
  const encrypting = keys.filter((key) => encrypts(key))
  if (encrypting.length === 0) return 'cannot encrypt: it is for signatures alone'
  return encrypting.every((key) => isOver(key, now)) ? OVER : undefined
}

const OVER = 'has expired or is revoked'

function encrypts(key: Key): boolean {
  const [flags] = newest(key)?.get(FLAGS) ?? []
  return ENCRYPTING.has(key.body[5]) && (flags === undefined || (flags & MAY_ENCRYPT) !== 0)
}

function isOver(key: Key, now: number): boolean {
  if (key.signatures.some((signature) => REVOCATIONS.has(signature[1]))) return true
  const lifetime = seconds(newest(key)?.get(LIFETIME))
  return lifetime > 0 && seconds(key.body.subarray(1, 5)) + lifetime <= now
}

/** What the key's newest signature says of it. */
function newest({ signatures }: Key): ReadonlyMap<number, Uint8Array> | undefined {
  return signatures
    .map((signature) => subpacketsIn(signature))
    .toSorted((a, b) => seconds(a.get(CREATED)) - seconds(b.get(CREATED)))
    .at(-1)
}

const REVOCATIONS: ReadonlySet<number | undefined> = new Set([0x20, 0x28])
const CREATED = 2
const LIFETIME = 9
const FLAGS = 27
/** Communications, or storage. */
const MAY_ENCRYPT = 0x0c

function seconds(bytes: Uint8Array | undefined): number {
  return bytes?.length === 4 ? number(bytes) : 0
}

function number(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0)
}

/** The hashed ones of a signature, by type. @see https://www.rfc-editor.org/rfc/rfc4880#section-5.2.3.1 */
function subpacketsIn(signature: Uint8Array): ReadonlyMap<number, Uint8Array> {
  const found = new Map<number, Uint8Array>()
  const all = signature.subarray(6, 6 + number(signature.subarray(4, 6)))
  for (let at = 0; at < all.length;) {
    const { start, length } = lengthAt(all, at)
    found.set((all[start] ?? 0) & 0x7f, all.subarray(start + 1, start + length))
    at = start + Math.max(length, 1)
  }
  return found
}

/** The packets in their order; `undefined` where the bytes are none. */
function packetsIn(bytes: Uint8Array): readonly Packet[] | undefined {
  const packets: Packet[] = []
  for (let at = 0; at < bytes.length;) {
    const head = bytes[at] ?? 0
    const isNew = (head & 0x40) !== 0
    const { start, length } = isNew ? lengthAt(bytes, at + 1) : oldLengthAt(bytes, at)
    // Parts and open ends are for streams; no key has them.
    if ((head & 0x80) === 0 || length < 0 || start + length > bytes.length) return undefined
    const tag = isNew ? head & 0x3f : (head >> 2) & 0x0f
    packets.push({ tag, body: bytes.subarray(start, start + length) })
    at = start + length
  }
  return packets
}

interface Extent {
  readonly start: number
  /** Negative: it does not say. */
  readonly length: number
}

/** @see https://www.rfc-editor.org/rfc/rfc4880#section-4.2.2 */
function lengthAt(bytes: Uint8Array, at: number): Extent {
  const [first = 0, second = 0] = bytes.subarray(at, at + 2)
  if (first < 192) return { start: at + 1, length: first }
  if (first < 224) return { start: at + 2, length: (first - 192) * 256 + second + 192 }
  if (first < 255) return { start: at + 1, length: -1 }
  return { start: at + 5, length: number(bytes.subarray(at + 1, at + 5)) }
}

function oldLengthAt(bytes: Uint8Array, at: number): Extent {
  const type = (bytes[at] ?? 0) & 3
  const size = type === 3 ? 0 : 2 ** type
  const length = type === 3 ? -1 : number(bytes.subarray(at + 1, at + 1 + size))
  return { start: at + 1 + size, length }
}

/** The binary form; `undefined` where it is no public key, is damaged, or there are several. */
function dearmored(text: string): Uint8Array | undefined {
  const blocks = [...text.matchAll(ARMOR)]
  const [, body = '', checksum] = blocks[0] ?? []
  const bytes = blocks.length === 1 ? base64In(body) : undefined
  if (!bytes || checksum === undefined) return bytes
  return fromBase64(checksum)?.readUIntBE(0, 3) === crc24(bytes) ? bytes : undefined
}

/** Headers end with an empty line; a checksum may follow the body. */
const ARMOR =
  /^-----BEGIN PGP PUBLIC KEY BLOCK-----[ \t\r]*\n(?:[^\n]*: [^\n]*\n)*[ \t\r]*\n([A-Za-z0-9+/=\s]*?)(?:^=([A-Za-z0-9+/]{4})\s*)?^-----END PGP PUBLIC KEY BLOCK-----/gm

function base64In(text: string): Uint8Array | undefined {
  const bytes = fromBase64(text.replaceAll(/\s/g, ''))
  return bytes?.length === 0 ? undefined : bytes
}

/** @see https://www.rfc-editor.org/rfc/rfc4880#section-6.1 */
function crc24(bytes: Uint8Array): number {
  let crc = 0xb7_04_ce
  for (const byte of bytes) {
    crc ^= byte << 16
    for (let bit = 0; bit < 8; bit += 1) {
      crc <<= 1
      if ((crc & 0x1_00_00_00) !== 0) crc ^= 0x1_86_4c_fb
    }
  }
  return crc & 0xff_ff_ff
}
