/**
 * Certificates for TLS on loopback, made without openssl: node:crypto signs but cannot write X.509.
 *
 * Written in DER by hand: one self-signed CA and server certificates under it, on P-256, with the
 * extensions that strict clients demand. For development only.
 * https://www.rfc-editor.org/rfc/rfc5280
 */
import { type KeyObject, createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'

/** How to make a CA. */
export interface AuthorityOptions {
  /** Unix milliseconds; certificates begin an hour before, because clocks differ. Default: the system's. */
  readonly clock?: (() => number) | undefined
}

/** Whom a server certificate is for. */
export interface ServerNames {
  /** DNS names; the first is also the common name. */
  readonly hosts: readonly string[]
  /** IPv4 addresses. */
  readonly addresses: readonly string[]
}

/** A certificate and its private key, both PEM. */
export interface ServerCertificate {
  readonly cert: string
  readonly key: string
}

/** A CA in memory. Its private key cannot be taken out. */
export interface Authority {
  /** The certificate that clients must trust, PEM. */
  readonly caPem: string
  /** Signs a server certificate that is valid for a year. */
  issue(names: ServerNames): ServerCertificate
}

const HOUR_MS = 3_600_000
const YEAR_MS = 365 * 24 * HOUR_MS

/** Makes a CA with a new key, valid for ten years. */
export function createAuthority({ clock = Date.now }: AuthorityOptions = {}): Authority {
  const issuer: Issuer = { name: 'secretmanager dev CA', clock, ...newKeys() }
  const caPem = certificate(issuer, {
    name: issuer.name,
    publicKey: issuer.publicKey,
    lifeMs: 10 * YEAR_MS,
    extensions: [
      extension(OID.basicConstraints, sequence(TRUE), CRITICAL),
      extension(OID.keyUsage, flags(KEY_CERT_SIGN | CRL_SIGN), CRITICAL),
      extension(OID.subjectKeyIdentifier, octets(keyIdentifier(issuer.publicKey))),
    ],
  })
  return { caPem, issue: (names) => issue(issuer, names) }
}

interface Keys {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

type Issuer = Keys & { readonly name: string; readonly clock: () => number }

interface Subject {
  readonly name: string
  readonly publicKey: KeyObject
  readonly lifeMs: number
  readonly extensions: readonly Uint8Array[]
}

function issue(issuer: Issuer, { hosts, addresses }: ServerNames): ServerCertificate {
  const { publicKey, privateKey } = newKeys()
  const names = [
    ...hosts.map((host) => tagged(DNS_NAME, Buffer.from(host))),
    ...addresses.map((address) => tagged(IP_ADDRESS, Buffer.from(address.split('.').map(Number)))),
  ]
  const identifier = tagged(KEY_IDENTIFIER, keyIdentifier(issuer.publicKey))
  const cert = certificate(issuer, {
    name: hosts[0] ?? addresses[0] ?? '',
    publicKey,
    lifeMs: YEAR_MS,
    extensions: [
      extension(OID.keyUsage, flags(DIGITAL_SIGNATURE), CRITICAL),
      extension(OID.extendedKeyUsage, sequence(objectId(OID.serverAuth))),
      extension(OID.subjectAltName, sequence(...names)),
      extension(OID.authorityKeyIdentifier, sequence(identifier)),
    ],
  })
  return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
}

function newKeys(): Keys {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
}

/** Builds and signs one certificate, PEM. */
function certificate(issuer: Issuer, subject: Subject): string {
  const begins = issuer.clock() - HOUR_MS
  const algorithm = sequence(objectId(OID.ecdsaWithSha256))
  const signed = sequence(
    tagged(VERSION, VERSION_3),
    integer(randomBytes(16)),
    algorithm,
    distinguishedName(issuer.name),
    sequence(time(begins), time(begins + subject.lifeMs)),
    distinguishedName(subject.name),
    subject.publicKey.export({ type: 'spki', format: 'der' }),
    tagged(EXTENSIONS, sequence(...subject.extensions)),
  )
  const signature = bitString(sign('sha256', signed, issuer.privateKey))
  return pem(sequence(signed, algorithm, signature))
}

function pem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}

const OID = {
  commonName: [0x55, 0x04, 0x03],
  ecdsaWithSha256: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
  subjectKeyIdentifier: [0x55, 0x1d, 0x0e],
  keyUsage: [0x55, 0x1d, 0x0f],
  subjectAltName: [0x55, 0x1d, 0x11],
  basicConstraints: [0x55, 0x1d, 0x13],
  authorityKeyIdentifier: [0x55, 0x1d, 0x23],
  extendedKeyUsage: [0x55, 0x1d, 0x25],
  serverAuth: [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01],
} as const

const VERSION = 0xa0
const EXTENSIONS = 0xa3
const DNS_NAME = 0x82
const IP_ADDRESS = 0x87
const KEY_IDENTIFIER = 0x80

// Bits of KeyUsage, RFC 5280 §4.2.1.3, the first one on the left.
const DIGITAL_SIGNATURE = 0x80
const KEY_CERT_SIGN = 0x04
const CRL_SIGN = 0x02

const TRUE = Uint8Array.of(0x01, 0x01, 0xff)
const CRITICAL = true
const VERSION_3 = Uint8Array.of(0x02, 0x01, 0x02)

function extension(id: readonly number[], value: Uint8Array, critical = false): Uint8Array {
  return sequence(objectId(id), ...(critical ? [TRUE] : []), octets(value))
}

function distinguishedName(name: string): Uint8Array {
  const attribute = sequence(objectId(OID.commonName), tagged(0x0c, Buffer.from(name)))
  return sequence(tagged(0x31, attribute))
}

/** RFC 5280 §4.2.1.2 (1): the SHA-1 of the key itself, here of its whole SPKI, which is as unique. */
function keyIdentifier(publicKey: KeyObject): Uint8Array {
  const der = publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha1').update(der).digest()
}

/** Dates up to 2049 are UTCTime, later ones GeneralizedTime: RFC 5280 §4.1.2.5. */
function time(unixMs: number): Uint8Array {
  const text = `${new Date(unixMs).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`
  return text < '2050' ? tagged(0x17, Buffer.from(text.slice(2))) : tagged(0x18, Buffer.from(text))
}

/** Positive, so its first bit is cleared; not zero at the front, so its second is set. */
function integer(bytes: Uint8Array): Uint8Array {
  const first = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return tagged(0x02, Uint8Array.of(first, ...bytes.subarray(1)))
}

function objectId(bytes: readonly number[]): Uint8Array {
  return tagged(0x06, Uint8Array.from(bytes))
}

function octets(bytes: Uint8Array): Uint8Array {
  return tagged(0x04, bytes)
}

function bitString(bytes: Uint8Array, unusedBits = 0): Uint8Array {
  return tagged(0x03, Uint8Array.of(unusedBits, ...bytes))
}

/** Named bits end with the last one that is set. */
function flags(byte: number): Uint8Array {
  return bitString(Uint8Array.of(byte), 31 - Math.clz32(byte & -byte))
}

function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return tagged(0x30, Buffer.concat(parts))
}

/** Tag, length, value: the whole of DER. */
function tagged(tag: number, value: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(tag, ...lengthOf(value.length)), value])
}

function lengthOf(size: number): number[] {
  if (size < 0x80) return [size]
  return size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
}
