import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, onTestFinished, test } from 'vitest'

import { SecretManagerError } from '../src/errors.ts'
import { eventError, listen, publish, type Channels, type RetryEvent } from '../src/telemetry.ts'
import { cliWorld, hurried, OPENED, run, SERVERS } from './cli/world.ts'
import { failing, LOGIN, RENEW, sessionWorld } from './vault/session-world.ts'

const ERROR = new SecretManagerError('SM_VAULT_SEALED', 'vault is sealed', {
  ...{ requestId: 'r-1', status: 503, attempts: 7, causeClass: 'X', retryAfterMs: 5 },
  cause: new SecretManagerError('SM_INTERNAL', 'CANARY'),
})
const FACTS = { backend: 'vault', attempt: 2, elapsedMs: 10, waitMs: 500 } as const
const RETRY: RetryEvent = { ...eventError(ERROR), ...FACTS }

/** What a channel tells until the test ends. */
function heard<Name extends keyof Channels>(name: Name): Channels[Name][] {
  const events: Channels[Name][] = []
  onTestFinished(listen(name, (event) => events.push(event)))
  return events
}

describe('a channel', () => {
  test('can be heard by its name, with nothing of ours', () => {
    const events: unknown[] = []
    const listener = (event: unknown): void => void events.push(event)
    subscribe('secretmanager:retry', listener)
    onTestFinished(() => void unsubscribe('secretmanager:retry', listener))
    publish('retry', () => RETRY)
    expect(events).toEqual([RETRY])
  })

  test('where nobody listens, nothing is even built', () => {
    publish('dropped', () => expect.unreachable('an event was built'))
  })

  test('who stopped listening is told no more; others are', () => {
    const events: RetryEvent[] = []
    const others = heard('retry')
    listen('retry', (event) => events.push(event))()
    publish('retry', () => RETRY)
    expect([events, others]).toEqual([[], [RETRY]])
  })

  test('tells of an error these fields and no others', () => {
    const { code, message, hint } = ERROR
    expect(eventError(ERROR)).toEqual({ code, message, hint, requestId: 'r-1' })
    const plain = new SecretManagerError('SM_TIMEOUT', 'too late')
    expect(Object.keys(eventError(plain))).toEqual(['code', 'message', 'hint'])
  })
})

describe('secretmanager:retry', () => {
  test('a call tells each attempt that another follows, and the last one not', async () => {
    const world = await cliWorld()
    await world.put('app', '{}')
    await world.seal()
    const events = heard('retry')
    const args = ['read', 'app', ...OPENED, ...SERVERS, '--wait', '20s']
    const { stderr } = await run(args, { runtime: hurried(world.runtime) })
    const [, attempts = ''] = /(\d+) attempts/.exec(stderr) ?? []
    expect(events.map(({ attempt }) => attempt)).toEqual(
      Array.from({ length: Number(attempts) - 1 }, (_, index) => index + 1),
    )
    expect(new Set(events.map(({ code, backend }) => `${code} ${backend}`))).toEqual(
      new Set(['SM_VAULT_SEALED vault']),
    )
    for (const secret of world.credentials) expect(JSON.stringify(events)).not.toContain(secret)
  })
})

describe('the life of a token', () => {
  test('secretmanager:login, :renewal and :request tell what was done, and no token', async () => {
    const all = [heard('login'), heard('renewal'), heard('request')] as const
    const [logins, renewals, requests] = all
    const world = sessionWorld({ ttlMs: 600_000, type: 'service' })
    await world.call()
    expect(logins).toEqual([{ method: 'kubernetes', durationMs: 0, ttlMs: 600_000 }])
    const request = { backend: 'vault', method: 'POST', attempt: 1, durationMs: 0, status: 200 }
    expect(requests).toEqual([request, request])
    await world.runtime.advance(400_000)
    expect(renewals).toEqual([{ method: 'kubernetes', durationMs: 0, ttlMs: 600_000 }])
    expect(JSON.stringify(all)).not.toContain('token-1')
  })

  test('one whose life nobody knows has none', async () => {
    const logins = heard('login')
    const life = { ttlMs: Infinity, type: 'given', renewable: false } as const
    const login = () => Promise.resolve({ token: 'CANARY', sentAt: 0, ...life })
    await sessionWorld({ login }).token()
    expect(logins).toEqual([{ method: 'kubernetes', durationMs: 0 }])
  })

  test.each([
    ['login', LOGIN, 'SM_VAULT_DENIED', 0],
    ['renewal', RENEW, 'SM_VAULT_DENIED', 400_000],
  ] as const)('a failed %s says why', async (name, path, code, at) => {
    const world = sessionWorld({ ttlMs: 600_000, type: 'service' })
    if (at > 0) await world.call()
    const events = heard(name)
    world.vault.fault = (seen) => (seen.path === path ? failing(403, 'CANARY') : undefined)
    await world.call().catch(() => undefined)
    await world.runtime.advance(at)
    const [event] = events
    expect(event).toMatchObject({ method: 'kubernetes', error: { code } })
    expect(Object.keys(event?.error ?? {}).toSorted()).toEqual([
      ...['code', 'hint', 'message', 'requestId'],
    ])
    expect(JSON.stringify(events)).not.toMatch(/CANARY|token-1/)
  })

  test('a request without an answer has no status', async () => {
    const requests = heard('request')
    const world = sessionWorld({ startupWaitMs: 0 })
    world.vault.fault = async () => {
      await world.runtime.sleep(10)
      throw new RangeError('as the test asked')
    }
    const call = world.call().catch(() => undefined)
    await world.runtime.advance(10)
    await call
    expect(requests).toEqual([{ backend: 'vault', method: 'POST', attempt: 1, durationMs: 10 }])
  })
})
