import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { SecretManagerError } from '../../src/errors.ts'
import { Budget } from '../../src/http/budget.ts'
import { VaultClient } from '../../src/vault/client.ts'
import type { VaultAuth } from '../../src/vault/login.ts'
import { Session } from '../../src/vault/session.ts'
import { inProcess, type Handler } from '../faults/in-process.ts'
import { fakeRuntime, type FakeRuntime } from '../fake-runtime.ts'

interface Fixture {
  readonly session: Session
  readonly budget: Budget
  readonly runtime: FakeRuntime
  /** Times of the logins. */
  readonly logins: number[]
  readonly revocations: () => number
}

type Outcome = Partial<VaultAuth> | Error

/** A session whose logins end as `outcomes` say; the last one repeats. */
function sessionWith(
  outcomes: readonly Outcome[],
  revoke: Handler = () => ({ status: 204 }),
): Fixture {
  const server = inProcess(revoke)
  const runtime = fakeRuntime({ random: () => 0, transport: server.transport })
  const settings = { startupWaitMs: 30_000, attempt: { connectTimeoutMs: 2000, timeoutMs: 5000 } }
  const budget = new Budget(runtime, settings, new AbortController().signal)
  const client = new VaultClient({ ...VAULT, transport: {} }, runtime)
  const logins: number[] = []
  const login = async (): Promise<VaultAuth> => {
    const outcome = outcomes[Math.min(logins.length, outcomes.length - 1)] ?? {}
    logins.push(runtime.now())
    if (outcome instanceof Error) throw outcome
    const token = `token-${logins.length}`
    return { token, sentAt: runtime.now(), ttlMs: 10_000, type: 'batch', ...outcome }
  }
  const session = new Session(client, login, budget, runtime)
  return { session, budget, runtime, logins, revocations: () => server.sent.length }
}

const VAULT = {
  url: 'https://vault.example:8200',
  namespace: undefined,
  transitMount: 'transit',
  auth: {
    method: 'kubernetes',
    role: 'app',
    mount: 'kubernetes',
    audience: 'vault',
    jwtFile: undefined,
  },
  redirectHosts: [],
} as const

const denied = (): SecretManagerError => new SecretManagerError('SM_VAULT_DENIED', 'denied')
const tokenOf = ({ session, budget }: Fixture): Promise<string> =>
  session.use(budget.begin(), (token) => Promise.resolve(token))

describe('the life of a token', () => {
  test.each([
    [600_000, 540_000],
    [60_000, 54_000],
    [10_000, 9000],
    [3000, 2000],
    [2000, 1000],
    [1000, 500],
    [1, 0.5],
  ])('V9: of %i ms it serves for %i ms', async (ttlMs, usableMs) => {
    const fixture = sessionWith([{ ttlMs }])
    await tokenOf(fixture)
    await fixture.runtime.advance(usableMs * 0.999)
    expect(await tokenOf(fixture)).toBe('token-1')
    await fixture.runtime.advance(usableMs * 0.002)
    expect(await tokenOf(fixture)).toBe('token-2')
  })

  test('V9: it counts from when the login was sent', async () => {
    const fixture = sessionWith([{ ttlMs: 10_000, sentAt: -9500 }, {}])
    expect(await tokenOf(fixture)).toBe('token-1')
    expect(await tokenOf(fixture)).toBe('token-2')
  })

  test('Q6: never used past its end, never two logins at once, no timer', async () => {
    const steps = fc.array(fc.integer({ min: 0, max: 12_000 }), { minLength: 1, maxLength: 30 })
    const ttl = fc.constantFrom(1, 500, 1000, 10_000, 3_600_000, 2 ** 31 * 1000)
    await fc.assert(
      fc.asyncProperty(steps, ttl, async (waits, ttlMs) => {
        const fixture = sessionWith([{ ttlMs }])
        for (const wait of waits) {
          await fixture.runtime.advance(wait)
          const before = fixture.logins.length
          await Promise.all([tokenOf(fixture), tokenOf(fixture), tokenOf(fixture)])
          expect(fixture.logins.length - before).toBeLessThanOrEqual(1)
          const age = fixture.runtime.now() - (fixture.logins.at(-1) ?? 0)
          expect(age).toBeLessThan(ttlMs)
        }
        expect(fixture.runtime.sleeps).toEqual([])
      }),
      { numRuns: 30 },
    )
  })

  test('P2: after a long sleep of the machine there is one login', async () => {
    const fixture = sessionWith([{}])
    await tokenOf(fixture)
    await fixture.runtime.advance(86_400_000)
    await Promise.all(Array.from({ length: 10 }, () => tokenOf(fixture)))
    expect(fixture.logins).toHaveLength(2)
  })
})

describe('a refused token', () => {
  test('V7: one login, one replay', async () => {
    const fixture = sessionWith([{}])
    const used: string[] = []
    const result = fixture.session.use(fixture.budget.begin(), async (token) => {
      used.push(token)
      if (used.length === 1) throw denied()
      return token
    })
    expect(await result).toBe('token-2')
    expect(used).toEqual(['token-1', 'token-2'])
  })

  test('V7: of a thousand calls that meet it, one logs in, and none waits for its turn', async () => {
    const fixture = sessionWith([{}])
    const call = (): Promise<string> =>
      fixture.session.use(fixture.budget.begin(), async (token) => {
        if (token === 'token-1') throw denied()
        return token
      })
    const all = await Promise.all(Array.from({ length: 1000 }, call))
    expect(new Set(all)).toEqual(new Set(['token-2']))
    expect(fixture.runtime.sleeps).toEqual([])
  })

  test('V7: a late 403 of an old token does not cost the new one', async () => {
    const fixture = sessionWith([{}])
    let deny: () => void = () => undefined
    const slow = fixture.session.use(fixture.budget.begin(), (token) =>
      token === 'token-1'
        ? new Promise<string>((_resolve, reject) => {
            deny = () => reject(denied())
          })
        : Promise.resolve(token),
    )
    await fixture.runtime.advance(0)
    const quick = fixture.session.use(fixture.budget.begin(), async (token) => {
      if (token === 'token-1') throw denied()
      return token
    })
    expect(await quick).toBe('token-2')
    deny()
    expect(await slow).toBe('token-2')
    expect(fixture.logins).toHaveLength(2)
  })

  test('V7, I13: a policy that is missing costs at most one login per second', async () => {
    const fixture = sessionWith([{}])
    const call = (): Promise<unknown> =>
      fixture.session
        .use(fixture.budget.begin(), () => Promise.reject(denied()))
        .catch((error: unknown) => error)
    let going = true
    const caller = (async () => {
      while (going && fixture.logins.length < 100) await call()
    })()
    await fixture.runtime.advance(10_000)
    going = false
    await fixture.runtime.advance(2000)
    await caller
    expect(fixture.logins.length).toBeGreaterThan(8)
    expect(fixture.logins.length).toBeLessThanOrEqual(1 + 3 + 12)
  })

  test('another failure does not cost the token', async () => {
    const fixture = sessionWith([{}])
    const failure = new SecretManagerError('SM_VAULT_SEALED', 'sealed')
    const result = fixture.session.use(fixture.budget.begin(), () => Promise.reject(failure))
    await expect(result).rejects.toBe(failure)
    expect(await tokenOf(fixture)).toBe('token-1')
  })
})

describe('a login that fails', () => {
  test('V8: three more at once, then one per second', async () => {
    const fixture = sessionWith([new SecretManagerError('SM_AUTH_DENIED', 'denied')])
    const attempts = (async () => {
      for (let n = 0; n < 7; n += 1) await tokenOf(fixture).catch((error: unknown) => error)
    })()
    await fixture.runtime.advance(10_000)
    await attempts
    expect(fixture.logins).toEqual([0, 0, 0, 0, 1000, 2000, 3000])
  })

  test('a success ends the restraint', async () => {
    const failure = new SecretManagerError('SM_AUTH_DENIED', 'denied')
    const fixture = sessionWith([failure, { ttlMs: 1 }])
    await expect(tokenOf(fixture)).rejects.toBe(failure)
    for (let n = 0; n < 10; n += 1) {
      await tokenOf(fixture)
      await fixture.runtime.advance(1)
    }
    expect(fixture.runtime.sleeps).toEqual([])
  })
})

describe('close', () => {
  test.each([
    ['service', 61_000, 1],
    ['service', 60_000, 0],
    ['batch', 3_600_000, 0],
  ] as const)('of a %s token of %i ms revokes %i', async (type, ttlMs, revoked) => {
    const fixture = sessionWith([{ type, ttlMs }])
    await tokenOf(fixture)
    await fixture.session.close(fixture.budget.last())
    expect(fixture.revocations()).toBe(revoked)
  })

  test('never fails', async () => {
    const fixture = sessionWith([{ type: 'service', ttlMs: 600_000 }], () => ({ status: 500 }))
    await tokenOf(fixture)
    await expect(fixture.session.close(fixture.budget.last())).resolves.toBeUndefined()
    expect(fixture.revocations()).toBe(1)
  })
})
