import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { wakefulClock } from '../../src/lib/wakeful-clock.ts'
import { fakeRuntime } from '../fake-runtime.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR

type Step =
  | { readonly kind: 'pass' | 'sleep'; readonly ms: number }
  | { readonly kind: 'set'; readonly ms: number }

/** How far the clock went in each of `steps`. */
async function walk(...steps: readonly Step[]): Promise<number[]> {
  const runtime = fakeRuntime()
  const clock = wakefulClock(runtime)
  const went: number[] = []
  for (const { kind, ms } of steps) {
    const before = clock()
    if (kind === 'pass') await runtime.advance(ms)
    else runtime.setWallClock(runtime.wallClock() + ms)
    went.push(clock() - before)
  }
  return went
}

const pass = (ms: number): Step => ({ kind: 'pass', ms })
/** The machine sleeps: only the wall clock goes on. */
const sleep = (ms: number): Step => ({ kind: 'sleep', ms })
/** Somebody sets the wall clock. */
const set = (ms: number): Step => ({ kind: 'set', ms })

describe('a clock that counts what the machine slept through', () => {
  test.each([
    ['awake: as the monotonic one', [pass(1), pass(0), pass(DAY)], [1, 0, DAY]],
    ['P2: asleep: as the wall clock', [pass(10), sleep(8 * HOUR), pass(10)], [10, 8 * HOUR, 10]],
    ['P2: again and again', [sleep(HOUR), sleep(HOUR), sleep(2000)], [HOUR, HOUR, 2000]],
    ['C1: set back: as if nothing were', [set(-400 * DAY), pass(5)], [0, 5]],
    ['C1: set back, then asleep', [set(-HOUR), sleep(HOUR)], [0, HOUR]],
    ['C1: set ahead: taken for sleep', [set(400 * DAY), pass(5)], [400 * DAY, 5]],
    ['C1: corrected in small steps: ignored', [set(400), set(-300), set(400)], [0, 0, 0]],
    ['C1: slewed for long: half a second at a time', [set(300), set(300)], [0, 600]],
  ] as const)('%s', async (_name, steps, expected) => {
    expect(await walk(...steps)).toEqual(expected)
  })

  test('C1: it never goes back, and never slower than the monotonic clock', async () => {
    const step = fc.record({
      kind: fc.constantFrom('pass', 'set', 'set'),
      ms: fc.integer({ min: -400 * DAY, max: 400 * DAY }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const walked = steps.map(({ kind, ms }) => (kind === 'pass' ? pass(Math.abs(ms)) : set(ms)))
        const went = await walk(...walked)
        for (const [index, ms] of went.entries()) {
          const one = walked[index]
          expect(ms).toBeGreaterThanOrEqual(one?.kind === 'pass' ? one.ms : 0)
        }
      }),
      { numRuns: 50 },
    )
  })
})
