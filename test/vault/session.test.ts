import { describe, expect, onTestFinished, test, vi } from 'vitest'

import { SecretManagerError } from '../../src/errors.ts'
import { TransportFailure } from '../../src/runtime.ts'
import type { Login, VaultAuth } from '../../src/vault/login.ts'
import type { Answered } from '../faults/in-process.ts'
import {
  DECRYPT,
  failing,
  LOGIN,
  mostWithin,
  RENEW,
  REVOKE,
  sessionWorld,
  watched,
  type Fault,
  type SessionWorld,
} from './session-world.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const ofTenMinutes = { ttlMs: 10 * MINUTE, type: 'service' } as const

/** Answers requests to one path so, and serves all others. */
const only =
  (path: string, fault: Fault): Fault =>
  (seen, request) =>
    seen.path === path ? fault(seen, request) : undefined

const refused: Fault = () => Promise.reject(new TransportFailure('unreachable', 'nobody listens'))

/** Calls every `everyMs`; but for the first none has to wait for a token. */
async function inUse(world: SessionWorld, ms: number, everyMs: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += everyMs) {
    if (passed > 0) expect(world.session.status().state).toBe('live')
    await world.call()
    await world.runtime.advance(everyMs)
  }
}

describe('rule 1: a token that is still good is kept, whatever its renewal meets', () => {
  const timeout = async (world: SessionWorld, ms: number): Promise<Answered> => {
    await world.runtime.sleep(ms)
    throw new TransportFailure('timeout', 'no answer')
  }
  test.each([
    ['503 sealed', () => failing(503, 'Vault is sealed')],
    ['500', () => failing(500)],
    ['502', () => failing(502)],
    ['429', () => failing(429)],
    ['501', () => failing(501)],
    ['a page in HTML', () => ({ status: 200, headers: { 'content-type': 'text/html' } })],
    ['a refused connection', refused],
  ] as readonly (readonly [string, Fault])[])('rule 1, V11: %s', async (_name, fault) => {
    const world = sessionWorld(ofTenMinutes)
    await world.call()
    world.vault.fault = (seen, request) =>
      seen.path === DECRYPT ? undefined : fault(seen, request)
    await world.runtime.advance(539_000)
    expect(await world.token()).toBe('token-1')
    expect(world.vault.to(RENEW).length).toBeGreaterThan(0)
    expect(world.session.status()).toMatchObject({ state: 'live', logins: 1 })
    expect(world.session.status().trouble).toBeDefined()
  })

  test('rule 1, V11: no answer at all', async () => {
    const world = sessionWorld(ofTenMinutes)
    await world.call()
    world.vault.fault = only(RENEW, (_seen, { timeoutMs }) => timeout(world, timeoutMs))
    await world.runtime.advance(425_000)
    expect(await world.token()).toBe('token-1')
    expect(world.session.status().trouble?.code).toBe('SM_VAULT_TIMEOUT')
  })

  test.each([[400], [403]])(
    'rule 1, V11: only %i means that a login is next, at once',
    async (status) => {
      const world = sessionWorld(ofTenMinutes)
      await world.call()
      world.vault.fault = only(RENEW, () => failing(status))
      await world.runtime.advance(400_000)
      expect(world.vault.to(RENEW)).toHaveLength(1)
      expect(world.vault.to(LOGIN).map(({ at }) => at)).toEqual([0, 400_000])
      expect(await world.call()).toBe('token-2')
    },
  )
})

describe('rule 2: every failure waits, and the wait is slept', () => {
  test.each([
    ['Vault is down', () => failing(503)],
    ['Vault denies', () => failing(403)],
    ['Vault answers with nonsense', () => ({ status: 200, json: {} })],
  ] as readonly (readonly [string, Fault])[])(
    'rule 2, I13: %s from the first renewal to the end of the token: no hot loop',
    async (_name, fault) => {
      const world = sessionWorld({ ...ofTenMinutes, random: () => 0.5 })
      await world.call()
      world.vault.fault = fault
      await world.runtime.advance(10 * MINUTE)
      const times = world.vault.seen.map(({ at }) => at).filter((at) => at > 0)
      expect(times.length).toBeGreaterThan(1)
      expect(mostWithin(times, 1000)).toBeLessThanOrEqual(4)
      expect(times.length).toBeLessThanOrEqual(140 + 3)
    },
  )

  test('rule 2: between two renewals that fail the clock moves on, more each time', async () => {
    const world = sessionWorld({ ttlMs: HOUR, type: 'service', random: () => 0.999 })
    await world.call()
    world.vault.fault = only(RENEW, () => failing(501))
    const timers = world.runtime.timers.length
    await world.runtime.advance(50 * MINUTE)
    const waits = world.runtime.timers.slice(timers)
    expect(waits.every((ms) => ms >= 1000)).toBe(true)
  })
})

describe('rule 3: the login under way is forgotten when it ends, and only that one', () => {
  test('rule 3: after one that failed the next call logs in anew', async () => {
    const world = sessionWorld()
    world.vault.fault = only(LOGIN, () => failing(403))
    await expect(world.call()).rejects.toMatchObject({ code: 'SM_VAULT_DENIED' })
    world.vault.fault = () => undefined
    expect(await world.call()).toBe('token-1')
  })

  test('rule 3: who comes the moment it failed starts one, and later callers join that', async () => {
    const held: { resolve: (auth: VaultAuth) => void; reject: (error: unknown) => void }[] = []
    const login: Login = () =>
      new Promise((resolve, reject) => {
        held.push({ resolve, reject })
      })
    const world = sessionWorld({ login })
    const first = world.call()
    await world.runtime.advance(0)
    const second = first.catch(() => world.call())
    held[0]?.reject(new SecretManagerError('SM_AUTH_DENIED', 'denied'))
    await world.runtime.advance(0)
    const third = world.call()
    await world.runtime.advance(0)
    expect(held).toHaveLength(2)
    const life = { sentAt: 0, ttlMs: 10_000, type: 'given', renewable: false } as const
    world.vault.fault = () => ({ status: 200, json: {} })
    held[1]?.resolve({ token: 'new', ...life })
    expect(await Promise.all([second, third])).toEqual(['new', 'new'])
  })
})

describe('rule 4: what fails in the background is seen in the status, and nowhere else', () => {
  test.each([
    ['a server that fails', () => failing(500)],
    ['an error of this program', () => Promise.reject(new RangeError('a bug'))],
  ] as readonly (readonly [string, Fault])[])('rule 4, P4: %s', async (_name, fault) => {
    const unhandled = vi.fn<(reason: unknown) => void>()
    process.on('unhandledRejection', unhandled)
    onTestFinished(() => void process.off('unhandledRejection', unhandled))
    const world = sessionWorld(ofTenMinutes)
    await world.call()
    world.vault.fault = only(RENEW, fault)
    await world.runtime.advance(530_000)
    expect(world.vault.to(RENEW).length).toBeGreaterThan(0)
    expect(await world.call()).toMatch(/token-[12]/)
    expect(unhandled).not.toHaveBeenCalled()
  })

  test('rule 4, P4: a login function that throws costs neither token nor session', async () => {
    let good = true
    const login: Login = async (client, allowance) => {
      if (!good) throw new TypeError('a bug of the user')
      const { sentAt } = await client.exchange(allowance, { method: 'POST', path: LOGIN })
      const token = `token-${world.vault.to(LOGIN).length}`
      return { token, sentAt, ttlMs: 10 * MINUTE, type: 'batch', renewable: false }
    }
    const world = sessionWorld({ login, ttlMs: 10 * MINUTE })
    await world.call()
    good = false
    await world.runtime.advance(500_000)
    expect(await world.call()).toBe('token-1')
    await world.runtime.advance(100_000)
    await expect(world.call()).rejects.toThrow(TypeError)
    good = true
    expect(await world.call()).toBe('token-2')
  })
})

describe('rule 5: thresholds are shares of a life', () => {
  test.each([
    [10_000, 9000],
    [MINUTE, 54_000],
    [3000, 2000],
    [2000, 1000],
    [1000, 500],
  ])('rule 5, V9: a token of %i ms serves for %i ms', async (ttlMs, usableMs) => {
    const { call, runtime } = sessionWorld({ ttlMs })
    await call()
    await runtime.advance(usableMs - 1)
    expect(await call()).toBe('token-1')
    await runtime.advance(1)
    expect(await call()).toBe('token-2')
  })

  test.each([
    [61_000, 40_667],
    [10 * MINUTE, 400_000],
    [HOUR, 40 * MINUTE],
    [768 * HOUR, 512 * HOUR],
  ])('rule 5: a token of %i ms is renewed after %i ms', async (ttlMs, dueMs) => {
    const { call, runtime, vault } = sessionWorld({ ttlMs, type: 'service' })
    await call()
    await runtime.advance(dueMs - 1)
    expect(vault.to(RENEW)).toHaveLength(0)
    await runtime.advance(2)
    expect(vault.to(RENEW)).toHaveLength(1)
  })
})

describe('rule 6: no demand, no timer', () => {
  test('rule 6: nothing happens before the first call', async () => {
    const { runtime, vault } = sessionWorld(ofTenMinutes)
    await runtime.advance(HOUR)
    expect([runtime.timers, vault.seen]).toEqual([[], []])
  })

  test('rule 6: a token that nobody uses after a renewal is left to its end', async () => {
    const { call, runtime, vault } = sessionWorld(ofTenMinutes)
    await call()
    await runtime.advance(24 * HOUR)
    expect(vault.to(RENEW)).toHaveLength(1)
    expect(vault.to(LOGIN)).toHaveLength(1)
    expect(runtime.pending()).toBe(0)
  })

  test('rule 6: tokens of 10 s cost a service that is idle nothing, for hours', async () => {
    const { call, runtime, vault } = sessionWorld({ ttlMs: 10_000, type: 'service' })
    await call()
    expect(runtime.pending()).toBe(0)
    await runtime.advance(HOUR)
    expect(vault.seen.map(({ path }) => path)).toEqual([LOGIN, DECRYPT])
  })
})

describe('rule 7: a login takes the place of a token that cannot be renewed, before its end', () => {
  test.each([
    ['its max TTL comes near', { type: 'service', maxTtlMs: 25 * MINUTE }],
    ['it is a batch token', { type: 'batch' }],
  ] as const)('rule 7: %s', async (_name, more) => {
    const world = sessionWorld(ofTenMinutes)
    Object.assign(world.vault, more)
    await inUse(world, 2 * HOUR, 7000)
    expect(world.vault.deadUses()).toBe(0)
    expect(world.session.status().logins).toBeGreaterThan(4)
    expect(world.session.status().logins).toBeLessThan(20)
  })
})

describe('rule 8: close', () => {
  test('rule 8: revokes, once, however often it is called, and ends the timer', async () => {
    const world = sessionWorld(ofTenMinutes)
    await world.call()
    expect(world.runtime.pending()).toBe(1)
    await Promise.all([world.close(), world.close()])
    await world.close()
    expect(world.vault.to(REVOKE)).toHaveLength(1)
    expect(world.runtime.pending()).toBe(0)
  })

  test.each([
    ['service', 61_000, 1],
    ['service', 60_000, 0],
    ['batch', HOUR, 0],
  ] as const)('rule 8: of a %s token of %i ms revokes %i', async (type, ttlMs, revoked) => {
    const world = sessionWorld({ type, ttlMs })
    await world.call()
    await world.close()
    expect(world.vault.to(REVOKE)).toHaveLength(revoked)
  })

  test('rule 8: never fails, and does not insist', async () => {
    const world = sessionWorld(ofTenMinutes)
    await world.call()
    world.vault.fault = () => failing(500)
    await expect(world.close()).resolves.toBeUndefined()
    expect(world.vault.to(REVOKE)).toHaveLength(1)
  })

  test.each([
    ['a login', LOGIN, 0],
    ['a renewal', RENEW, 400_000],
  ])('rule 8, I20: ends %s under way; nothing is left of it', async (_name, path, at) => {
    const world = sessionWorld(ofTenMinutes)
    if (at > 0) await world.call()
    world.vault.fault = only(path, async (_seen, { signal, timeoutMs }) => {
      await world.runtime.sleep(timeoutMs, signal)
      throw new TransportFailure('aborted', 'the call was aborted')
    })
    const call = watched(world.call())
    await world.runtime.advance(at)
    expect(world.runtime.pending()).toBeGreaterThan(0)
    await world.close()
    await world.runtime.advance(0)
    expect(world.runtime.pending()).toBe(0)
    if (at === 0) expect(call.error).toBeInstanceOf(SecretManagerError)
    const requests = world.vault.seen.length
    await world.runtime.advance(HOUR)
    expect(world.vault.seen).toHaveLength(requests)
  })

  test('rule 8: there is no token afterwards', async () => {
    const world = sessionWorld(ofTenMinutes)
    await world.call()
    await world.session.close(world.budget.last())
    await expect(world.call()).rejects.toMatchObject({ code: 'SM_CLOSED' })
    expect(world.vault.to(LOGIN)).toHaveLength(1)
  })
})

describe('rule 9: N callers, one login', () => {
  test.each([[2], [1000]])('rule 9: of %i', async (callers) => {
    const world = sessionWorld()
    const tokens = await Promise.all(Array.from({ length: callers }, () => world.call()))
    expect(new Set(tokens)).toEqual(new Set(['token-1']))
    expect(world.vault.to(LOGIN)).toHaveLength(1)
  })

  test('rule 9: who started it gives up: the others still get their token', async () => {
    const world = sessionWorld()
    const caller = new AbortController()
    world.vault.fault = only(LOGIN, async () => {
      await world.runtime.sleep(1000)
      return undefined
    })
    const first = watched(world.call(caller.signal))
    const second = watched(world.call())
    await world.runtime.advance(500)
    caller.abort()
    await world.runtime.advance(500)
    expect(first.error).toMatchObject({ code: 'SM_ABORTED' })
    expect(second.value).toBe('token-1')
  })
})

describe('rule 10: a token that is refused', () => {
  test('rule 10, V7: one login, one replay', async () => {
    const world = sessionWorld(ofTenMinutes)
    await world.call()
    world.vault.revokeAll()
    expect(await world.call()).toBe('token-2')
    expect(world.vault.to(DECRYPT).map(({ token }) => token)).toEqual([
      ...['token-1', 'token-1', 'token-2'],
    ])
  })

  test('rule 10, V7: refused again is denied, and the new token is kept', async () => {
    const world = sessionWorld(ofTenMinutes)
    world.vault.fault = only(DECRYPT, () => failing(403))
    await expect(world.call()).rejects.toMatchObject({ code: 'SM_VAULT_DENIED' })
    expect(world.vault.to(DECRYPT)).toHaveLength(2)
    world.vault.fault = () => undefined
    expect(await world.call()).toBe('token-2')
  })

  test('rule 10, V7: of a thousand calls that meet it, one logs in, and none waits', async () => {
    const world = sessionWorld(ofTenMinutes)
    await world.call()
    world.vault.revokeAll()
    const all = await Promise.all(Array.from({ length: 1000 }, () => world.call()))
    expect(new Set(all)).toEqual(new Set(['token-2']))
    expect(world.runtime.sleeps).toEqual([])
  })

  test('rule 10, V7: a late 403 of an old token does not cost the new one', async () => {
    const world = sessionWorld(ofTenMinutes)
    await world.call()
    let isFirst = true
    world.vault.fault = only(DECRYPT, async () => {
      if (!isFirst) return undefined
      isFirst = false
      await world.runtime.sleep(5000)
      return failing(403)
    })
    const slow = watched(world.call())
    await world.runtime.advance(1)
    world.vault.revokeAll()
    expect(await world.call()).toBe('token-2')
    await world.runtime.advance(5000)
    expect(slow.value).toBe('token-2')
    expect(world.vault.to(LOGIN)).toHaveLength(2)
  })

  test('rule 10, I13: a policy that is missing costs one login per minute, not one per call', async () => {
    const world = sessionWorld(ofTenMinutes)
    world.vault.fault = only(DECRYPT, () => failing(403))
    for (let second = 0; second < 180; second += 1) {
      await expect(world.call()).rejects.toMatchObject({ code: 'SM_VAULT_DENIED' })
      await world.runtime.advance(1000)
    }
    expect(world.vault.to(LOGIN)).toHaveLength(1 + 3)
  })

  test('rule 10: a policy that is granted again counts at once', async () => {
    const world = sessionWorld(ofTenMinutes)
    world.vault.fault = only(DECRYPT, () => failing(403))
    await expect(world.call()).rejects.toMatchObject({ code: 'SM_VAULT_DENIED' })
    world.vault.fault = () => undefined
    expect(await world.call()).toBe('token-2')
    world.vault.revokeAll()
    expect(await world.call()).toBe('token-3')
  })

  test('rule 10: another failure does not cost the token', async () => {
    const world = sessionWorld(ofTenMinutes)
    await world.call()
    world.vault.fault = only(DECRYPT, () => failing(404))
    await expect(world.call()).rejects.toMatchObject({ code: 'SM_VAULT_NOT_FOUND' })
    world.vault.fault = () => undefined
    expect(await world.call()).toBe('token-1')
  })
})

describe('status', () => {
  test('tells method, life and counts, and no token', async () => {
    const world = sessionWorld(ofTenMinutes)
    const { status } = { status: () => world.session.status() }
    const none = { method: 'kubernetes', state: 'none', tokenType: undefined, logins: 0 }
    expect(status()).toMatchObject({ ...none, expiresInMs: undefined, trouble: undefined })
    await world.call()
    await world.runtime.advance(400_000)
    expect(status()).toMatchObject({ state: 'live', tokenType: 'service', renewals: 1, logins: 1 })
    await world.runtime.advance(60_000)
    expect(status().expiresInMs).toBe(540_000)
    expect(JSON.stringify(status())).not.toContain('token-1')
  })

  test('tells why the last login failed, until one succeeds', async () => {
    const world = sessionWorld()
    world.vault.fault = only(LOGIN, () => failing(403))
    await expect(world.call()).rejects.toThrow('denied')
    await world.runtime.advance(2500)
    const trouble = { code: 'SM_VAULT_DENIED', agoMs: 2500 }
    expect(world.session.status()).toMatchObject({ state: 'none', logins: 0, trouble })
    world.vault.fault = () => undefined
    await world.call()
    expect(world.session.status().trouble).toBeUndefined()
  })
})

describe('a login that fails', () => {
  test('V8: three more at once, then one per second', async () => {
    const world = sessionWorld()
    world.vault.fault = only(LOGIN, () => failing(403))
    const attempts = (async () => {
      for (let n = 0; n < 7; n += 1) await world.call().catch(() => undefined)
    })()
    await world.runtime.advance(10_000)
    await attempts
    expect(world.vault.to(LOGIN).map(({ at }) => at)).toEqual([0, 0, 0, 0, 1000, 2000, 3000])
  })

  test('V8: its message does not grow with every attempt that is not made', async () => {
    const world = sessionWorld({ startupWaitMs: 15_000 })
    world.vault.fault = only(LOGIN, () => failing(429, 'slow down', { 'retry-after': '60' }))
    for (let n = 0; n < 20; n += 1) await world.call().catch(() => undefined)
    const error: unknown = await world.call().catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'SM_VAULT_RATE_LIMITED' })
    expect(String(error).match(/not asked again/g)).toHaveLength(1)
    expect(world.vault.to(LOGIN)).toHaveLength(1)
  })

  test('a success ends the restraint', async () => {
    const world = sessionWorld({ ttlMs: 1 })
    world.vault.fault = only(LOGIN, () => failing(403))
    await expect(world.call()).rejects.toThrow('denied')
    world.vault.fault = only(DECRYPT, () => ({ status: 200, json: {} }))
    for (let n = 0; n < 10; n += 1) {
      await world.call()
      await world.runtime.advance(1)
    }
    expect(world.runtime.sleeps).toEqual([])
  })
})
