/** A manifest for `git diff`: each stored document as lines that change where its content does. */
import { isSecretManagerError } from '../errors.ts'
import { parseSealed } from '../sealed/format.ts'
import { keyVersionOf, parseRaw } from '../sealed/raw.ts'
import { canonicalEntries } from './canonical.ts'
import type { Manifest, ManifestEntry } from './manifests.ts'
import { formatOf, objectName } from './verify.ts'

/** A stored document where it stands in a file. */
export interface StoredEntry {
  readonly manifest: Manifest
  readonly entry: ManifestEntry
  readonly format: 'sealed' | 'raw'
  /** As it is stored. */
  readonly text: string
}

/** Gives a short text for a long one: another for another. */
export type Digest = (text: string) => string

/** The documents in the manifests of one file, as far as they are well-formed: the rest of a file speaks for itself. */
export function storedEntries(manifests: readonly Manifest[]): readonly StoredEntry[] {
  return manifests.flatMap((manifest) =>
    manifest.entries.flatMap((entry) => {
      const format = formatOf(entry)
      const text = entry.bytes?.toString('latin1') ?? ''
      const isOne = format !== undefined && claimsOf({ format, text }) !== undefined
      return isOne ? [{ manifest, entry, format, text }] : []
    }),
  )
}

/** What it says of itself, and what of its ciphertext: all that is known without Vault. */
export function summaryOfText(stored: StoredEntry, digest: Digest): readonly string[] {
  const { head = [], ciphertext = '' } = claimsOf(stored) ?? {}
  return [...head, `ciphertext ${digest(ciphertext)}`]
}

/**
 * What it says of itself, and a digest of each entry. A digest counts for its place alone: nobody sees that two objects
 * have one password.
 *
 * @param digest - keyed, so that nobody finds a value by trying
 */
export function summaryOfDocument(
  stored: StoredEntry,
  document: Uint8Array,
  digest: Digest,
): readonly string[] {
  const { manifest, entry } = stored
  const of = (name: string | null, value: string): string =>
    digest(JSON.stringify([objectName(manifest), entry.key, name, value]))
  const entries = entriesOf(document)
  const lines = entries
    ? [...entries].map(([name, value]) => `entry ${shown(name)} ${of(name, value)}`)
    : [`document ${of(null, Buffer.from(document).toString('base64'))}`]
  return [...(claimsOf(stored)?.head ?? []), ...lines]
}

/** The text of a file with each document replaced by its lines, below its name. */
export function withSummaries(
  text: string,
  summaries: ReadonlyMap<StoredEntry, readonly string[]>,
): string {
  // From the end: what is replaced then moves nothing that is still to come.
  const inOrder = [...summaries].toSorted(([a], [b]) => b.entry.range[0] - a.entry.range[0])
  return inOrder.reduce((whole, [{ entry, format }, lines]) => {
    const [start, end] = entry.range
    const lineStart = whole.lastIndexOf('\n', start - 1) + 1
    const indent = /^ */.exec(whole.slice(lineStart, start))?.[0] ?? ''
    const block = [format, ...lines.map((line) => `${indent}    ${line}`)].join('\n')
    // A block scalar ends with the line feed before what follows.
    const ending = whole.slice(start, end).endsWith('\n') ? '\n' : ''
    return `${whole.slice(0, start)}${block}${ending}${whole.slice(end)}`
  }, text)
}

interface Told {
  readonly head: readonly string[]
  readonly ciphertext: string
}

function claimsOf({ format, text }: Pick<StoredEntry, 'format' | 'text'>): Told | undefined {
  try {
    return format === 'raw' ? toldOfRaw(text) : toldOfSealed(text)
  } catch (error) {
    if (isSecretManagerError(error)) return undefined
    throw error
  }
}

function toldOfRaw(text: string): Told {
  const ciphertext = parseRaw(text, 'it')
  return { head: [`key version ${keyVersionOf(ciphertext)}`], ciphertext }
}

function toldOfSealed(text: string): Told {
  const { claims, ciphertext } = parseSealed(text, 'it')
  const { mount, transitKey, scope, revision } = claims
  const head = [
    `key ${mount}/${transitKey}`,
    `scope ${scope}`,
    `revision ${revision}`,
    `key version ${keyVersionOf(ciphertext)}`,
  ]
  return { head, ciphertext }
}

/** By name, so that another order of the entries is no difference. */
function entriesOf(document: Uint8Array): ReadonlyMap<string, string> | undefined {
  try {
    const entries = [...canonicalEntries(document)]
    return new Map(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)))
  } catch (error) {
    if (isSecretManagerError(error)) return undefined
    throw error
  }
}

/** On its line, and without what steers a terminal. */
function shown(name: string): string {
  return /^[\w.-]+$/.test(name) ? name : JSON.stringify(name).replaceAll(/[^ -~]/g, escaped)
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
