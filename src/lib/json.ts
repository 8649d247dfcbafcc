/**
 * Our own reader of JSON (RFC 8259), from bytes to data.
 *
 * `JSON.parse` quotes the document in its messages, takes the last of two equal names, rounds large
 * integers and gives objects with a prototype. None of that is acceptable for a secret.
 */
import { SecretManagerError } from '../errors.ts'
import { JsonReader, type JsonObject, type JsonValue } from './json-reader.ts'

export type { JsonObject, JsonValue } from './json-reader.ts'

/** Largest document whose ciphertext fits a Secret of 1 MiB, in bytes. */
export const MAX_DOCUMENT_BYTES = 786_395

/** How much of a document is read before it is refused. */
export interface JsonLimits {
  /** Size of the document. Default 786395, the most that a Secret can hold as ciphertext. */
  readonly bytes?: number | undefined
  /** Names and array elements in the whole document. Default 10000. */
  readonly entries?: number | undefined
  /** Objects and arrays inside each other. Default 32. */
  readonly depth?: number | undefined
}

/**
 * Reads a document whose top level is an object.
 *
 * @throws {@link SecretManagerError} as {@link parseJson}, and `SM_PAYLOAD_INVALID` for another top level
 */
export function parseDictionary(bytes: Uint8Array, limits?: JsonLimits): JsonObject {
  const value = parseJson(bytes, limits)
  if (isObject(value)) return value
  throw invalid(`the document is ${kindOf(value)}, not a dictionary`)
}

/**
 * Reads any JSON document.
 *
 * Integers beyond ±(2^53 − 1) come as `bigint`. Numbers with a fraction or an exponent become the
 * nearest double, as everywhere in JavaScript; one too large for a double is an error. Refused are
 * also: text that is not UTF-8, a byte order mark, a name that comes twice, an escaped surrogate
 * without its other half, and what exceeds `limits`.
 *
 * @throws {@link SecretManagerError} SM_PAYLOAD_INVALID with byte and path, never with a value;
 *   SM_TOO_LARGE when the document has more than `limits.bytes`
 */
export function parseJson(bytes: Uint8Array, limits: JsonLimits = {}): JsonValue {
  const { bytes: most = MAX_DOCUMENT_BYTES, entries = 10_000, depth = 32 } = limits
  if (bytes.length > most) throw tooLarge(bytes.length, most)
  return new JsonReader(textOf(bytes), entries, depth).document()
}

const invalid = (message: string): SecretManagerError =>
  new SecretManagerError('SM_PAYLOAD_INVALID', message)

const tooLarge = (size: number, most: number): SecretManagerError =>
  new SecretManagerError('SM_TOO_LARGE', `the document has ${size} bytes, the most is ${most}`)

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function kindOf(value: JsonValue): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return `a ${typeof value === 'bigint' ? 'number' : typeof value}`
}

function textOf(bytes: Uint8Array): string {
  const text = decode(bytes, true)
  if (text === undefined) throw invalid(`the document is not UTF-8 ${whereNotUtf8(bytes)}`)
  if (text.startsWith('\ufeff')) {
    throw invalid('the document begins with a byte order mark: save it as UTF-8 without one')
  }
  return text
}

/** `ignoreBOM` keeps a byte order mark in the text. */
function decode(bytes: Uint8Array, fatal: boolean): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function whereNotUtf8(bytes: Uint8Array): string {
  const [first, second] = bytes
  const utf16 = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)
  if (utf16) return 'but UTF-16: save it as UTF-8'
  // Lenient decoding replaces what is wrong, so its text in bytes differs from there on.
  const repaired = Buffer.from(decode(bytes, false) ?? '')
  return `at byte ${bytes.findIndex((byte, at) => byte !== repaired[at])}`
}
