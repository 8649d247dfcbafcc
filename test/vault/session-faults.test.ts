/** A service's session through outages, quotas, lagging replicas, sleep and clocks that are set. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { isSecretManagerError } from '../../src/errors.ts'
import { TransportFailure } from '../../src/runtime.ts'
import type { Answered } from '../faults/in-process.ts'
import {
  DECRYPT,
  failing,
  LOGIN,
  mostWithin,
  RENEW,
  sessionWorld,
  watched,
  type Fault,
  type SessionWorld,
} from './session-world.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const ofTenMinutes = { ttlMs: 10 * MINUTE, type: 'service' } as const
const down: Fault = () => failing(503, 'Vault is sealed')

const timesOf = (world: SessionWorld, path?: string): readonly number[] =>
  (path === undefined ? world.vault.seen : world.vault.to(path)).map(({ at }) => at)

/** Many calls at once. */
const crowd = (world: SessionWorld, size: number): readonly ReturnType<typeof watched<string>>[] =>
  Array.from({ length: size }, () => watched(world.call()))

describe('V5: Vault limits the rate', () => {
  /** Refuses all for 7 s; every refusal says how long to wait. */
  const limited =
    (retryAfter: () => string | undefined): Fault =>
    ({ at }) => {
      if (at >= 7000) return undefined
      const header = retryAfter()
      return failing(429, 'quota', header === undefined ? {} : { 'retry-after': header })
    }

  test.each([
    ['seconds', () => '2', 2000, 2200],
    ['a date', (now: number) => new Date(now + 2000).toUTCString(), 1000, 2200],
  ] as const)(
    'V5: Retry-After in %s: one request per window, whatever the load; all are served',
    async (_name, header, leastMs, mostMs) => {
      const world = sessionWorld({ ...ofTenMinutes, random: Math.random })
      await world.call()
      world.vault.fault = limited(() => header(world.runtime.wallClock()))
      const calls = crowd(world, 50)
      await world.runtime.advance(12_000)
      expect(calls.every(({ value }) => value === 'token-1')).toBe(true)
      const times = timesOf(world, DECRYPT).filter((at) => at > 0)
      const windows = times.filter((at) => at < 7000).map((at, nth) => at - (times[nth - 1] ?? 0))
      expect(windows.length).toBeGreaterThan(2)
      expect(Math.min(...windows)).toBeGreaterThanOrEqual(leastMs)
      expect(Math.max(...windows)).toBeLessThanOrEqual(mostMs)
    },
  )

  test.each([
    ['0', [0, 0, 0, 1000, 2000, 3000]],
    ['-5', [0, 0, 0, 1000, 2000, 3000]],
    ['soon', [0, 0, 0, 1000, 2000, 3000]],
    [undefined, [0, 0, 0, 1000, 2000, 3000]],
  ])('V5: Retry-After %s asks for nothing: the budget alone counts', async (header, expected) => {
    const world = sessionWorld(ofTenMinutes)
    await world.call()
    world.vault.fault = limited(() => header)
    const calls = crowd(world, 50)
    await world.runtime.advance(12_000)
    expect(calls.every(({ value }) => value === 'token-1')).toBe(true)
    // After the first of each, and the call before.
    expect(timesOf(world, DECRYPT).slice(51, 57)).toEqual(expected)
  })

  test.each([['31'], ['3600'], ['999999999'], ['9999999999'], ['9'.repeat(400)]])(
    'V5: a Retry-After of %s s counts for 30 s',
    async (header) => {
      const world = sessionWorld({ ...ofTenMinutes, startupWaitMs: MINUTE })
      world.vault.fault = limited(() => header)
      const calls = crowd(world, 50)
      await world.runtime.advance(29_999)
      expect(timesOf(world)).toEqual([0])
      await world.runtime.advance(1)
      expect(calls.every(({ value }) => value === 'token-1')).toBe(true)
    },
  )

  test('V5: beyond the limit of the call it fails at once, and so do later calls, without asking', async () => {
    const world = sessionWorld(ofTenMinutes)
    await world.call()
    world.vault.fault = () => failing(429, 'quota', { 'retry-after': '20' })
    for (let n = 0; n < 3; n += 1) {
      await expect(world.call()).rejects.toMatchObject({ code: 'SM_VAULT_RATE_LIMITED' })
    }
    expect(timesOf(world, DECRYPT)).toHaveLength(2)
  })

  test('V5: also where somebody was served meanwhile: who cannot wait hears why', async () => {
    const world = sessionWorld(ofTenMinutes)
    await world.call()
    let isFirst = true
    world.vault.fault = async () => {
      if (!isFirst) return failing(429, 'quota', { 'retry-after': '20' })
      isFirst = false
      await world.runtime.sleep(10)
      return undefined
    }
    const slow = watched(world.call())
    await expect(world.call()).rejects.toMatchObject({ code: 'SM_VAULT_RATE_LIMITED' })
    await world.runtime.advance(10)
    expect(slow.value).toBe('token-1')
    await expect(world.call()).rejects.toMatchObject({ code: 'SM_VAULT_RATE_LIMITED' })
    expect(timesOf(world, DECRYPT)).toHaveLength(3)
  })
})

describe('V6: a replica that lags behind', () => {
  const INDEX = { 'x-vault-index': 'the index of the login' }
  const behind = failing(412, 'required index state not present')
  const isForwarded: Fault = ({ headers }) =>
    headers['x-vault-inconsistent'] === undefined ? behind : undefined

  async function afterLogin(fault: Fault): Promise<SessionWorld> {
    const world = sessionWorld({ ...ofTenMinutes, random: () => 0.999 })
    world.vault.fault = ({ path }) =>
      path === LOGIN ? undefined : { status: 200, json: {}, headers: INDEX }
    await world.call()
    world.vault.fault = fault
    return world
  }

  test('V6: is asked again with the same index for at most 5 s, then the active node once', async () => {
    const world = await afterLogin(isForwarded)
    const call = watched(world.call())
    await world.runtime.advance(10_000)
    expect(call.value).toBe('token-1')
    const asked = world.vault.to(DECRYPT).slice(1)
    expect(new Set(asked.map(({ headers }) => headers['x-vault-index']))).toEqual(
      new Set([INDEX['x-vault-index']]),
    )
    const forwarded = asked.map(({ headers }) => headers['x-vault-inconsistent'])
    expect(forwarded.slice(0, -1).every((header) => header === undefined)).toBe(true)
    expect(forwarded.at(-1)).toBe('forward-active-node')
    expect(asked.length).toBeGreaterThan(2)
    expect(asked.at(-1)?.at).toBeLessThanOrEqual(5000)
  })

  test('V6: SM_VAULT_STALE_REPLICA where the active node does not help', async () => {
    const world = await afterLogin(() => behind)
    const call = watched(world.call())
    await world.runtime.advance(10_000)
    expect(call.error).toMatchObject({ code: 'SM_VAULT_STALE_REPLICA', status: 412 })
    const forwarded = world.vault
      .to(DECRYPT)
      .filter(({ headers }) => headers['x-vault-inconsistent'])
    expect(forwarded).toHaveLength(1)
  })

  test('V6: the token is kept, and the server counts as well', async () => {
    const world = await afterLogin(isForwarded)
    const call = watched(world.call())
    await world.runtime.advance(10_000)
    expect(call.value).toBe('token-1')
    expect(world.vault.to(LOGIN)).toHaveLength(1)
    expect(world.budget.status('vault')).toMatchObject({ state: 'ok' })
  })
})

describe('V9: a token that dies on the way', () => {
  test.each([
    ['revoked', (world: SessionWorld) => world.vault.revokeAll()],
    ['its server is ahead of us', (world: SessionWorld) => void (world.vault.aheadMs += 11_000)],
  ])('V9: %s: every call of a sequence goes through, with one login more', async (_name, kill) => {
    const world = sessionWorld()
    await world.call()
    kill(world)
    expect(await world.call()).toBe('token-2')
    expect(await world.call()).toBe('token-2')
    expect(timesOf(world, LOGIN)).toHaveLength(2)
  })

  test('V9: life counts from when the login was sent: a slow answer leaves less of it', async () => {
    const world = sessionWorld()
    world.vault.fault = async ({ path, at }) => {
      if (path === LOGIN && at === 0) await world.runtime.sleep(4000)
      return undefined
    }
    const call = watched(world.call())
    await world.runtime.advance(4000)
    expect(call.value).toBe('token-1')
    await world.runtime.advance(4999)
    expect(await world.call()).toBe('token-1')
    await world.runtime.advance(1)
    expect(await world.call()).toBe('token-2')
  })

  test('V9: one that has ended when it comes is tried by who waited for it, and by nobody else', async () => {
    const world = sessionWorld()
    world.vault.fault = async ({ path, at }) => {
      if (path === LOGIN && at === 0) await world.runtime.sleep(4900)
      return undefined
    }
    world.vault.ttlMs = 3000
    const calls = crowd(world, 3)
    await world.runtime.advance(4900)
    // The server counts from when it answers: there it is still alive.
    expect(calls.map(({ value }) => value)).toEqual(['token-1', 'token-1', 'token-1'])
    expect(await world.call()).toBe('token-2')
  })

  test('V9: nobody is told that all is closed when another asks in the moment of the grant', async () => {
    let tell: (() => void) | undefined
    const world = sessionWorld({
      ttlMs: 1,
      login: async (client, allowance) => {
        const { sentAt } = await client.exchange(allowance, { method: 'POST', path: LOGIN })
        tell?.()
        const token = `token-${world.vault.to(LOGIN).length}`
        return { token, sentAt: sentAt - 10, ttlMs: 1, type: 'batch', renewable: false }
      },
    })
    world.vault.fault = () => ({ status: 200, json: {} })
    const late: Promise<string>[] = []
    tell = () => {
      if (late.length > 20) return
      // In each of the next turns: one of them falls between grant and delivery.
      let turn = Promise.resolve()
      for (let n = 0; n < 12; n += 1) {
        turn = turn.then(() => void late.push(world.token()))
      }
    }
    expect(await world.token()).toMatch(/^token-/)
    await world.runtime.advance(0)
    expect((await Promise.all(late)).every((token) => token.startsWith('token-'))).toBe(true)
  })
})

describe('V10: leases', () => {
  test.each([[768 * HOUR], [2 ** 31 * 1000], [1e12]])(
    'V10: of %i ms: nothing is renewed for a day, and no timer is a short one',
    async (ttlMs) => {
      const world = sessionWorld({ ttlMs, type: 'service' })
      await world.call()
      for (let hour = 0; hour < 24; hour += 1) {
        await world.runtime.advance(HOUR)
        await world.call()
      }
      expect(timesOf(world, RENEW)).toEqual([])
      expect(world.runtime.timers.filter((ms) => ms < DAY)).toEqual(
        // Of who waits for the first login.
        [30_000],
      )
    },
  )

  test('V10: of 768 h, always in use: one renewal in two thirds of that', async () => {
    const world = sessionWorld({ ttlMs: 768 * HOUR, type: 'service' })
    for (let day = 0; day < 90; day += 1) {
      await world.call()
      await world.runtime.advance(DAY)
    }
    expect(timesOf(world, LOGIN)).toHaveLength(1)
    expect(timesOf(world, RENEW).length).toBe(4)
    expect(world.vault.deadUses()).toBe(0)
  })

  test.each([[0], [-1], [null], ['600'], [undefined]])(
    'V10: lease_duration %s of a renewal: a login, and no renewal more',
    async (lease_duration) => {
      const world = sessionWorld(ofTenMinutes)
      await world.call()
      world.vault.fault = ({ path }) =>
        path === RENEW
          ? { status: 200, json: { auth: { client_token: 'token-1', lease_duration } } }
          : undefined
      await world.runtime.advance(400_000)
      expect([timesOf(world, RENEW).length, timesOf(world, LOGIN).length]).toEqual([1, 2])
      expect(await world.call()).toBe('token-2')
    },
  )
})

describe('P2: the process was stopped, or the machine slept', () => {
  /** Time passes everywhere but on the monotonic clock. */
  const sleep = (world: SessionWorld, ms: number): void => {
    world.runtime.setWallClock(world.runtime.wallClock() + ms)
    world.vault.aheadMs += ms
  }

  test.each([
    ['tokens of 10 s', { ttlMs: 10_000 }, HOUR],
    ['tokens of an hour', { ttlMs: HOUR, type: 'service' }, 8 * HOUR],
  ] as const)(
    'P2: %s, sleep: a hundred callers, one login, and no use of what has ended',
    async (_name, token, ms) => {
      const world = sessionWorld(token)
      await world.call()
      sleep(world, ms)
      const calls = await Promise.all(Array.from({ length: 100 }, () => world.call()))
      expect(new Set(calls)).toEqual(new Set(['token-2']))
      expect(world.vault.deadUses()).toBe(0)
      await world.runtime.advance(10_000)
      expect(timesOf(world, LOGIN)).toHaveLength(2)
      expect(timesOf(world, RENEW)).toHaveLength(0)
    },
  )

  test('P2: SIGSTOP for longer than a life: the overdue timer rings into nothing, one login', async () => {
    const world = sessionWorld(ofTenMinutes)
    await world.call()
    // Nothing runs meanwhile: the timer is late.
    const end = world.runtime.advance(HOUR)
    await end
    const calls = await Promise.all(Array.from({ length: 100 }, () => world.call()))
    expect(new Set(calls).size).toBe(1)
    expect(timesOf(world, LOGIN).length).toBeLessThanOrEqual(2)
  })

  test('P2: past two thirds of a life: one renewal with the first call', async () => {
    const world = sessionWorld(ofTenMinutes)
    await world.call()
    sleep(world, 420_000)
    await Promise.all(Array.from({ length: 100 }, () => world.call()))
    await world.runtime.advance(1000)
    expect(timesOf(world, RENEW)).toEqual([0])
    expect(timesOf(world, LOGIN)).toHaveLength(1)
  })

  test('P2: between a login and its answer: what came is not taken for new', async () => {
    const world = sessionWorld()
    world.vault.fault = async ({ path, at }) => {
      if (path === LOGIN && at === 0) await world.runtime.sleep(1000)
      return undefined
    }
    const first = watched(world.call())
    await world.runtime.advance(500)
    world.runtime.setWallClock(world.runtime.wallClock() + HOUR)
    await world.runtime.advance(500)
    expect(first.value).toBe('token-1')
    expect(await world.call()).toBe('token-2')
  })
})

describe('C1: the wall clock is set', () => {
  test.each([
    ['an hour ahead', [HOUR], 1],
    ['an hour back', [-HOUR], 0],
    ['400 days ahead', [400 * DAY], 1],
    ['400 days back', [-400 * DAY], 0],
    ['ahead and back', [400 * DAY, -400 * DAY], 1],
    ['back and ahead', [-400 * DAY, 400 * DAY], 1],
    ['a little, as NTP does', [300, -300, 400, -400], 0],
  ] as const)('C1: %s: no call fails, at most one login more', async (_name, steps, more) => {
    const world = sessionWorld(ofTenMinutes)
    await world.call()
    for (const step of steps) {
      world.runtime.setWallClock(world.runtime.wallClock() + step)
      await world.call()
      await world.runtime.advance(1000)
    }
    expect(world.vault.deadUses()).toBe(0)
    expect(timesOf(world, LOGIN)).toHaveLength(1 + more)
    await world.runtime.advance(30_000)
    expect(await world.call()).toMatch(/token/)
    expect(timesOf(world, LOGIN)).toHaveLength(1 + more)
  })

  test('C1: set back in the life of a token it does not prolong it', async () => {
    const world = sessionWorld()
    await world.call()
    await world.runtime.advance(5000)
    world.runtime.setWallClock(world.runtime.wallClock() - 400 * DAY)
    expect(await world.call()).toBe('token-1')
    await world.runtime.advance(4000)
    expect(await world.call()).toBe('token-2')
    expect(world.vault.deadUses()).toBe(0)
  })
})

describe('I13: an outage with 500 calls waiting', () => {
  test.each([
    ['for the first token', false],
    ['with a live token', true],
  ])(
    'I13: %s: burst 3, then one request per second; all go on when one is served',
    async (_name, isLive) => {
      const world = sessionWorld({ ...ofTenMinutes, startupWaitMs: 15_000 })
      if (isLive) await world.call()
      world.vault.fault = down
      // Vault is known to be down before the crowd comes.
      const first = watched(world.call())
      await world.runtime.advance(0)
      const calls = crowd(world, 500)
      await world.runtime.advance(10_500)
      const times = timesOf(world).filter((_at, nth) => nth >= (isLive ? 2 : 0))
      expect(times.length).toBeGreaterThanOrEqual(10)
      expect(times.length).toBeLessThanOrEqual(1 + 3 + 10 + 1)
      expect(mostWithin(times, 1000)).toBeLessThanOrEqual(1 + 3 + 1)
      expect(calls.every(({ value, error }) => value === undefined && error === undefined)).toBe(
        true,
      )
      world.vault.fault = () => undefined
      await world.runtime.advance(1000)
      expect([first, ...calls].every(({ value }) => value === 'token-1')).toBe(true)
    },
  )

  test('I13: those whose time ends fail with what the backend failed with last', async () => {
    const world = sessionWorld(ofTenMinutes)
    await world.call()
    world.vault.fault = () => failing(500)
    watched(world.call())
    await world.runtime.advance(0)
    const calls = crowd(world, 100)
    await world.runtime.advance(7000)
    world.vault.fault = down
    await world.runtime.advance(7999)
    expect(calls.some(({ value }) => value !== undefined)).toBe(false)
    await world.runtime.advance(1)
    const codes = calls.map(({ error }) => isSecretManagerError(error) && error.code)
    expect(codes.includes(false)).toBe(false)
    expect(codes.filter((code) => code === 'SM_VAULT_SEALED').length).toBeGreaterThan(50)
  })

  test('I13: callers that give up leave their turns to others', async () => {
    const world = sessionWorld({ ...ofTenMinutes, startupWaitMs: 10 * MINUTE })
    world.vault.fault = down
    const gone = new AbortController()
    for (let n = 0; n < 500; n += 1) watched(world.call(gone.signal))
    await world.runtime.advance(5000)
    gone.abort()
    world.vault.fault = () => undefined
    const call = watched(world.call())
    await world.runtime.advance(2000)
    expect(call.value).toBe('token-1')
  })

  test('I13: an outage that comes again does not find its budget spent by the first', async () => {
    const world = sessionWorld(ofTenMinutes)
    await world.call()
    world.vault.fault = down
    const first = crowd(world, 500)
    await world.runtime.advance(5000)
    world.vault.fault = () => undefined
    await world.runtime.advance(2000)
    expect(first.filter(({ value }) => value === 'token-1')).toHaveLength(500)
    world.vault.fault = down
    const second = crowd(world, 10)
    await world.runtime.advance(3000)
    world.vault.fault = () => undefined
    await world.runtime.advance(2000)
    expect(second.filter(({ value }) => value === 'token-1')).toHaveLength(10)
  })

  test('rule 2, I13: what fails while all else is served is no hot loop', async () => {
    const world = sessionWorld({ ...ofTenMinutes, random: () => 0.5 })
    await world.call()
    world.vault.fault = ({ path }) => (path === 'transit/decrypt/bad' ? failing(500) : undefined)
    const allowance = world.budget.begin()
    const request = { method: 'POST', path: 'transit/decrypt/bad', body: {} } as const
    const bad = watched(world.client.request(allowance, request))
    let going = true
    const others = (async () => {
      while (going) {
        await world.runtime.sleep(20)
        await world.call().catch(() => undefined)
      }
    })()
    await world.runtime.advance(16_000)
    going = false
    await world.runtime.advance(2000)
    await others
    expect(bad.error).toMatchObject({ code: 'SM_VAULT_5XX' })
    const times = timesOf(world, 'transit/decrypt/bad')
    expect(times.length).toBeLessThanOrEqual(30)
    expect(mostWithin(times, 1000)).toBeLessThanOrEqual(5)
  })
})

describe('who joins a login has a time of their own', () => {
  test('from 27 s of a start of 30 s: not ended at 30 s, but served when Vault is there', async () => {
    const world = sessionWorld(ofTenMinutes)
    world.vault.fault = down
    const first = watched(world.call())
    await world.runtime.advance(27_000)
    const second = watched(world.call())
    await world.runtime.advance(5000)
    expect(first.error).toMatchObject({ code: 'SM_VAULT_SEALED' })
    expect(second.error).toBeUndefined()
    world.vault.fault = () => undefined
    await world.runtime.advance(2000)
    expect(second.value).toBe('token-1')
  })

  test('also who started it: a login gets less time when somebody else was served meanwhile', async () => {
    const world = sessionWorld({ ttlMs: 10_000 })
    world.vault.fault = ({ path, at }) => (path === LOGIN && at < 20_000 ? failing(500) : undefined)
    const allowance = world.budget.begin()
    world.budget.started()
    const token = watched(
      world.session.use(allowance, 'transit/decrypt/app', (live) => Promise.resolve(live)),
    )
    await world.runtime.advance(22_000)
    expect(token.value).toBe('token-1')
  })

  test('and no more than that: it ends at its own limit, with the reason', async () => {
    const world = sessionWorld(ofTenMinutes)
    world.vault.fault = down
    for (const at of [0, 27_000, 28_000]) {
      await world.runtime.advance(at - world.runtime.now())
      watched(world.call())
    }
    const own = watched(world.call())
    await world.runtime.advance(29_000)
    expect(own.error).toBeUndefined()
    await world.runtime.advance(1001)
    expect(own.error).toMatchObject({ code: 'SM_VAULT_SEALED' })
  })

  test('what failed for another reason than time fails for all who waited, once', async () => {
    const world = sessionWorld()
    world.vault.fault = () => ({ status: 200, headers: { 'content-type': 'text/html' }, json: {} })
    const calls = crowd(world, 50)
    await world.runtime.advance(3000)
    const codes = calls.map(({ error }) => isSecretManagerError(error) && error.code)
    expect(new Set(codes)).toEqual(new Set(['SM_VAULT_BAD_RESPONSE']))
    expect(timesOf(world)).toHaveLength(2)
  })
})

describe('Q4: every schedule of faults', () => {
  const FAULTS: Readonly<Record<string, (world: SessionWorld) => Fault>> = {
    sealed: () => down,
    broken: () => () => failing(500),
    limited: () => () => failing(429, 'quota', { 'retry-after': '3' }),
    unreachable: () => () => Promise.reject(new TransportFailure('unreachable', 'nobody listens')),
    silent:
      (world) =>
      async (_seen, { timeoutMs, signal }) => {
        await world.runtime.sleep(timeoutMs, signal)
        throw new TransportFailure(signal?.aborted ? 'aborted' : 'timeout', 'no answer')
      },
    nonsense: () => (): Answered => ({ status: 200, headers: { 'content-type': 'text/html' } }),
    noLogin:
      () =>
      ({ path }) =>
        path === LOGIN ? failing(403) : undefined,
    noRenewal:
      () =>
      ({ path }) =>
        path === RENEW ? failing(500) : undefined,
    forgetful: (world) => () => {
      world.vault.revokeAll()
      return undefined
    },
    behind:
      () =>
      ({ path }) =>
        path === DECRYPT ? failing(412) : undefined,
  }
  const OUTAGES: ReadonlySet<string> = new Set(['sealed', 'broken', 'limited', 'unreachable'])
  const schedule = fc.array(
    fc.record({
      kind: fc.constantFrom(...Object.keys(FAULTS)),
      faultMs: fc.integer({ min: 100, max: 40_000 }),
      healthyMs: fc.integer({ min: 0, max: 20_000 }),
    }),
    { minLength: 1, maxLength: 8 },
  )
  const token = fc.constantFrom(
    { ttlMs: 2000, type: 'batch' } as const,
    { ttlMs: 10_000, type: 'batch' } as const,
    { ttlMs: 70_000, type: 'service' } as const,
    { ttlMs: HOUR, type: 'service' } as const,
  )

  test('Q4, I13: the rate stays within the budget, and a minute after the last fault all is well', async () => {
    await fc.assert(
      fc.asyncProperty(
        schedule,
        token,
        fc.integer({ min: 1, max: 20 }),
        async (faults, life, load) => {
          const world = sessionWorld({ ...life, random: seeded(load) })
          const calls: ReturnType<typeof watched<string>>[] = []
          const use = async (ms: number): Promise<void> => {
            for (let passed = 0; passed < ms; passed += 500) {
              if (calls.filter(({ value, error }) => !(value ?? error)).length < load)
                calls.push(watched(world.call()))
              await world.runtime.advance(Math.min(500, ms - passed))
            }
          }
          await use(1000)
          for (const { kind, faultMs, healthyMs } of faults) {
            world.vault.fault = FAULTS[kind]?.(world) ?? (() => undefined)
            const from = world.runtime.now()
            await use(faultMs)
            if (OUTAGES.has(kind)) expectBudget(timesOf(world), from, world.runtime.now(), load)
            world.vault.fault = () => undefined
            await use(healthyMs)
          }
          await world.runtime.advance(MINUTE)
          expect(
            calls.every(({ value, error }) => value !== undefined || isSecretManagerError(error)),
          ).toBe(true)
          const last = crowd(world, load)
          await world.runtime.advance(0)
          expect(last.every(({ value }) => value !== undefined)).toBe(true)
          expect(world.budget.status('vault')).toMatchObject({ state: 'ok', nextAttemptInMs: 0 })
          await world.close()
          expect(world.runtime.pending()).toBe(0)
        },
      ),
      { numRuns: 40 },
    )
  })

  /** In an outage: what was under way when it began, the burst, and one per second. */
  function expectBudget(times: readonly number[], from: number, to: number, load: number): void {
    const during = times.filter((at) => at > from && at <= to)
    expect(during.length).toBeLessThanOrEqual(load + 3 + Math.ceil((to - from) / 1000))
    expect(mostWithin(during, 1000)).toBeLessThanOrEqual(load + 3 + 1)
  }

  function seeded(seed: number): () => number {
    let state = seed / 21
    return () => (state = (state * 997 + 0.618) % 1)
  }
})
