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
    expect(runtime.sleeps.slice(0, 4).map(Math.round)).toEqual([500, 999, 1998, 2498])
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

  test('the failure that it comes after, where the next token comes too late', async () => {
    const runtime = fakeRuntime({ auto: true })
    const budget = budgetOn(runtime, { ...SETTINGS, startupWaitMs: 0 })
    for (let used = 0; used < 3; used += 1) await budget.begin().admit('vault', REFUSAL)
    const { code, hint } = REFUSAL
    const message = 'vault was not asked again in time: vault denied the login'
    const again = budget.begin().admit('vault', REFUSAL)
    await expect(again).rejects.toMatchObject({ code, hint, message })
    // What is met again and again is told once.
    const told = new SecretManagerError(code, message)
    await expect(budget.begin().admit('vault', told)).rejects.toMatchObject({ message })
  })
})

const SEALED = new SecretManagerError('SM_VAULT_SEALED', 'vault is sealed')
const LIMITED = new SecretManagerError('SM_VAULT_RATE_LIMITED', 'vault limits the rate', {
  retryAfterMs: 5000,
})

/** When each of `count` calls may make its first attempt; nothing for those that may not. */
async function entering(budget: Budget, runtime: FakeRuntime, count: number): Promise<number[]> {
  const times: number[] = []
  const calls = Array.from({ length: count }, async () => {
    await budget.begin().enter('vault')
    times.push(runtime.now())
  })
  void Promise.allSettled(calls)
  await runtime.advance(0)
  return times
}

describe('while a server fails', () => {
  test('I13: its other calls wait for their turn, too', async () => {
    const runtime = fakeRuntime({ random: () => 0 })
    const budget = budgetOn(runtime)
    budget.begin().failed('vault', SEALED)
    const times = await entering(budget, runtime, 50)
    expect(times).toEqual([0, 0, 0])
    await runtime.advance(4000)
    expect(times).toEqual([0, 0, 0, 1000, 2000, 3000, 4000])
  })

  test('I13: all of them go on as soon as it serves anybody', async () => {
    const runtime = fakeRuntime({ random: () => 0 })
    const budget = budgetOn(runtime)
    budget.begin().failed('vault', SEALED)
    const times = await entering(budget, runtime, 500)
    await runtime.advance(1500)
    budget.begin().worked('vault')
    await runtime.advance(0)
    expect(times).toHaveLength(500)
    expect(times.at(-1)).toBe(1500)
    expect(runtime.pending()).toBe(0)
  })

  test('I13: what they had queued for is free again', async () => {
    const runtime = fakeRuntime({ random: () => 0 })
    const budget = budgetOn(runtime)
    budget.begin().failed('vault', SEALED)
    await entering(budget, runtime, 500)
    budget.begin().worked('vault')
    budget.begin().failed('vault', SEALED)
    await runtime.advance(1000)
    expect(await entering(budget, runtime, 3)).not.toEqual([])
  })

  test('I13: so is what was queued for by those who gave up', async () => {
    const runtime = fakeRuntime({ random: () => 0 })
    const budget = budgetOn(runtime)
    const gone = new AbortController()
    budget.begin().failed('vault', SEALED)
    const calls = Array.from({ length: 30 }, () => budget.begin(gone.signal).enter('vault'))
    const ended = Promise.allSettled(calls)
    await runtime.advance(0)
    gone.abort()
    expect((await ended).filter(({ status }) => status === 'rejected')).toHaveLength(27)
    await runtime.advance(1000)
    expect(await entering(budget, runtime, 1)).toEqual([1000])
  })

  test('who waits in vain hears what it failed with last', async () => {
    const runtime = fakeRuntime({ random: () => 0 })
    const budget = budgetOn(runtime, { ...SETTINGS, startupWaitMs: 2000 })
    budget.begin().failed('vault', LIMITED)
    const late = budget.begin().enter('vault')
    const message = 'vault was not asked again in time: vault limits the rate'
    await expect(late).rejects.toMatchObject({ code: 'SM_VAULT_RATE_LIMITED', message })
  })

  test('a call that has ended already does not wait', async () => {
    const runtime = fakeRuntime({ random: () => 0.5 })
    const allowance = budgetOn(runtime).begin()
    allowance.failed('vault', SEALED)
    allowance.end()
    await expect(allowance.enter('vault')).rejects.toMatchObject({ code: 'SM_ABORTED' })
    await expect(allowance.retry('vault', 5)).rejects.toMatchObject({ code: 'SM_ABORTED' })
    expect(runtime.pending()).toBe(0)
  })

  test('V5: who queued before the server asked to be left alone queues anew', async () => {
    const runtime = fakeRuntime({ random: () => 0 })
    const budget = budgetOn(runtime)
    budget.begin().failed('vault', SEALED)
    const times = await entering(budget, runtime, 20)
    await runtime.advance(1500)
    budget.begin().failed('vault', LIMITED)
    await runtime.advance(10_000)
    expect(times).toEqual([0, 0, 0, 1000, 6500, 7500, 8500, 9500, 10_500, 11_500])
  })

  test('V5: an answer that comes meanwhile does not end what the server asked for', async () => {
    const runtime = fakeRuntime({ random: () => 0 })
    const budget = budgetOn(runtime)
    budget.begin().failed('vault', LIMITED)
    const times = await entering(budget, runtime, 5)
    await runtime.advance(1000)
    budget.begin().worked('vault')
    const later = await entering(budget, runtime, 5)
    await runtime.advance(3999)
    expect([...times, ...later]).toEqual([])
    await runtime.advance(1)
    expect([...times, ...later]).toEqual([5000])
  })

  test('V5: of many that are asked for patience at once, none brings another forward', async () => {
    const luck = [0.5, 0.1, 0.9, 0.2, 0.95, 0.3]
    let draws = 0
    const runtime = fakeRuntime({ random: () => luck[draws++ % luck.length] ?? 0 })
    const budget = budgetOn(runtime)
    const times: number[] = []
    for (let call = 0; call < 20; call += 1) {
      const allowance = budget.begin()
      allowance.failed('vault', LIMITED)
      void allowance.retry('vault', 1, 5000).then((may) => may && times.push(runtime.now()))
    }
    await runtime.advance(20_000)
    expect(times[0]).toBeGreaterThanOrEqual(5000)
    const gaps = times.slice(1).map((at, nth) => at - (times[nth] ?? 0))
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(999)
  })

  test('each wait is told once, however often it begins anew', async () => {
    const runtime = fakeRuntime({ random: () => 0 })
    const budget = budgetOn(runtime)
    for (let used = 0; used < 3; used += 1) await budget.begin().retry('vault', 1)
    const told: number[] = []
    const retry = budget.begin().retry('vault', 1, 0, (waitMs) => told.push(waitMs))
    await runtime.advance(500)
    budget.begin().failed('vault', LIMITED)
    await runtime.advance(10_000)
    expect(await retry).toBe(true)
    expect(told).toEqual([1000])
  })

  test('rule 2: who is let through, as others are served, and fails, waits the next time', async () => {
    const runtime = fakeRuntime({ random: () => 0.5 })
    const budget = budgetOn(runtime)
    const allowance = budget.begin()
    const woken: number[] = []
    const retries = (async () => {
      for (let failures = 5; failures < 9; failures += 1) {
        await allowance.retry('vault', failures)
        woken.push(runtime.now())
      }
    })()
    for (let served = 0; served < 200; served += 1) {
      await runtime.advance(100)
      budget.begin().worked('vault')
    }
    await retries
    // By the others, and from then on by its own time of 1.25 s.
    expect(woken).toEqual([100, 1350, 2600, 3850])
  })
})

describe('what is known of a server', () => {
  test('unknown, failing with the reason and the time until it is asked, and ok', async () => {
    const runtime = fakeRuntime({ random: () => 0 })
    const budget = budgetOn(runtime)
    const nothing = { nextAttemptInMs: 0, trouble: undefined }
    expect(budget.status('vault')).toEqual({ state: 'unknown', ...nothing })
    budget.begin().failed('vault', LIMITED)
    await runtime.advance(2000)
    expect(budget.status('vault')).toMatchObject({
      ...{ state: 'failing', nextAttemptInMs: 3000 },
      trouble: { code: 'SM_VAULT_RATE_LIMITED', agoMs: 2000 },
    })
    expect(budget.status('kubernetes').state).toBe('unknown')
    await runtime.advance(3000)
    budget.begin().worked('vault')
    expect(budget.status('vault')).toEqual({ state: 'ok', ...nothing })
  })
})

describe('what has no limit of its own', () => {
  const never = new Promise<never>(() => undefined)

  test('within: as long as the call, and at least an attempt', async () => {
    const runtime = fakeRuntime()
    const budget = budgetOn(runtime, { ...SETTINGS, startupWaitMs: 0 })
    const waiting = budget.begin().within(never, 'the schema of app')
    void runtime.advance(5000)
    await expect(waiting).rejects.toMatchObject({
      ...{ code: 'SM_TIMEOUT', message: 'the schema of app took too long' },
    })
    expect(runtime.now()).toBe(5000)
    expect(await budget.begin().within(Promise.resolve(1), 'x')).toBe(1)
    expect(runtime.pending()).toBe(0)
  })

  test('a login: as long as the call, but long enough for its two requests', async () => {
    const runtime = fakeRuntime()
    const budget = budgetOn(runtime, { ...SETTINGS, startupWaitMs: 0 })
    const waiting = budget.begin().join(never, 'the login', undefined)
    void runtime.advance(10_000)
    await expect(waiting).rejects.toMatchObject({ code: 'SM_TIMEOUT' })
    expect(runtime.now()).toBe(10_000)
  })

  test('a login: told with what a server failed with last', async () => {
    const runtime = fakeRuntime()
    const budget = budgetOn(runtime)
    budget.begin().failed('kubernetes', SEALED)
    const waiting = budget.begin().join(never, 'the login', undefined)
    await runtime.advance(1)
    budget.begin().failed('vault', LIMITED)
    void runtime.advance(30_000)
    await expect(waiting).rejects.toBe(LIMITED)
  })

  test('a second login: no longer than the call has left', async () => {
    const runtime = fakeRuntime()
    const allowance = budgetOn(runtime).begin()
    await runtime.advance(29_000)
    const waiting = allowance.join(never, 'the login', REFUSAL)
    void runtime.advance(1000)
    await expect(waiting).rejects.toBe(REFUSAL)
    expect(runtime.now()).toBe(30_000)
  })

  test.each([
    [0, true, false],
    [27_000, true, false],
    [28_500, true, true],
    [29_500, false, true],
  ])('after %i ms of 30 s: another attempt %s, ran out %s', async (ms, hasTime, ranOut) => {
    const runtime = fakeRuntime()
    const allowance = budgetOn(runtime).begin()
    await runtime.advance(ms)
    expect([allowance.hasTime(), allowance.ranOut()]).toEqual([hasTime, ranOut])
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

test('a wait that fills what is left is waited for, though time passes while it is reckoned', async () => {
  const runtime = fakeRuntime({ auto: true, random: () => 0.999 })
  const now = runtime.now.bind(runtime)
  let looks = 0
  // Each look at the clock takes a microsecond, as in the real world.
  const passing = { ...runtime, now: () => now() + (looks += 1) / 1000 }
  const allowance = new Budget(
    passing,
    { ...SETTINGS, startupWaitMs: 3000 },
    new AbortController().signal,
  ).begin()
  let failures = 1
  while (await allowance.retry('vault', failures)) failures += 1
  expect(Math.round(now())).toBe(2000)
})
