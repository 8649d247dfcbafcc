/** The vectors of docs/format.md, written by another implementation in another language. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  checkClaims,
  contextOf,
  refuseRollback,
  type ExpectedClaims,
} from '../../src/sealed/binding.ts'
import {
  formatSealed,
  largestDocument,
  nextRevision,
  parseSealed,
  type Claims,
  type Scope,
} from '../../src/sealed/format.ts'
import { refuseWrapped, unwrapDocument, wrapDocument } from '../../src/sealed/plaintext.ts'
import type { Kind } from '../../src/kubernetes/objects.ts'
import { thrownBy } from './rejection.ts'

type Rows<Row> = readonly (Row & { readonly what: string })[]
type Code = string | null

interface Vectors {
  readonly contexts: Rows<{
    scope: Scope
    cluster: string
    kind: Kind
    namespace: string
    name: string
    dataKey: string
    context: string
    base64: string
  }>
  readonly plaintexts: Rows<{ revision: number; document: string; plaintext: string }>
  readonly texts: Rows<Claims & { ciphertext: string; text: string; canonical: boolean }>
  readonly refusedTexts: Rows<{ text: string; code: string }>
  readonly refusedPlaintexts: Rows<{ plaintext: string; revision: number; code: string }>
  readonly rawDocuments: Rows<{ document: string; code: Code }>
  readonly claims: Rows<{
    claims: Omit<Claims, 'revision'>
    definition: ExpectedClaims
    code: Code
  }>
  readonly nextRevisions: readonly {
    previous: number | null
    nowUnixMs: number
    revision?: number
    code?: string
  }[]
  readonly rollbacks: readonly { seen: number | null; revision: number; code: Code }[]
  readonly sizes: readonly (Omit<Claims, 'revision'> & { largestDocument: number })[]
}

const docs = (name: string): string =>
  readFileSync(join(import.meta.dirname, '../../docs', name), 'utf8')

const vectors = JSON.parse(docs('format-vectors.json')) as Vectors
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const bytes = (text: string): Uint8Array => Buffer.from(text, 'hex')

describe('contexts', () => {
  test.each(vectors.contexts)('Q1: $what', ({ scope, cluster, context, base64, ...place }) => {
    const bound = contextOf(place, scope, cluster)
    expect(hex(bound)).toBe(context)
    expect(Buffer.from(bound).toString('base64')).toBe(base64)
  })

  test('I6: no two are the same', () => {
    expect(new Set(vectors.contexts.map(({ context }) => context)).size).toBe(
      vectors.contexts.length,
    )
  })
})

describe('plaintexts', () => {
  test.each(vectors.plaintexts)('X1, Q2: $what', ({ revision, document, plaintext }) => {
    expect(hex(wrapDocument(revision, bytes(document)))).toBe(plaintext)
    expect(hex(unwrapDocument(bytes(plaintext), revision, 'it'))).toBe(document)
  })

  test.each(vectors.refusedPlaintexts)('I22: refused: $what', ({ plaintext, revision, code }) => {
    expect(thrownBy(() => unwrapDocument(bytes(plaintext), revision, 'it'))?.code).toBe(code)
  })

  test.each(vectors.rawDocuments)('I22: as a raw document: $what', ({ document, code }) => {
    expect(thrownBy(() => refuseWrapped(bytes(document), 'it'))?.code ?? null).toBe(code)
  })
})

describe('texts', () => {
  test.each(vectors.texts)('$what', ({ what, ciphertext, text, canonical, ...claims }) => {
    expect(parseSealed(text, what)).toEqual({ claims, ciphertext })
    expect(formatSealed(claims, ciphertext) === text).toBe(canonical)
  })

  test.each(vectors.refusedTexts)('Q3: refused: $what', ({ text, code }) => {
    expect(thrownBy(() => parseSealed(text, 'it'))?.code).toBe(code)
  })
})

test.each(vectors.claims)('I22: claims: $what', ({ claims, definition, code }) => {
  const complete = { ...claims, revision: 1 }
  expect(thrownBy(() => checkClaims(complete, definition, 'it'))?.code ?? null).toBe(code)
})

test.each(vectors.nextRevisions)('revision after $previous at $nowUnixMs', (row) => {
  const next = (): number => nextRevision(row.previous ?? undefined, row.nowUnixMs)
  if (row.code === undefined) expect(next()).toBe(row.revision)
  else expect(thrownBy(next)?.code).toBe(row.code)
})

test.each(vectors.rollbacks)('I7: revision $revision after $seen', ({ seen, revision, code }) => {
  expect(thrownBy(() => refuseRollback(seen ?? undefined, revision, 'it'))?.code ?? null).toBe(code)
})

test.each(vectors.sizes)('largest document: $largestDocument bytes', (row) => {
  expect(largestDocument(row)).toBe(row.largestDocument)
})

test('docs/format.md shows nothing that is not a vector', () => {
  const page = docs('format.md')
  const shown = [...page.matchAll(/^(?:[0-9a-f]{12,}|sealed:v1:\S+)$/gm)].map(([line]) => line)
  const known = new Set(
    [...vectors.contexts, ...vectors.plaintexts, ...vectors.texts].flatMap(Object.values),
  )
  expect(shown.length).toBeGreaterThanOrEqual(5)
  expect(shown.filter((line) => !known.has(line))).toEqual([])
})
