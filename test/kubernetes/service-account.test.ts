import { describe, expect, test } from 'vitest'

import { Budget } from '../../src/http/budget.ts'
import { KubernetesClient } from '../../src/kubernetes/client.ts'
import { projectedToken, requestedToken } from '../../src/kubernetes/service-account.ts'
import type { JwtSource } from '../../src/vault/jwt-login.ts'
import { inProcess, type InProcess } from '../faults/in-process.ts'
import { jwtOf } from '../faults/world.ts'
import { fakeRuntime, type FakeRuntime } from '../fake-runtime.ts'

const NOW = Date.UTC(2026, 0, 1)
const SETTINGS = { startupWaitMs: 30_000, attempt: { connectTimeoutMs: 2000, timeoutMs: 5000 } }

const budgetOn = (runtime: FakeRuntime): Budget =>
  new Budget(runtime, SETTINGS, new AbortController().signal)

const inSeconds = (seconds: number): number => Math.floor(NOW / 1000) + seconds

describe('K7: a projected token', () => {
  const read = (runtime: FakeRuntime): Promise<string> =>
    projectedToken('/run/token', 'vault', runtime)(budgetOn(runtime).begin(), undefined)

  test('is read anew each time, as the kubelet swaps the link', async () => {
    const [first, second] = [jwtOf({ exp: inSeconds(600) }), jwtOf({ exp: inSeconds(1200) })]
    const runtime = fakeRuntime({ files: { '/run/token': `${first}\n` } })
    expect(await read(runtime)).toBe(first)
    runtime.files['/run/token'] = second
    expect(await read(runtime)).toBe(second)
  })

  test.each([
    [-59, true],
    [-61, false],
  ])('that ends in %i s passes: %s', async (seconds, passes) => {
    const token = jwtOf({ exp: inSeconds(seconds) })
    const runtime = fakeRuntime({ auto: true, random: () => 0, files: { '/run/token': token } })
    const result = read(runtime)
    if (passes) expect(await result).toBe(token)
    else await expect(result).rejects.toMatchObject({ code: 'SM_TOKEN_EXPIRED' })
  })

  test('is read at most three times', async () => {
    const runtime = fakeRuntime({ auto: true, files: { '/run/token': 'half' } })
    await expect(read(runtime)).rejects.toMatchObject({ code: 'SM_TOKEN_FILE_INVALID' })
    expect(runtime.reads).toHaveLength(3)
  })

  test('C1: a clock that is a day ahead is told as an expired token', async () => {
    const runtime = fakeRuntime({
      auto: true,
      random: () => 0,
      files: { '/run/token': jwtOf({ exp: inSeconds(600) }) },
    })
    runtime.setWallClock(NOW + 86_400_000)
    const result = read(runtime)
    await expect(result).rejects.toMatchObject({ hint: expect.stringContaining('clock') })
  })
})

describe('K8: a requested token', () => {
  interface Fixture extends Pick<InProcess, 'sent'> {
    readonly source: JwtSource
    readonly runtime: FakeRuntime
    readonly budget: Budget
  }

  /** An API server whose tokens live for `lifeMs`, by its own clock. */
  function requesting(lifeMs: number, pod?: { name: string; uid: string }): Fixture {
    let issued = 0
    const server = inProcess(() => {
      issued += 1
      const expirationTimestamp = new Date(NOW + runtime.now() + lifeMs).toISOString()
      return { status: 201, json: { status: { token: `jwt-${issued}`, expirationTimestamp } } }
    })
    const runtime = fakeRuntime({ transport: server.transport })
    const access = {
      server: 'https://10.96.0.1',
      transport: {},
      namespace: 'prod',
      origin: 'in-cluster',
      identity: undefined,
      token: async () => 'api-token',
    }
    const client = new KubernetesClient(access, runtime)
    const spec = { namespace: 'prod', serviceAccount: 'app', audience: 'vault', pod }
    const source = requestedToken(
      () => Promise.resolve(client),
      () => spec,
      runtime,
    )
    return { source, runtime, budget: budgetOn(runtime), sent: server.sent }
  }

  test('asks for 600 s, the audience, and the pod', async () => {
    const { source, budget, sent } = requesting(600_000, { name: 'app-1', uid: 'u' })
    await source(budget.begin(), undefined)
    expect(new URL(sent[0]?.url ?? '').pathname).toBe(
      '/api/v1/namespaces/prod/serviceaccounts/app/token',
    )
    expect(JSON.parse(sent[0]?.body ?? '')).toEqual({
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences: ['vault'],
        expirationSeconds: 600,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'app-1', uid: 'u' },
      },
    })
  })

  test.each([
    ['shorter than asked for', 60_000],
    ['as asked for', 600_000],
    ['longer than asked for', 3_607_000],
  ])('K8: %s: kept for four fifths of what the API server said', async (_name, lifeMs) => {
    const { source, runtime, budget } = requesting(lifeMs)
    expect(await source(budget.begin(), undefined)).toBe('jwt-1')
    await runtime.advance(lifeMs * 0.8 - 1)
    expect(await source(budget.begin(), undefined)).toBe('jwt-1')
    await runtime.advance(1)
    expect(await source(budget.begin(), undefined)).toBe('jwt-2')
  })

  test.each([
    ['old: another is requested', 10_000, 'jwt-2'],
    ['seconds old: another would be refused, too', 9999, 'jwt-1'],
  ])('refused when it is %s', async (_name, ageMs, next) => {
    const { source, runtime, budget } = requesting(600_000)
    const jwt = await source(budget.begin(), undefined)
    await runtime.advance(ageMs)
    expect(await source(budget.begin(), jwt)).toBe(next)
  })

  test('C1: a clock that is an hour ahead: requested for each login', async () => {
    const { source, runtime, budget } = requesting(600_000)
    runtime.setWallClock(NOW + 3_600_000)
    expect(await source(budget.begin(), undefined)).toBe('jwt-1')
    expect(await source(budget.begin(), undefined)).toBe('jwt-2')
  })
})
