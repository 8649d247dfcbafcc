/** Documents in a file of manifests are replaced by others where they stand. Text in, text out. */
import { isSecretManagerError } from '../errors.ts'
import type { Kind } from '../kubernetes/objects.ts'
import { readManifests, type Field, type Manifest, type ManifestEntry } from './manifests.ts'

/** A file with other documents in it, and what {@link readManifests} would find there. */
export interface Changed {
  readonly text: string
  readonly manifests: readonly Manifest[]
}

/**
 * Gives the file with other documents in it. Every other byte stays, what every other entry holds does,
 * and a value keeps its notation.
 *
 * @param manifests - what {@link readManifests} found in `file`
 * @param texts - by entry, its new document: one line
 * @returns `undefined` where a value is written in a way that cannot be replaced, such as for two entries at once
 */
export async function withDocuments(
  file: string,
  manifests: readonly Manifest[],
  texts: ReadonlyMap<ManifestEntry, string>,
): Promise<Changed | undefined> {
  const values = manifests.flatMap(({ kind, entries }) =>
    entries.flatMap((entry): Value[] => {
      const text = texts.get(entry)
      return text === undefined ? [] : [valueAt(file, kind, entry, text)]
    }),
  )
  const text = spliced(file, values)
  if (!ALIASES.test(file) && values.every(isPlain)) {
    return { text, manifests: moved(manifests, values) }
  }
  // A value in an unusual notation must not end as another one, nor change another one with it.
  const now = await manifestsOf(text)
  return isAsMeant(manifests, now, texts) ? { text, manifests: now } : undefined
}

/** A value to be written. */
interface Value {
  readonly entry: ManifestEntry
  /** What the entry is to hold. */
  readonly bytes: Buffer
  /** As it is written, without quotes. */
  readonly was: string
  readonly becomes: string
  /** The same as the file has it. */
  readonly before: string
  readonly after: string
}

function valueAt(file: string, kind: Kind, entry: ManifestEntry, text: string): Value {
  const bytes = Buffer.from(text)
  const isText = isTextIn(kind, entry.field)
  const [was, becomes] = [entry.bytes, bytes].map(
    (each) => each?.toString(isText ? 'utf8' : 'base64') ?? '',
  )
  const before = file.slice(...entry.range)
  const after = written(before, becomes ?? '', isText)
  return { entry, bytes, was: was ?? '', becomes: becomes ?? '', before, after }
}

/** What another value may depend on. */
const ALIASES = /[&*]/

/**
 * Whether one word stands in the place of another, in the same quotes or none: then nothing else can change, and the
 * file need not be parsed again, which takes a second where it is large.
 */
function isPlain({ was, becomes, before, after }: Value): boolean {
  if (!WORD.test(was) || !WORD.test(becomes)) return false
  return ['', '"', "'"].some(
    (quote) => before === `${quote}${was}${quote}` && after === `${quote}${becomes}${quote}`,
  )
}

/** It is no number, no truth value and no null, and nothing in it means anything to YAML. */
const WORD = /^[A-Za-z][\w+/=:.-]{14,}[\w+/=]$/

function moved(manifests: readonly Manifest[], values: readonly Value[]): readonly Manifest[] {
  const byEntry = new Map(values.map((value) => [value.entry, value]))
  const entryNow = (entry: ManifestEntry): ManifestEntry => {
    const [start, end] = entry.range
    const earlier = values.filter((each) => each.entry.range[0] < start)
    const by = earlier.reduce((sum, { before, after }) => sum + after.length - before.length, 0)
    const value = byEntry.get(entry)
    if (value === undefined) return { ...entry, range: [start + by, end + by] }
    const { after, bytes } = value
    return { ...entry, bytes, range: [start + by, start + by + after.length] }
  }
  return manifests.map((each) => ({ ...each, entries: each.entries.map(entryNow) }))
}

function spliced(file: string, values: readonly Value[]): string {
  const parts: string[] = []
  let at = 0
  for (const { entry, after } of values.toSorted((a, b) => a.entry.range[0] - b.entry.range[0])) {
    const [start, end] = entry.range
    parts.push(file.slice(at, start), after)
    at = end
  }
  return [...parts, file.slice(at)].join('')
}

function written(before: string, value: string, isText: boolean): string {
  if (before.startsWith('"')) return JSON.stringify(value)
  if (before.startsWith("'")) return `'${value.replaceAll("'", "''")}'`
  if (/^[|>][^\n]*\n\s*\S/.test(before)) return inBlock(before, value, isText)
  // A line feed at the end still divides it from what follows.
  return `${value}${before.endsWith('\n') ? '\n' : ''}`
}

function isTextIn(kind: Kind, field: Field): boolean {
  return field === 'stringData' || (kind === 'ConfigMap' && field === 'data')
}

/** Its header, with a comment there, its indentation and what follows stay. */
function inBlock(before: string, value: string, isText: boolean): string {
  const header = before.slice(0, before.indexOf('\n') + 1)
  const body = before.slice(header.length)
  const indent = body.slice(0, body.length - body.trimStart().length)
  const end = body.slice(body.trimEnd().length)
  // Else the line feed at its end would be part of the text; in base64 it is skipped.
  const stripped = isText ? header.replace(/^([|>][1-9]?)[+-]?/, '$1-') : header
  return `${stripped}${indent}${value}${end}`
}

/** None where it is no YAML any more. */
async function manifestsOf(changed: string): Promise<readonly Manifest[]> {
  try {
    return await readManifests(changed, 'the file')
  } catch (error) {
    if (isSecretManagerError(error)) return []
    throw error
  }
}

function isAsMeant(
  before: readonly Manifest[],
  now: readonly Manifest[],
  texts: ReadonlyMap<ManifestEntry, string>,
): boolean {
  return (
    before.length === now.length &&
    before.every((manifest, at) => {
      const other = now[at]
      return (
        other !== undefined &&
        isSameObject(manifest, other) &&
        manifest.entries.length === other.entries.length &&
        manifest.entries.every((entry, index) => holds(other.entries[index], entry, texts))
      )
    })
  )
}

function isSameObject(a: Manifest, b: Manifest): boolean {
  return a.kind === b.kind && a.name === b.name && a.namespace === b.namespace
}

function holds(
  now: ManifestEntry | undefined,
  before: ManifestEntry,
  texts: ReadonlyMap<ManifestEntry, string>,
): boolean {
  if (now?.key !== before.key || now.field !== before.field) return false
  const text = texts.get(before)
  const expected = text === undefined ? before.bytes : Buffer.from(text)
  if (now.bytes === undefined || expected === undefined) return now.bytes === expected
  return now.bytes.equals(expected)
}
