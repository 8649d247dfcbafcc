/** A file of manifests as it is at one time, and the effects that rotation has on files. */
import {
  beginningInBase64,
  mentionsDocuments,
  readManifests,
  type Manifest,
} from '../authoring/manifests.ts'
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { KeyName } from './site.ts'

/** The files of a person. */
export interface FileStore {
  /** Gives the one name of what a person named: absolute, and the same however many links lead to it. */
  place(given: string): Promise<string>
  /**
   * Finds the manifests that are meant: the file that is named, or those in the directory. A file has one name,
   * however many links lead to it.
   *
   * @throws {@link SecretManagerError} SM_FILE_UNREADABLE
   */
  paths(given: string): Promise<readonly string[]>
  /**
   * Finds the other files in the directory, of which manifests may be made: regular ones of 16 MiB at most. There
   * are none beside a file that is named.
   *
   * @throws {@link SecretManagerError} SM_FILE_UNREADABLE
   */
  others(given: string): Promise<readonly string[]>
  /**
   * Reads a file.
   *
   * @throws {@link SecretManagerError} SM_TOO_LARGE, SM_FILE_UNREADABLE with the system's code in `causeClass`
   */
  read(path: string): Promise<Uint8Array>
  /**
   * Replaces a file as a whole, unless it holds something else than `expected` by now.
   *
   * @throws {@link SecretManagerError} SM_FILE_UNREADABLE
   */
  replace(path: string, expected: Uint8Array, bytes: Uint8Array): Promise<'replaced' | 'changed'>
}

/** What a file holds. */
export interface ManifestFile {
  readonly bytes: Uint8Array
  readonly text: string
  readonly manifests: readonly Manifest[]
}

/**
 * Reads a file of manifests.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID where it is none, and what {@link FileStore.read} rejects with
 */
export async function readManifestFile(store: FileStore, path: string): Promise<ManifestFile> {
  return parseManifestFile(await store.read(path), path)
}

/** The same of bytes that were read. @throws {@link SecretManagerError} SM_CONFIG_INVALID */
export async function parseManifestFile(bytes: Uint8Array, path: string): Promise<ManifestFile> {
  const text = Buffer.from(bytes).toString()
  // It could not be written again byte for byte.
  if (Buffer.compare(Buffer.from(text), bytes) !== 0) {
    throw new SecretManagerError('SM_CONFIG_INVALID', `${named(path)} is not UTF-8`, {
      hint: 'convert it: iconv -t UTF-8',
    })
  }
  return { bytes, text, manifests: await readManifests(text, named(path)) }
}

/** Whether a file could not be read because it is not there any more. */
export function isGone(error: unknown): boolean {
  return isSecretManagerError(error) && error.causeClass === 'ENOENT'
}

/** The way a file is named in errors. */
export function named(path: string): string {
  return `the file ${JSON.stringify(path)}`
}

/** Whether bytes that are no manifests may hold a document all the same, in whatever encoding. */
export function mayHoldDocuments(bytes: Uint8Array): boolean {
  return mentionsDocuments(looseText(bytes))
}

/** Whether there may be a Secret, a ConfigMap or a document in it: most files of a repository need no parser. */
export function mayHoldManifests(bytes: Uint8Array): boolean {
  const text = looseText(bytes)
  return text.includes('Secret') || text.includes('ConfigMap') || mentionsDocuments(text)
}

/** Also of UTF-16, which some shells write. */
function looseText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1').replaceAll('\0', '')
}

/**
 * Whether a file has a document that may be of `key`: values of a chart, or what a Secret is generated from. Nobody
 * knows where such a document will stand.
 */
export function mentionsKey(text: string, { mount, transitKey }: KeyName): boolean {
  const sealed = `sealed:v1:${mount}:${transitKey}:`
  const signs = [sealed, 'vault:v'].flatMap((sign) => [sign, beginningInBase64(sign)])
  const pattern = signs.map((sign) => sign.replaceAll(/[.+]/g, String.raw`\$&`)).join('|')
  // Not within a document of another key, which has a `vault:v`, too.
  return new RegExp(`(?<![\\w+/:])(?:${pattern})`).test(text.replaceAll('\0', ''))
}

/**
 * Whether a file that is no manifest has a sealed document of `key`, in clear or at the beginning of a value in base64. Raw
 * ones do not count: pages about Vault quote them.
 */
export function hasSealed(bytes: Uint8Array, { mount, transitKey }: KeyName): boolean {
  const text = looseText(bytes)
  const sign = Buffer.from(`sealed:v1:${mount}:${transitKey}:`)
  if (text.includes(sign.toString('latin1'))) return true
  const beginning = beginningInBase64(sign.toString())
  for (let at = text.indexOf(beginning); at !== -1; at = text.indexOf(beginning, at + 1)) {
    // The beginning alone leaves bits of the last byte open: `app:` is not `app8`.
    const value = text.slice(at, at + Math.ceil(sign.length / 3) * 4)
    if (Buffer.from(value, 'base64').subarray(0, sign.length).equals(sign)) return true
  }
  return false
}

/** The text of a file but for the entries of its objects, and the copy of them that `kubectl apply` left. */
export function textBeside({ text, manifests }: ManifestFile): string {
  const ranges = manifests.flatMap(({ entries }) => entries.map(({ range }) => range))
  let rest = ''
  let at = 0
  for (const [start, end] of ranges.toSorted(([a], [b]) => a - b)) {
    rest += text.slice(at, start)
    at = Math.max(at, end)
  }
  return `${rest}${text.slice(at)}`.replaceAll(APPLIED, '')
}

const APPLIED = /last-applied-configuration"?: *(?:[|>][-+]?\s+)?.*/g
