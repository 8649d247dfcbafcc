import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { isSecretManagerError, SecretManagerError } from '../../src/errors.ts'
import { Budget, type Allowance } from '../../src/http/budget.ts'
import { fakeRuntime, type FakeRuntime } from '../fake-runtime.ts'

const SETTINGS = {
  startupWaitMs: 30_000,
  attempt: { connectTimeoutMs: 2000, timeoutMs: 5000 },
}

function budgetOn(runtime: FakeRuntime, settings = SETTINGS): Budget {
  return new Budget(runtime, settings, new AbortController().signal)
}

/** Fails until the allowance ends; gives the times of the attempts. */
async function failing(
  allowance: Allowance,
  runtime: FakeRuntime,
  retryAfterMs = 0,
): Promise<number[]> {
  const times = [runtime.now()]
  for (let failures = 1; await allowance.retry('vault', failures, retryAfterMs); failures += 1) {
    times.push(runtime.now())
  }
  return times
}

describe('retries', () => {
  test('three at once, then one per second, until the limit of a start', async () => {
    const runtime = fakeRuntime({ auto: true, random: () => 0 })
    const times = await failing(budgetOn(runtime).begin(), runtime)
    expect(times.slice(0, 7)).toEqual([0, 0, 0, 0, 1000, 2000, 3000])
    expect(times.at(-1)).toBe(29_000)
  })

  test('after the first success a call retries for 15 s', async () => {
    const runtime = fakeRuntime({ auto: true, random: () => 0 })
    const budget = budgetOn(runtime)
    budget.started()
    expect((await failing(budget.begin(), runtime)).at(-1)).toBe(14_000)
  })

  test('full jitter, never more than 10 s', async () => {
    const runtime = fakeRuntime({ auto: true, random: () => 0.999 })
    await failing(budgetOn(runtime, { ...SETTINGS, startupWaitMs: 600_000 }).begin(), runtime)
    expect(runtime.sleeps.slice(0, 4).map(Math.round)).toEqual([500, 999, 1998, 3996])
    expect(Math.max(...runtime.sleeps)).toBeLessThan(10_000)
  })

  test('the last attempt comes when there is still time for it', async () => {
    const runtime = fakeRuntime({ auto: true, random: () => 0.999 })
    const allowance = budgetOn(runtime).begin()
    const times = await failing(allowance, runtime)
    expect(times.at(-1)).toBe(29_000)
    expect(allowance.attempt(9)).toEqual({ connectTimeoutMs: 1000, timeoutMs: 1000 })
  })

  test('the first attempt has its full time, whatever the call has left', async () => {
    const runtime = fakeRuntime({ auto: true })
    const allowance = budgetOn(runtime, { ...SETTINGS, startupWaitMs: 0 }).begin()
    expect(allowance.attempt(1)).toEqual(SETTINGS.attempt)
    expect(await allowance.retry('vault', 1)).toBe(false)
  })

  test('V5: what the server asks for is waited for, and no wait is begun that cannot end in time', async () => {
    const runtime = fakeRuntime({ auto: true, random: () => 0 })
    const times = await failing(budgetOn(runtime).begin(), runtime, 12_000)
    expect(times).toEqual([0, 12_000, 24_000])
  })

  test('I13: calls queue behind each other: the process sees one per second, whatever its load', async () => {
    const runtime = fakeRuntime({ random: () => 0 })
    const budget = budgetOn(runtime)
    const times: number[] = []
    for (let call = 0; call < 50; call += 1) {
      void budget
        .begin()
        .retry('vault', 1)
        .then((may) => may && times.push(runtime.now()))
    }
    await runtime.advance(60_000)
    expect(times.slice(0, 5)).toEqual([0, 0, 0, 1000, 2000])
    for (let at = 0; at < 30_000; at += 1000) {
      expect(times.filter((time) => time > at && time <= at + 1000).length).toBeLessThanOrEqual(1)
    }
  })

  test('each backend has its own', async () => {
    const runtime = fakeRuntime({ auto: true, random: () => 0 })
    const allowance = budgetOn(runtime).begin()
    for (let failures = 1; failures <= 3; failures += 1) await allowance.retry('vault', failures)
    await allowance.retry('kubernetes', 1)
    expect(runtime.now()).toBe(0)
    await allowance.retry('vault', 4)
    expect(runtime.now()).toBe(1000)
  })

  test('Q8: for every sequence of failures the waits stay within the limits', async () => {
    const waits = fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(
        waits,
        fc.double({ min: 0, max: 0.999_999, noNaN: true }),
        async (asked, luck) => {
          const runtime = fakeRuntime({ auto: true, random: () => luck })
          const allowance = budgetOn(runtime).begin()
          for (const [index, retryAfterMs] of asked.entries()) {
            const before = runtime.now()
            if (!(await allowance.retry('vault', index + 1, retryAfterMs))) break
            const waited = runtime.now() - before
            expect(waited).toBeGreaterThan(retryAfterMs - 0.001)
            expect(runtime.now()).toBeLessThanOrEqual(29_000)
          }
        },
      ),
    )
  })
})

const REFUSAL = new SecretManagerError('SM_AUTH_DENIED', 'vault denied the login')

describe('the end of a call', () => {
  test('ends what it left behind', async () => {
    const runtime = fakeRuntime({ random: () => 0.9 })
    const allowance = budgetOn(runtime).begin()
    const leftBehind = allowance.retry('vault', 5)
    allowance.end()
    await expect(leftBehind).rejects.toMatchObject({ code: 'SM_ABORTED' })
  })

  test('is not the end of another', () => {
    const budget = budgetOn(fakeRuntime())
    const other = budget.begin()
    budget.begin().end()
    expect(other.signal.aborted).toBe(false)
  })

  test('close ends all that are open, and what begins later', () => {
    const closing = new AbortController()
    const budget = new Budget(fakeRuntime(), SETTINGS, closing.signal)
    const signals = [budget.begin().signal, budget.begin(new AbortController().signal).signal]
    closing.abort()
    signals.push(budget.begin().signal)
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, true])
  })

  test('leaves nothing at the signal that lives as long as the SecretManager', () => {
    const closing = new AbortController()
    let added = 0
    const listen = closing.signal.addEventListener.bind(closing.signal)
    closing.signal.addEventListener = (...args: Parameters<typeof listen>) => {
      added += 1
      listen(...args)
    }
    const budget = new Budget(fakeRuntime(), SETTINGS, closing.signal)
    for (let call = 0; call < 1000; call += 1) budget.begin().end()
    expect(added).toBe(1)
    // Node keeps what was derived from a signal for as long as that signal lives.
    const derived = Object.getOwnPropertySymbols(closing.signal).filter((symbol) =>
      String(symbol).includes('kDependantSignals'),
    )
    expect(derived).toEqual([])
  })
})

describe('admission', () => {
  test('a free token costs no time, even where the call has none left', async () => {
    const runtime = fakeRuntime({ auto: true })
    await budgetOn(runtime, { ...SETTINGS, startupWaitMs: 0 })
      .begin()
      .admit('vault', REFUSAL)
    expect(runtime.sleeps).toEqual([])
  })

  test('SM_TIMEOUT where the next token comes too late', async () => {
    const runtime = fakeRuntime({ auto: true })
    const budget = budgetOn(runtime, { ...SETTINGS, startupWaitMs: 0 })
    for (let used = 0; used < 3; used += 1) await budget.begin().admit('vault', REFUSAL)
    await expect(budget.begin().admit('vault', REFUSAL)).rejects.toMatchObject({
      code: 'SM_TIMEOUT',
      hint: REFUSAL.hint,
      cause: REFUSAL,
    })
  })
})

describe('an abort', () => {
  test.each([
    ['by the caller', (caller: AbortController) => caller],
    ['by close', (_caller: AbortController, closing: AbortController) => closing],
  ])('%s ends a wait with SM_ABORTED', async (_name, who) => {
    const runtime = fakeRuntime({ random: () => 0.5 })
    const [caller, closing] = [new AbortController(), new AbortController()]
    const budget = new Budget(runtime, SETTINGS, closing.signal)
    const waiting = budget.begin(caller.signal).retry('vault', 1)
    who(caller, closing).abort()
    const error: unknown = await waiting.catch((reason: unknown) => reason)
    expect(isSecretManagerError(error) && error.code).toBe('SM_ABORTED')
    expect(runtime.now()).toBe(0)
  })

  test('before an attempt: none is made', () => {
    const allowance = budgetOn(fakeRuntime()).begin(AbortSignal.abort())
    expect(() => allowance.attempt(1)).toThrow(expect.objectContaining({ code: 'SM_ABORTED' }))
  })

  test('the last call is not ended by close', () => {
    const closing = new AbortController()
    const budget = new Budget(fakeRuntime(), SETTINGS, closing.signal)
    closing.abort()
    expect(budget.last().attempt(1)).toEqual({ connectTimeoutMs: 1000, timeoutMs: 1000 })
  })
})
