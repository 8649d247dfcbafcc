import { onTestFinished, describe, expect, test } from 'vitest'

import { delay, hang, json, type Step } from './scripted-server.ts'
import {
  DECRYPT,
  LOGIN,
  loginAnswer,
  OBJECT,
  PLAINTEXT,
  rejection,
  REVOKE,
  secretObject,
  TOKEN_REQUEST,
  world,
} from './world.ts'

const ROTATE = 'POST /v1/transit/keys/app/rotate'

describe('many calls at once', () => {
  test('1,000 reads are one login, and no listener is left over', async () => {
    const warnings = collectWarnings()
    const { readMany, vault } = await world()
    const all = await readMany(1000)
    expect(all.every(({ redis_url }) => redis_url === PLAINTEXT)).toBe(true)
    expect(vault.to(LOGIN)).toHaveLength(1)
    expect(vault.to(DECRYPT).length).toBeLessThanOrEqual(20)
    expect(vault.connections()).toBeLessThanOrEqual(16)
    expect(await warnings()).toEqual([])
  })

  test('many reads that share a signal', async () => {
    const warnings = collectWarnings()
    const { read } = await world()
    const { signal } = new AbortController()
    await Promise.all(Array.from({ length: 50 }, () => read(signal)))
    expect(await warnings()).toEqual([])
  })

  test('V2: waiting for one of the few connections is not counted as connecting', async () => {
    const { manager, vault } = await world({
      vault: { [ROTATE]: delay(900, json(200, { data: { latest_version: 2 } })) },
      config: { timeout: 1500, startup: { wait: 0 } },
    })
    await Promise.all(Array.from({ length: 32 }, () => manager.rotateKey('app')))
    expect(vault.to(ROTATE)).toHaveLength(32)
  })
})

describe('a signal', () => {
  test('ends its own call at once, and the login goes on for the others', async () => {
    const login = held(json(200, loginAnswer()))
    const { read, vault } = await world({ vault: { [LOGIN]: login.step } })
    const controller = new AbortController()
    const first = rejection(read(controller.signal))
    const second = read()
    await expect.poll(() => vault.to(LOGIN).length).toBe(1)
    controller.abort()
    expect((await first).code).toBe('SM_ABORTED')
    login.release()
    expect(await second).toHaveProperty('redis_url', PLAINTEXT)
    expect(vault.to(LOGIN)).toHaveLength(1)
  })

  const stuck: readonly (readonly [string, string, Step])[] = [
    ['a login', LOGIN, hang()],
    ['a decryption', DECRYPT, hang()],
    ['a retry', DECRYPT, json(503, { errors: [] }, { 'retry-after': '5' })],
  ]

  test.each(stuck)('ends a call that waits for %s', async (_name, route, step) => {
    const { read, vault } = await world({
      vault: { [route]: step },
      config: { timeout: 9000, startup: { wait: 20_000 } },
    })
    const controller = new AbortController()
    const reading = rejection(read(controller.signal))
    await expect.poll(() => vault.to(route).length).toBe(1)
    controller.abort()
    expect((await reading).code).toBe('SM_ABORTED')
  })

  test('that has aborted before: nothing is sent', async () => {
    const { read, vault } = await world()
    expect((await rejection(read(AbortSignal.abort()))).code).toBe('SM_ABORTED')
    expect(vault.to(DECRYPT)).toEqual([])
  })
})

describe('close', () => {
  test('I20: ends a read under way with SM_CLOSED', async () => {
    const { read, manager, vault } = await world({
      vault: { [DECRYPT]: hang() },
      config: { timeout: 9000 },
    })
    const reading = rejection(read())
    await expect.poll(() => vault.to(DECRYPT).length).toBe(1)
    await manager.close()
    expect((await reading).code).toBe('SM_CLOSED')
    await expect.poll(() => vault.open.size).toBe(0)
  })

  test('I20: ends a read that waits to try again with SM_CLOSED', async () => {
    const { read, manager, vault } = await world({
      vault: { [LOGIN]: json(503, { errors: [] }, { 'retry-after': '5' }) },
      config: { startup: { wait: 20_000 } },
    })
    const reading = rejection(read())
    await expect.poll(() => vault.to(LOGIN).length).toBe(1)
    await manager.close()
    expect((await reading).code).toBe('SM_CLOSED')
  })

  test('may be called twice, and at once', async () => {
    const { read, manager, vault } = await world({
      vault: { [LOGIN]: json(200, loginAnswer({ token_type: 'service' })) },
    })
    await read()
    await Promise.all([manager.close(), manager.close()])
    await manager.close()
    expect(vault.to(REVOKE)).toHaveLength(1)
  })

  test.each([
    ['service', 600, 1],
    ['service', 30, 0],
    ['batch', 600, 0],
  ])('of a %s token with %i s left revokes %i', async (token_type, lease_duration, revoked) => {
    const { read, manager, vault } = await world({
      vault: { [LOGIN]: json(200, loginAnswer({ token_type, lease_duration })) },
    })
    await read()
    await manager.close()
    expect(vault.to(REVOKE)).toHaveLength(revoked)
  })

  test('is not held up by a Vault that does not answer', async () => {
    const { read, manager } = await world({
      vault: { [LOGIN]: json(200, loginAnswer({ token_type: 'service' })), [REVOKE]: hang() },
      config: { timeout: 9000 },
    })
    await read()
    const began = performance.now()
    await manager.close()
    expect(performance.now() - began).toBeLessThan(6000)
  })

  test('afterwards every call is SM_CLOSED, and nothing is sent', async () => {
    const { manager, vault, kubernetes, read } = await world({ mode: 'api' })
    await manager.close()
    const calls = [
      read(),
      manager.connectToVault(),
      manager.connectToK8s(),
      manager.getK8sServiceAccountToken(),
      manager.rotateKey('app'),
      manager.decryptDataWithVault('app', 'vault:v1:AAAA'),
    ]
    for (const call of calls) expect((await rejection(call)).code).toBe('SM_CLOSED')
    expect([...vault.requests, ...kubernetes.requests]).toEqual([])
  })
})

describe('the cost of a cold read', () => {
  test('two calls of Vault and two of Kubernetes; then one each', async () => {
    const { read, vault, kubernetes } = await world({ mode: 'api' })
    await read()
    expect(vault.requests.map(({ path }) => path)).toEqual([
      '/v1/auth/kubernetes/login',
      '/v1/transit/decrypt/app',
    ])
    expect(kubernetes.to(OBJECT)).toHaveLength(1)
    expect(kubernetes.to(TOKEN_REQUEST)).toHaveLength(1)
    await read()
    expect([vault.requests.length, kubernetes.requests.length]).toEqual([3, 3])
  })

  test('the login does not wait for the object', async () => {
    const object = held(json(200, secretObject()))
    const login: Step = (exchange) => {
      object.release()
      json(200, loginAnswer())(exchange)
    }
    const { read } = await world({
      mode: 'api',
      kubernetes: { [OBJECT]: object.step },
      vault: { [LOGIN]: login },
    })
    expect(await read()).toHaveProperty('redis_url', PLAINTEXT)
  })
})

/** A step that is not done before it is released. */
function held(step: Step): { readonly step: Step; readonly release: () => void } {
  let release = (): void => undefined
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  return { step: (exchange) => void released.then(() => step(exchange)), release: () => release() }
}

function collectWarnings(): () => Promise<string[]> {
  const warnings: string[] = []
  const listener = (warning: Error): void => void warnings.push(warning.name)
  process.on('warning', listener)
  onTestFinished(() => void process.off('warning', listener))
  return async () => {
    await new Promise((resolve) => setImmediate(resolve))
    return warnings
  }
}
