import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { backoffMs, retryAfterMs } from '../../src/lib/backoff.ts'

const NOW = Date.UTC(2026, 0, 1)

describe('Q8: the wait before the next attempt', () => {
  test('is within [0, 10 s), and its window doubles from 250 ms', () => {
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    const count = fc.integer({ min: 1, max: 10_000 })
    const elapsed = fc.integer({ min: 0, max: 1_000_000 })
    fc.assert(
      fc.property(count, elapsed, random, (failures, elapsedMs, luck) => {
        const ms = backoffMs(failures, elapsedMs, luck)
        expect(ms).toBeGreaterThanOrEqual(0)
        expect(ms).toBeLessThan(10_000)
        expect(ms).toBeLessThanOrEqual(250 * 2 ** failures)
        expect(ms).toBeLessThanOrEqual(Math.max(2500, elapsedMs / 2))
      }),
    )
    expect([1, 2, 3, 4, 5, 6, 60].map((failures) => backoffMs(failures, 60_000, 0.5))).toEqual([
      ...[250, 500, 1000, 2000, 4000, 5000, 5000],
    ])
  })
})

test('a short outage is not followed by a long wait', () => {
  expect([0, 5000, 8000, 20_000, 60_000].map((elapsed) => backoffMs(30, elapsed, 0.5))).toEqual([
    ...[1250, 1250, 2000, 5000, 5000],
  ])
})

describe('V5: Retry-After', () => {
  test.each([
    ['0', 0],
    ['1', 1000],
    [' 120 ', 120_000],
    ['007', 7000],
    ['9999999999', 9_999_999_999_000],
    ['9'.repeat(400), Infinity],
    ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
    ['Wed, 31 Dec 2025 23:59:30 GMT', 0],
    [undefined, undefined],
    ['', undefined],
    ['soon', undefined],
    ['1e3s', undefined],
  ])('%s is %s ms', (header, ms) => {
    expect(retryAfterMs(header, NOW)).toBe(ms)
  })

  test('Q8: whatever it says, it is a wait that is not negative, or none', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.integer().map(String), fc.double().map(String)),
        (header) => {
          const ms = retryAfterMs(header, NOW)
          expect(ms === undefined || ms >= 0).toBe(true)
        },
      ),
    )
  })
})
