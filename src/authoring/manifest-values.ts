/** Documents in a file of manifests are replaced by others where they stand. Text in, text out. */
import { isSecretManagerError } from '../errors.ts'
import type { Kind } from '../kubernetes/objects.ts'
import { readManifests, type Field, type Manifest, type ManifestEntry } from './manifests.ts'

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
): Promise<string | undefined> {
  const values = manifests.flatMap(({ kind, entries }) =>
    entries.flatMap((entry): Value[] => {
      const text = texts.get(entry)
      return text === undefined ? [] : [{ range: entry.range, kind, field: entry.field, text }]
    }),
  )
  const changed = spliced(file, values)
  // A value in an unusual notation must not end as another one, nor change another one with it.
  const now = await manifestsOf(changed)
  return isAsMeant(manifests, now, texts) ? changed : undefined
}

/** A value to be written, and where. */
interface Value extends Pick<ManifestEntry, 'range' | 'field'> {
  readonly kind: Kind
  readonly text: string
}

function spliced(file: string, values: readonly Value[]): string {
  const parts: string[] = []
  let at = 0
  for (const value of values.toSorted((a, b) => a.range[0] - b.range[0])) {
    const [start, end] = value.range
    parts.push(file.slice(at, start), written(file.slice(start, end), value))
    at = end
  }
  return [...parts, file.slice(at)].join('')
}

function written(before: string, { kind, field, text }: Value): string {
  const isText = isTextIn(kind, field)
  const value = isText ? text : Buffer.from(text).toString('base64')
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
