import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  batchBody,
  batchLength,
  batchResults,
  type BatchItem,
} from '../../src/vault/decrypt-batch.ts'

const MIB = 1 << 20

/** Sizes around every limit, and text that is longer in UTF-8 or in JSON than it looks. */
const ciphertexts = fc.oneof(
  { weight: 8, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  fc
    .tuple(fc.integer({ min: 0, max: MIB + 1 }), fc.constantFrom('a', 'é', '€', '"', '\u0001'))
    .map(([length, character]) => character.repeat(length)),
)
const lists = fc.oneof(
  fc.array(ciphertexts, { maxLength: 12 }),
  fc.array(fc.string({ maxLength: 8 }), { minLength: 200, maxLength: 1100 }),
)

function split(items: readonly BatchItem[], most: number): BatchItem[][] {
  const batches: BatchItem[][] = []
  for (let at = 0; at < items.length; at += batches.at(-1)?.length ?? 0) {
    const rest = items.slice(at)
    batches.push(rest.slice(0, batchLength(rest, most)))
  }
  return batches
}

/** Every string of a JSON value, keys included. */
function stringsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  const keys = Array.isArray(value) ? [] : Object.keys(value)
  return [...keys, ...Object.values(value).flatMap(stringsIn)]
}

describe('Q16: a batch', () => {
  test('keeps order, and every limit of both servers', () => {
    fc.assert(
      fc.property(lists, fc.integer({ min: 1, max: 2000 }), (list, most) => {
        const items = list.map((ciphertext) => ({ ciphertext }))
        const batches = split(items, most)
        // By identity: some are a MiB long.
        const all = batches.flat()
        expect(all.length === items.length && all.every((item, at) => item === items[at])).toBe(
          true,
        )
        for (const batch of batches) {
          expect(batch.length).toBeGreaterThan(0)
          if (batch.length === 1) continue
          const body = batchBody(batch)
          expect(batch.length).toBeLessThanOrEqual(most)
          expect(stringsIn(body).length).toBeLessThanOrEqual(1000)
          const sizes = stringsIn(body).map((text) => Buffer.byteLength(text))
          expect(Math.max(...sizes)).toBeLessThanOrEqual(MIB)
          expect(Buffer.byteLength(JSON.stringify(body))).toBeLessThanOrEqual(8 * MIB)
        }
      }),
      { numRuns: 60 },
    )
  })

  test('is as long as the limits allow', () => {
    const small = Array.from({ length: 1000 }, () => ({ ciphertext: 'vault:v1:AAAA' }))
    expect(split(small, Infinity).map(({ length }) => length)).toEqual([249, 249, 249, 249, 4])
    const withContext = small.map(({ ciphertext }) => ({ ciphertext, context: 'AAAA' }))
    expect(batchLength(withContext, Infinity)).toBe(166)
    const kib64 = Array.from({ length: 40 }, () => ({ ciphertext: 'a'.repeat(MIB / 16) }))
    expect(split(kib64, Infinity).map(({ length }) => length)).toEqual([16, 16, 8])
  })

  test('takes what is too large for it alone, and nothing where nothing waits', () => {
    const sizes = [MIB + 1, 1, 1, MIB, 1]
    const items = sizes.map((size) => ({ ciphertext: 'a'.repeat(size) }))
    expect(split(items, Infinity).map(({ length }) => length)).toEqual([1, 2, 1, 1])
    expect(batchLength([], Infinity)).toBe(0)
  })

  test('names each item by its place', () => {
    expect(batchBody([{ ciphertext: 'a' }, { ciphertext: 'b' }])).toEqual({
      batch_input: [
        { ciphertext: 'a', reference: '0' },
        { ciphertext: 'b', reference: '1' },
      ],
    })
  })
})

const ZERO = { plaintext: 'MA==', reference: '0' }
const ONE = { plaintext: 'MQ==', reference: '1' }

describe('V14: the results of a batch of two', () => {
  test.each([
    ['in order', [ZERO, ONE]],
    ['of a Vault before 1.13, which knows no references', [{ plaintext: '' }, { plaintext: '' }]],
  ])('%s are believed', (_what, batch_results) => {
    expect(batchResults({ data: { batch_results } }, 2)).toEqual(batch_results)
  })

  test.each([
    ['reordered', [ONE, ZERO]],
    ['one missing', [ZERO]],
    ['one too many', [ZERO, ONE, { ...ONE, reference: '2' }]],
    ['one twice', [ZERO, ZERO]],
    ['a reference of nobody', [ZERO, { ...ONE, reference: '7' }]],
    ['a reference that is a number', [ZERO, { ...ONE, reference: 1 }]],
    [
      'empty references',
      [
        { ...ZERO, reference: '' },
        { ...ONE, reference: '' },
      ],
    ],
    ['a reference to one only', [ZERO, { plaintext: 'MQ==' }]],
    ['a result that is no object', [ZERO, 'MQ==']],
    ['a hole', [ZERO, null]],
    ['none', []],
    ['no list', { 0: ZERO, 1: ONE }],
    ['nothing', undefined],
  ])('%s are not', (_what, batch_results) => {
    expect(batchResults({ data: { batch_results } }, 2)).toBeUndefined()
  })

  test('are missed where there is no data', () => {
    expect(batchResults({}, 2)).toBeUndefined()
    expect(batchResults({ data: null }, 0)).toBeUndefined()
  })
})
