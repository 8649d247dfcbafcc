/**
 * The sealed document: the line that is stored, its revision and its size. `docs/format.md` lays
 * it down, byte for byte.
 */
import { SecretManagerError } from '../errors.ts'
import { isBase64 } from '../lib/base64.ts'
import { isPathSegments, isTransitKey } from '../lib/names.ts'
import { isTransitCiphertext } from '../vault/transit.ts'
import { HEADER_BYTES, MEND } from './plaintext.ts'

/** What a document is bound to: its entry of its object, its namespace, or nothing. */
export type Scope = 'strict' | 'namespace' | 'none'

/** What a stored document says of itself in clear. Claims: nothing is called before they agree with the definition. */
export interface Claims {
  /** Mount path of the Transit engine, without slashes around it. */
  readonly mount: string
  readonly transitKey: string
  readonly scope: Scope
  /** From 1 to 2^53 − 1; see {@link nextRevision}. */
  readonly revision: number
}

/** A stored document, taken apart. */
export interface SealedText {
  readonly claims: Claims
  /** `vault:vN:…` of what `wrapDocument` gives. */
  readonly ciphertext: string
}

/** Whether `text` is meant as a sealed document, of whatever version; {@link parseSealed} says whether it is one. */
export function isSealed(text: string): boolean {
  return trimmed(text).startsWith('sealed:')
}

/**
 * Writes the line to store; there is one for each content.
 *
 * @param ciphertext - as Transit gives it
 * @throws {@link SecretManagerError} SM_CT_FORMAT for what {@link parseSealed} would refuse
 */
export function formatSealed(claims: Claims, ciphertext: string): string {
  const line = `${clearPart(claims, claims.revision)}${ciphertext}`
  // It is about to replace a document that can be opened.
  readLine(line, 'the document just sealed')
  return line
}

/**
 * Reads a stored document. Only that line is read, and white space (tab, LF, CR, space) around it.
 *
 * @param where - named in the error
 * @throws {@link SecretManagerError} SM_CT_FORMAT
 */
export function parseSealed(text: string, where: string): SealedText {
  return readLine(trimmed(text), where)
}

function clearPart(claims: Omit<Claims, 'revision'>, revision: number): string {
  return `sealed:v1:${claims.mount}:${claims.transitKey}:${claims.scope}:${revision}:`
}

/** No field can hold a colon, except that a ciphertext holds two. */
function readLine(line: string, where: string): SealedText {
  const [word, version, ...fields] = line.split(':', 10)
  if (word !== 'sealed' || version === undefined) throw notSealed(line, where)
  if (version !== 'v1') throw unknownVersion(version, where)
  const ciphertext = fields.slice(4).join(':')
  const claims = readClaims(fields)
  if (typeof claims === 'string') throw malformed(claims, line, where)
  if (!isCanonical(ciphertext)) throw malformed('ciphertext', line, where)
  return { claims, ciphertext }
}

/** The claims, or which of them is none. */
function readClaims([mount = '', transitKey = '', word, digits = '']: readonly string[]):
  | Claims
  | string {
  const scope = SCOPES.find((one) => one === word)
  const revision = revisionOf(digits)
  if (!isPathSegments(mount)) return 'mount'
  if (!isTransitKey(transitKey)) return 'Transit key'
  if (scope === undefined) return 'scope'
  if (revision === undefined) return 'revision'
  return { mount, transitKey, scope, revision }
}

const SCOPES: readonly Scope[] = ['strict', 'namespace', 'none']

/** The largest safe integer has 16 digits. */
function revisionOf(digits: string): number | undefined {
  const revision = /^[1-9]\d{0,15}$/.test(digits) ? Number(digits) : undefined
  return Number.isSafeInteger(revision) ? revision : undefined
}

/**
 * Transit ignores the bits of the last character that hold no data, and line breaks: it would open more
 * texts than one for the same bytes.
 */
function isCanonical(ciphertext: string): boolean {
  const base64 = ciphertext.slice(ciphertext.lastIndexOf(':') + 1)
  const ending = /(?:[AQgw]==|[AEIMQUYcgkosw048]=|[^=])$/
  return isTransitCiphertext(ciphertext) && isBase64(base64) && ending.test(base64.slice(-3))
}

/** `text` without what editors leave around it. By hand: a pattern is quadratic, and trim() knows no end. */
function trimmed(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && WHITE.includes(text.charAt(start))) start++
  while (end > start && WHITE.includes(text.charAt(end - 1))) end--
  return text.slice(start, end)
}

const WHITE = '\t\n\r '

function notSealed(line: string, where: string): SecretManagerError {
  const [what, hint] = otherFormat(line)
  return new SecretManagerError('SM_CT_FORMAT', `${where} ${what}`, { hint })
}

const NOT_SEALED = 'is not a sealed document (sealed:v1:…)'

/** What people store in place of a sealed document. */
function otherFormat(line: string): readonly [what: string, hint: string] {
  if (line === '') return ['is empty', 'write it: secretmanager encrypt; or check readKey']
  if (line.startsWith('vault:')) {
    const hint =
      'if you know where it comes from, seal it: secretmanager adopt; or open it as it is: format: raw (--format raw)'
    return ['is raw (vault:vN:…), and the definition says sealed', hint]
  }
  if (line.startsWith('{')) {
    const hint =
      'it looks like plaintext JSON: whoever can read the object can read the secrets; encrypt it and change them'
    return [NOT_SEALED, hint]
  }
  if (line.startsWith(IN_BASE64)) {
    return [
      `${NOT_SEALED}, but base64 of one`,
      'encode it once: put the base64 of the line into data',
    ]
  }
  return [NOT_SEALED, 'write it: secretmanager encrypt; or check readKey']
}

const IN_BASE64 = Buffer.from('sealed:v1').toString('base64')

/** What is no version may be anything, and is not repeated. */
function unknownVersion(version: string, where: string): SecretManagerError {
  if (!/^v[1-9]\d{0,8}$/.test(version)) return malformed('version', '', where)
  return new SecretManagerError(
    'SM_CT_FORMAT',
    `${where} is sealed in format ${version}, this version of secretmanager reads v1`,
    { hint: 'upgrade secretmanager' },
  )
}

function malformed(field: string, line: string, where: string): SecretManagerError {
  const hint = /\s/.test(line)
    ? 'something broke the line: a sealed document is one line without spaces'
    : `it was cut or changed: ${MEND}`
  return new SecretManagerError('SM_CT_FORMAT', `the ${field} in ${where} is malformed`, { hint })
}

/**
 * Gives the revision of what is written now.
 *
 * @param previous - that of the document it replaces; `undefined` where there is none
 * @throws {@link SecretManagerError} SM_CT_FORMAT after the last one
 */
export function nextRevision(previous: number | undefined, nowUnixMs: number): number {
  const next = Math.max((previous ?? 0) + 1, Math.trunc(nowUnixMs))
  if (Number.isSafeInteger(next)) return next
  throw new SecretManagerError('SM_CT_FORMAT', `there is no revision after ${previous}`, {
    hint: 'somebody wrote a revision beyond all time: delete the object, write it again, and restart its readers',
  })
}

/** What the values of a Secret or a ConfigMap may have together. */
export const MOST_STORED_BYTES: number = 1 << 20
/** What AES-GCM and ChaCha20-Poly1305 add: a nonce and a tag. */
const CIPHER_BYTES = 28

/** Gives the size of the largest document that fits an object under these claims, whatever its revision and key version. */
export function largestDocument(claims: Omit<Claims, 'revision'>): number {
  const clear = `${clearPart(claims, Number.MAX_SAFE_INTEGER)}vault:v999999999:`
  const quanta = Math.floor((MOST_STORED_BYTES - clear.length) / 4)
  return quanta * 3 - CIPHER_BYTES - HEADER_BYTES
}

/**
 * Refuses a document that would not fit, before any call.
 *
 * @throws {@link SecretManagerError} SM_TOO_LARGE
 */
export function refuseTooLarge(
  bytes: number,
  claims: Omit<Claims, 'revision'>,
  where: string,
): void {
  const most = largestDocument(claims)
  if (bytes <= most) return
  throw new SecretManagerError(
    'SM_TOO_LARGE',
    `the document for ${where} has ${bytes} bytes, the most is ${most}`,
    { hint: 'an object holds 1 MiB, its other entries included: split the dictionary' },
  )
}
