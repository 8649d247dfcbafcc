/** The pure session in a world of virtual time, which notes whatever must never happen. */
import fc from 'fast-check'

import {
  next,
  NO_TOKEN,
  type SessionEvent,
  type SessionState,
  type SessionWork,
} from '../../src/vault/session-state.ts'

/** Lives of tokens, in milliseconds; of the last two, timers would overflow. */
export const TTLS: readonly number[] = [
  ...[1, 500, 10_000, 60_000, 61_000, 3_600_000, 2_764_800_000, 2 ** 31 * 1000],
]

/** What may happen. Shares are of the token's life. */
export type Action =
  | { readonly kind: 'call' }
  | { readonly kind: 'pass'; readonly share: number }
  /** The machine sleeps: time passes, and timers stand still. */
  | { readonly kind: 'sleep'; readonly share: number }
  /** Work ends; not necessarily the newest. */
  | { readonly kind: 'end'; readonly which: number; readonly how: 'served' | 'down' | 'denied' }
  /** Vault forgets the token, and a call hears of it. */
  | { readonly kind: 'revoked' }

/** Histories, those with many calls and many ends of work being more likely. */
export function actions(): fc.Arbitrary<readonly Action[]> {
  const share = fc.oneof(
    fc.constantFrom(0, 1e-6, 0.001, 0.34, 0.65, 0.667, 0.9, 1, 3),
    fc.double({ min: 0, max: 1.1, noNaN: true }),
  )
  const how = fc.constantFrom('served', 'served', 'down', 'denied')
  const action = fc.oneof(
    { weight: 4, arbitrary: fc.constant({ kind: 'call' } as const) },
    { weight: 4, arbitrary: share.map((part) => ({ kind: 'pass', share: part }) as const) },
    { weight: 1, arbitrary: share.map((part) => ({ kind: 'sleep', share: part }) as const) },
    {
      weight: 5,
      arbitrary: fc
        .tuple(fc.nat(3), how)
        .map(([which, end]) => ({ kind: 'end', which, how: end }) as const),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'revoked' } as const) },
  )
  return fc.array(action, { maxLength: 60 })
}

interface Job {
  readonly work: SessionWork
  /** Of a renewal. */
  readonly token: string | undefined
  readonly sentAt: number
  isSuperseded: boolean
}

export interface Machine {
  readonly state: () => SessionState
  readonly violations: readonly string[]
  /** Times of renewals. */
  readonly renewals: readonly number[]
  readonly logins: () => number
  readonly jobs: readonly Job[]
  act(action: Action): void
}

/** A session of tokens that live `ttlMs`. */
export function machine(ttlMs: number): Machine {
  const violations: string[] = []
  const renewals: number[] = []
  const jobs: Job[] = []
  /** Until when a token may be used, by the rule and not by the code. */
  const usableUntil = new Map<string, number>()
  let [now, slept, logins, dice] = [0, 0, 0, 0]
  let state: SessionState = NO_TOKEN
  /** By the clock that stands still while the machine sleeps. */
  let ringsAt: number | undefined

  const random = (): number => (dice = (dice * 0.7548776662466927 + 0.12345) % 1)
  const must = (holds: boolean, rule: string): void => {
    if (!holds) violations.push(`${rule} at ${now}`)
  }

  const step = (event: SessionEvent): void => {
    const { state: then, effect } = next(state, event, now)
    state = then
    if (effect.kind === 'wake') ringsAt = effect.at - slept
    if (effect.kind === 'login') start('login', undefined)
    if (effect.kind === 'renew') start('renewal', effect.token)
  }

  const start = (work: SessionWork, token: string | undefined): void => {
    const running = jobs.filter((job) => job.work === work && !job.isSuperseded)
    must(running.length === 0, `two of ${work} at once`)
    if (work === 'renewal') {
      must(now - (renewals.at(-1) ?? -Infinity) >= 1000, 'two renewals within a second')
      renewals.push(now)
    } else {
      logins += 1
      if (state.token === undefined) supersedeRenewals()
    }
    jobs.push({ work, token, sentAt: now, isSuperseded: false })
  }

  const supersedeRenewals = (): void => {
    for (const job of jobs) if (job.work === 'renewal') job.isSuperseded = true
  }

  const pass = (ms: number): void => {
    const end = now + ms
    while (ringsAt !== undefined && ringsAt + slept <= end) {
      now = Math.max(now, ringsAt + slept)
      ringsAt = undefined
      step({ kind: 'due' })
    }
    now = end
  }

  const call = (): void => {
    step({ kind: 'wanted' })
    const { token } = state
    if (!token) return must(state.work === 'login', 'a call has neither token nor login')
    must(now < (usableUntil.get(token.value) ?? -1), 'a token is used past its time')
  }

  const served = ({ work, token: renewed, sentAt }: Job): void => {
    const token = renewed ?? `token ${logins}`
    const marginMs = ttlMs < 2000 ? ttlMs / 2 : Math.max(1000, ttlMs / 10)
    usableUntil.set(token, sentAt + ttlMs - marginMs)
    if (work === 'login') supersedeRenewals()
    const life = { sentAt, ttlMs, random: random() }
    step({
      ...{ kind: 'granted', work, token: renewed },
      grant: { token, type: 'service', renewable: true, ...life },
    })
  }

  const end = (which: number, how: 'served' | 'down' | 'denied'): void => {
    const [job] = jobs.splice(which % Math.max(1, jobs.length), 1)
    if (!job) return
    const before = state
    if (how === 'served' && !job.isSuperseded) served(job)
    else if (how === 'served') {
      const grant = { token: job.token ?? '', type: 'service', renewable: true } as const
      const life = { sentAt: job.sentAt, ttlMs, random: 0 }
      step({ kind: 'granted', work: job.work, token: job.token, grant: { ...grant, ...life } })
    } else {
      const { work, token } = job
      step({ kind: 'failed', work, token, denied: how === 'denied', random: random() })
    }
    if (job.isSuperseded) must(state === before, 'a late answer changed something')
  }

  const revoked = (): void => {
    const { token } = state
    if (!token) return
    supersedeRenewals()
    step({ kind: 'refused', token: token.value })
    must(state.token === undefined, 'a refused token is kept')
  }

  const act = (action: Action): void => {
    switch (action.kind) {
      case 'call':
        return call()
      case 'pass':
        return pass(action.share * ttlMs)
      case 'sleep':
        slept += action.share * ttlMs
        now += action.share * ttlMs
        return undefined
      case 'end':
        return end(action.which, action.how)
      case 'revoked':
        return revoked()
    }
  }
  return { state: () => state, violations, renewals, logins: () => logins, jobs, act }
}

/** Ends all faults and calls until there is a token; gives how many logins that took to begin. */
export function converge(world: Machine): number {
  const before = world.logins()
  world.act({ kind: 'call' })
  while (world.jobs.length > 0) world.act({ kind: 'end', which: 0, how: 'served' })
  if (world.state().token === undefined) return Infinity
  return world.logins() - before
}
