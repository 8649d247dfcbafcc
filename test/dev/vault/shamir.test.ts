import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { combine, split } from '../../../src/dev/vault/sys/shamir.ts'

describe('shared unseal key', () => {
  test('any threshold of the shares gives the secret, one fewer does not', () => {
    const counts = fc
      .integer({ min: 2, max: 9 })
      .chain((shares) => fc.tuple(fc.constant(shares), fc.integer({ min: 2, max: shares })))
    fc.assert(
      fc.property(counts, fc.infiniteStream(fc.nat()), ([shares, threshold], order) => {
        const secret = randomBytes(32)
        const all = split(secret, shares, threshold, randomBytes)
        const shuffled = all
          .map((share) => ({ share, rank: Number(order.next().value) }))
          .toSorted((a, b) => a.rank - b.rank)
          .map(({ share }) => share)
        expect(Buffer.from(combine(shuffled.slice(0, threshold)))).toEqual(secret)
        expect(Buffer.from(combine(shuffled))).toEqual(secret)
        expect(Buffer.from(combine(shuffled.slice(0, threshold - 1)))).not.toEqual(secret)
      }),
      { numRuns: 40 },
    )
  })

  test('a single share is the secret itself', () => {
    const secret = randomBytes(32)
    expect(split(secret, 1, 1, randomBytes)).toEqual([secret])
    expect(combine([secret])).toBe(secret)
  })

  test('gives the secret of shares that OpenBao made', () => {
    // The first two of three shares with a threshold of two, as hex; the third must be on their line.
    const hex = [
      '72e76aac0ff6fa5cadefa49d66bf6008dbccc93a5a9ec2226fb25d64be4fdd5d78',
      'cb4675ce206000221bc80fb5e211479ff7b7a3e2c8c3ea9552299dfcee62f09609',
      'c8298b6c0645b8feaeca4d0186c8453351f025c3ff0f5ea935b3d0e69d4ddf7f63',
    ].map((share) => Buffer.from(share, 'hex'))
    const pairs = [
      hex.slice(0, 2),
      hex.slice(1),
      [hex[0], hex[2]].filter((share) => share !== undefined),
    ]
    const secrets = pairs.map((pair) => Buffer.from(combine(pair)).toString('hex'))
    expect(new Set(secrets).size).toBe(1)
  })
})
