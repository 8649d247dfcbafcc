import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import {
  next,
  NO_TOKEN,
  type Grant,
  type SessionEvent,
  type SessionState,
  type SessionStep,
} from '../../src/vault/session-state.ts'
import { actions, converge, machine, TTLS } from './session-model.ts'

function grant(more: Partial<Grant> = {}): Grant {
  const usual = { token: 'a', type: 'service', renewable: true, sentAt: 0, random: 0 } as const
  return { ...usual, ttlMs: 600_000, ...more }
}

const loggedIn = (more: Partial<Grant> = {}): SessionEvent => ({
  kind: 'granted',
  work: 'login',
  grant: grant(more),
})
const renewed = (more: Partial<Grant> = {}): SessionEvent => ({
  kind: 'granted',
  work: 'renewal',
  token: more.token ?? 'a',
  grant: grant(more),
})
const loginFailed = (denied: boolean, random = 0): SessionEvent => ({
  kind: 'failed',
  work: 'login',
  denied,
  random,
})
const renewalFailed = (denied: boolean, token = 'a', random = 0): SessionEvent => ({
  kind: 'failed',
  work: 'renewal',
  token,
  denied,
  random,
})
const WANTED: SessionEvent = { kind: 'wanted' }
const DUE: SessionEvent = { kind: 'due' }
const CLOSED: SessionEvent = { kind: 'closed' }
const REFUSED: SessionEvent = { kind: 'refused', token: 'a' }

/** The state and effect after events, each at its time. */
function after(...events: readonly (readonly [now: number, event: SessionEvent])[]): SessionStep {
  let step: SessionStep = { state: NO_TOKEN, effect: { kind: 'none' } }
  for (const [now, event] of events) step = next(step.state, event, now)
  return step
}

/** A service token of ten minutes that was got at 0, for somebody. */
const LIVE: SessionState = after([0, WANTED], [0, loggedIn()]).state
/** The same while it is renewed. */
const RENEWING: SessionState = next(LIVE, DUE, 400_000).state
/** A batch token of ten minutes while a login replaces it. */
const REPLACING: SessionState = after(
  [0, WANTED],
  [0, loggedIn({ type: 'batch', renewable: false })],
  [400_000, DUE],
).state

describe('a token', () => {
  test.each([
    ['2 764 800 000', 2_764_800_000, 2_488_320_000],
    ['600 000', 600_000, 540_000],
    ['10 000', 10_000, 9000],
    ['3000', 3000, 2000],
    ['2000', 2000, 1000],
    ['1999', 1999, 999.5],
    ['1', 1, 0.5],
  ])('of %s ms serves until shortly before its end', (_name, ttlMs, usableMs) => {
    const { state } = after([5, WANTED], [7, loggedIn({ ttlMs, sentAt: 5 })])
    expect(state.token).toMatchObject({ expiresAt: 5 + ttlMs, usableUntil: 5 + usableMs })
    expect(next(state, WANTED, 5 + usableMs - 0.001).state.token?.value).toBe('a')
    expect(next(state, WANTED, 5 + usableMs).effect).toEqual({ kind: 'login' })
  })

  test.each([
    ['a service token: two thirds', {}, 400_000],
    ['with jitter', { random: 0.9999 }, 360_004],
    ['a batch token alike', { type: 'batch', renewable: false }, 400_000],
    ['of a minute: never', { ttlMs: 60_000 }, Infinity],
    ['of a little more', { ttlMs: 60_001 }, 40_000.67],
    ['whose life nobody knows: never', { ttlMs: Infinity, type: 'given' }, Infinity],
  ] as const)('is due for replacement: %s', (_name, more, refreshAt) => {
    const { token } = after([0, WANTED], [0, loggedIn(more)]).state
    if (refreshAt === Infinity) expect(token?.refreshAt).toBe(Infinity)
    else expect(token?.refreshAt).toBeCloseTo(refreshAt, 0)
  })

  test('that nobody knows the life of serves for ever', () => {
    const { state } = after([0, WANTED], [0, loggedIn({ ttlMs: Infinity, type: 'given' })])
    expect(next(state, WANTED, 1e15)).toEqual({ state, effect: { kind: 'none' } })
  })
})

interface Row {
  readonly state: SessionState
  readonly event: SessionEvent
  readonly now: number
  readonly effect: SessionStep['effect']
  /** What the state then has, among others. */
  readonly leaves: Partial<Record<keyof SessionState, unknown>>
}

const NONE = { kind: 'none' } as const
const LOGIN = { kind: 'login' } as const
const idle = { work: undefined }
const none = { token: undefined, wakeAt: undefined }

const TRANSITIONS: Readonly<Record<string, Row>> = {
  'wanted without a token: login': {
    ...{ state: NO_TOKEN, event: WANTED, now: 0, effect: LOGIN },
    leaves: { work: 'login', ...none },
  },
  'wanted while a login is under way: joined': {
    ...{ state: after([0, WANTED]).state, event: WANTED, now: 5, effect: NONE },
    leaves: { work: 'login' },
  },
  'wanted with a live one: nothing': {
    ...{ state: LIVE, event: WANTED, now: 1, effect: NONE, leaves: { wakeAt: 400_000 } },
  },
  'wanted after a grant that nobody waited for: a timer': {
    ...{ state: { ...LIVE, wakeAt: undefined }, event: WANTED, now: 1 },
    effect: { kind: 'wake', at: 400_000 },
    leaves: { wakeAt: 400_000 },
  },
  'wanted when a renewal is overdue: at once': {
    ...{ state: { ...LIVE, wakeAt: undefined }, event: WANTED, now: 400_000 },
    effect: { kind: 'renew', token: 'a' },
    leaves: { work: 'renewal' },
  },
  'wanted when the timer is overdue, as the machine slept: at once': {
    ...{ state: LIVE, event: WANTED, now: 450_000, effect: { kind: 'renew', token: 'a' } },
    leaves: { work: 'renewal' },
  },
  'wanted after its end: login': {
    ...{
      state: LIVE,
      event: WANTED,
      now: 540_000,
      effect: LOGIN,
      leaves: { work: 'login', ...none },
    },
  },
  'wanted after its end, while it is renewed: login': {
    ...{ state: RENEWING, event: WANTED, now: 540_000, effect: LOGIN },
    leaves: { work: 'login', ...none },
  },
  'wanted after its end, while it is replaced: joined': {
    ...{ state: REPLACING, event: WANTED, now: 540_000, effect: NONE },
    leaves: { work: 'login', ...none },
  },
  'due: a renewal': {
    ...{ state: LIVE, event: DUE, now: 400_000, effect: { kind: 'renew', token: 'a' } },
    leaves: { work: 'renewal', token: LIVE.token },
  },
  'due, but it cannot be renewed: a login, while it serves on': {
    ...{ state: after([0, WANTED], [0, loggedIn({ renewable: false })]).state },
    ...{ event: DUE, now: 400_000, effect: LOGIN, leaves: { work: 'login' } },
  },
  'due too early: the timer again': {
    ...{ state: LIVE, event: DUE, now: 399_000, effect: { kind: 'wake', at: 400_000 } },
    leaves: { wakeAt: 400_000 },
  },
  'due after its end: nothing, as nobody asks': {
    ...{ state: LIVE, event: DUE, now: 540_000, effect: NONE, leaves: { ...idle } },
  },
  'due for a token of before: nothing': {
    ...{ state: { ...LIVE, wakeAt: undefined }, event: DUE, now: 1, effect: NONE },
    leaves: { wakeAt: undefined },
  },
  'a login that nobody waited for: no timer': {
    ...{ state: REPLACING, event: loggedIn({ token: 'b', sentAt: 400_000 }), now: 400_001 },
    ...{ effect: NONE, leaves: { ...idle, wakeAt: undefined, failures: 0 } },
  },
  'a renewal: no timer until it is used': {
    ...{ state: RENEWING, event: renewed({ sentAt: 400_000 }), now: 400_001, effect: NONE },
    leaves: { ...idle, wakeAt: undefined, failures: 0 },
  },
  'a login that comes after close: nothing': {
    ...{ state: NO_TOKEN, event: loggedIn(), now: 0, effect: NONE, leaves: { ...none } },
  },
  'the renewal of another token: nothing': {
    ...{ state: RENEWING, event: renewed({ token: 'b' }), now: 400_001, effect: NONE },
    leaves: { work: 'renewal', token: RENEWING.token },
  },
  'a login that failed, without a token: nothing is left': {
    ...{ state: after([0, WANTED]).state, event: loginFailed(true), now: 5, effect: NONE },
    leaves: { ...idle, ...none },
  },
  'a login that failed, while the old one is good: kept, and tried again': {
    ...{ state: REPLACING, event: loginFailed(false), now: 400_000 },
    ...{ effect: { kind: 'wake', at: 401_000 }, leaves: { ...idle, failures: 1 } },
  },
  'a login that was denied, while the old one is good: kept, a minute of patience': {
    ...{ state: REPLACING, event: loginFailed(true), now: 400_000 },
    ...{ effect: { kind: 'wake', at: 460_000 }, leaves: { ...idle, failures: 1 } },
  },
  'a renewal that failed: kept, and tried again': {
    ...{ state: RENEWING, event: renewalFailed(false), now: 400_000 },
    ...{ effect: { kind: 'wake', at: 401_000 }, leaves: { ...idle, failures: 1 } },
  },
  'a renewal that failed late: a login is next': {
    ...{ state: RENEWING, event: renewalFailed(false), now: 430_000 },
    effect: { kind: 'wake', at: 431_000 },
    leaves: { token: expect.objectContaining({ renewable: false }) },
  },
  'a renewal that was denied: a login at once, while it serves on': {
    ...{ state: RENEWING, event: renewalFailed(true), now: 400_000, effect: LOGIN },
    leaves: { work: 'login', token: expect.objectContaining({ value: 'a', renewable: false }) },
  },
  'a renewal that failed after the end of its token: nothing is left': {
    ...{ state: RENEWING, event: renewalFailed(false), now: 540_000, effect: NONE },
    leaves: { ...idle, ...none },
  },
  'a late failure of another token’s renewal: nothing': {
    ...{ state: RENEWING, event: renewalFailed(true, 'b'), now: 400_000, effect: NONE },
    leaves: { ...RENEWING },
  },
  'refused: the token is gone': {
    ...{ state: LIVE, event: REFUSED, now: 1, effect: NONE, leaves: { ...idle, ...none } },
  },
  'refused while it is renewed: the renewal no longer counts': {
    ...{
      state: RENEWING,
      event: REFUSED,
      now: 400_001,
      effect: NONE,
      leaves: { ...idle, ...none },
    },
  },
  'refused while it is replaced: the login goes on': {
    ...{ state: REPLACING, event: REFUSED, now: 400_001, effect: NONE },
    leaves: { work: 'login', ...none },
  },
  'a late refusal of an old token: nothing': {
    ...{ state: LIVE, event: { kind: 'refused', token: 'z' }, now: 1, effect: NONE },
    leaves: { ...LIVE },
  },
  'closed with a service token of more than a minute: revoked': {
    ...{ state: LIVE, event: CLOSED, now: 539_999, effect: { kind: 'revoke', token: 'a' } },
    leaves: { ...NO_TOKEN },
  },
  'closed with one of a minute: left to expire': {
    ...{ state: LIVE, event: CLOSED, now: 540_000, effect: NONE, leaves: { ...NO_TOKEN } },
  },
  'closed with a batch token: cannot be revoked': {
    ...{ state: REPLACING, event: CLOSED, now: 0, effect: NONE, leaves: { ...NO_TOKEN } },
  },
  'closed with somebody else’s: not ours to revoke': {
    ...{ state: after([0, WANTED], [0, loggedIn({ type: 'given' })]).state, event: CLOSED },
    ...{ now: 0, effect: NONE, leaves: { ...NO_TOKEN } },
  },
  'closed twice: nothing': {
    ...{ state: NO_TOKEN, event: CLOSED, now: 0, effect: NONE, leaves: { ...NO_TOKEN } },
  },
}

test.each(Object.entries(TRANSITIONS))('%s', (_name, { state, event, now, effect, leaves }) => {
  const step = next(state, event, now)
  expect(step.effect).toEqual(effect)
  expect(step.state).toMatchObject(leaves)
})

describe('V11: renewals', () => {
  test.each([
    ['as much as before', 600_000, true, 800_000],
    ['a little less', 545_000, true, 763_333],
    ['a good deal less: max TTL is near, so a login is next', 500_000, false, 733_333],
    ['less than a minute', 30_000, false, 420_000],
    ['next to nothing', 900, false, 401_000],
  ])('that give %s', (_name, ttlMs, renewable, refreshAt) => {
    const { token } = next(RENEWING, renewed({ sentAt: 400_000, ttlMs }), 400_010).state
    expect(token).toMatchObject({ renewable, fullLifeMs: 600_000 })
    expect(token?.refreshAt).toBeCloseTo(refreshAt, -1)
  })

  test('of somebody else’s token do not make it ours', () => {
    const given = after([0, WANTED], [0, loggedIn({ type: 'given' })], [400_000, DUE]).state
    const { token } = next(given, renewed({ type: 'service', sentAt: 400_000 }), 400_001).state
    expect(token?.type).toBe('given')
  })

  test.each([
    [1, 0.9999, 2000],
    [2, 0.9999, 4000],
    [3, 0.9999, 8000],
    [4, 0.9999, 16_000],
    [5, 0.9999, 30_000],
    [50, 0.9999, 30_000],
    [50, 0, 1000],
  ])('failure %i waits longer and longer, within limits (random %d)', (nth, random, waitMs) => {
    const long = after([0, WANTED], [0, loggedIn({ ttlMs: 3_600_000 })], [2_400_000, DUE]).state
    const tried = { ...long, failures: nth - 1 }
    const { effect } = next(tried, renewalFailed(false, 'a', random), 2_400_000)
    expect(effect.kind === 'wake' && Math.round((effect.at - 2_400_000) / 10) * 10).toBe(waitMs)
  })

  test('no wait is longer than a third of what is left, or shorter than a second', () => {
    const waits = [420_000, 500_000, 534_000, 538_000, 539_999].map((now) => {
      const { effect } = next({ ...RENEWING, failures: 9 }, renewalFailed(false, 'a', 0.99), now)
      return effect.kind === 'wake' ? Math.round(effect.at - now) : undefined
    })
    expect(waits).toEqual([29_700, 13_333, 2000, 1000, 1000])
  })
})

describe('Q6: whatever happens, in whatever order', () => {
  const histories = fc.tuple(fc.constantFrom(...TTLS), actions())

  test('no token is used past its time, no two logins run, no renewals follow within a second', () => {
    fc.assert(
      fc.property(histories, ([ttlMs, history]) => {
        const world = machine(ttlMs)
        for (const action of history) world.act(action)
        expect(world.violations).toEqual([])
      }),
      { numRuns: 3000 },
    )
  })

  test('after the faults end, who wants a token has one: at once, or by one login', () => {
    fc.assert(
      fc.property(histories, ([ttlMs, history]) => {
        const world = machine(ttlMs)
        for (const action of history) world.act(action)
        expect(converge(world)).toBeLessThanOrEqual(1)
        expect(world.violations).toEqual([])
      }),
      { numRuns: 1000 },
    )
  })

  test.each(TTLS)('a token of %i ms that is always in use is never renewed in a burst', (ttlMs) => {
    const world = machine(ttlMs)
    for (let turn = 0; turn < 300; turn += 1) {
      world.act({ kind: 'call' })
      world.act({ kind: 'end', which: 0, how: 'served' })
      world.act({ kind: 'pass', share: 0.01 })
    }
    expect(world.violations).toEqual([])
    // Two thirds of a life apart; the rest are logins.
    expect(world.renewals.length).toBeLessThanOrEqual(6)
  })
})
