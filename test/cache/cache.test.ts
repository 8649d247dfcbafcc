import { describe, expect, test } from 'vitest'

import type { SecretManagerError } from '../../src/errors.ts'
import { reveal } from '../../src/values.ts'
import { rejection } from '../faults/world.ts'
import { cacheWorld, definitionOf, HOUR, MINUTE, type CacheWorld } from './world.ts'

const APP = definitionOf()

/** Reads, with the clock going on by as much as the read waits. */
async function read(world: CacheWorld, waitMs = 0): Promise<unknown> {
  const reading = world.manager.readSecrets(APP).then(reveal, (error: SecretManagerError) => error)
  await world.runtime.advance(waitMs)
  return reading
}

async function failure(world: CacheWorld, waitMs = 0): Promise<SecretManagerError> {
  return rejection(read(world, waitMs).then((result) => Promise.reject(result)))
}

const freshnessOf = ({ manager }: CacheWorld): string | undefined =>
  manager.status().definitions[0]?.freshness

describe('a dictionary that was read', () => {
  test('is served without a call until it is due: the same object', async () => {
    const world = cacheWorld()
    const first = await world.manager.readSecrets(APP)
    await world.runtime.advance(5 * MINUTE - 1)
    expect(await world.manager.readSecrets({ ...APP })).toBe(first)
    expect(world.count).toEqual({ kubernetes: 1, login: 1, decrypt: 1 })
    expect(world.runtime.pending()).toBe(0)
  })

  test('then it is served once more, and refreshed meanwhile', async () => {
    const world = cacheWorld()
    await read(world)
    world.store('app', { n: 2 })
    await world.runtime.advance(6 * MINUTE)
    expect(await read(world)).toEqual({ n: 1 })
    expect(await read(world)).toEqual({ n: 2 })
    expect(world.events).toEqual(['refresh changed', 'refresh changed'])
  })

  test('one that nobody asked for long is waited for', async () => {
    const world = cacheWorld()
    await read(world)
    world.store('app', { n: 2 })
    await world.runtime.advance(3 * HOUR)
    expect(await read(world)).toEqual({ n: 2 })
  })

  test('I20: an idle one costs nothing: no timer, no call, no login', async () => {
    const world = cacheWorld()
    await read(world)
    await world.runtime.advance(HOUR)
    expect(world.count).toEqual({ kubernetes: 1, login: 1, decrypt: 1 })
    expect(world.runtime.pending()).toBe(0)
  })

  test('unchanged ciphertext is not decrypted again, and Vault is not asked', async () => {
    const world = cacheWorld()
    for (let hour = 0; hour < 10; hour += 1) {
      await read(world)
      await world.runtime.advance(HOUR)
    }
    expect(world.count).toEqual({ kubernetes: 10, login: 1, decrypt: 1 })
    expect(world.events.at(-1)).toBe('refresh unchanged')
  })

  test('many readers of a due one are one flight', async () => {
    const world = cacheWorld()
    await read(world)
    await world.runtime.advance(6 * MINUTE)
    await Promise.all(Array.from({ length: 100 }, () => read(world)))
    expect(world.count.kubernetes).toBe(2)
  })

  test('many readers of one that is not there yet are one flight', async () => {
    const world = cacheWorld()
    const all = await Promise.all(Array.from({ length: 100 }, () => read(world)))
    expect(new Set(all.map((each) => JSON.stringify(each)))).toEqual(new Set(['{"n":1}']))
    expect(world.count).toEqual({ kubernetes: 1, login: 1, decrypt: 1 })
  })

  test('I8: a reader sees entries of one version only', async () => {
    const world = cacheWorld({ documents: { app: { a: 1, b: 1 } }, cache: { refreshAfter: 1 } })
    for (let n = 2; n < 50; n += 1) {
      world.store('app', { a: n, b: n })
      await world.runtime.advance(10)
      const { a, b } = await world.manager.readSecrets(APP)
      expect(a).toBe(b)
    }
  })
})

describe('`fresh`', () => {
  test('asks, however fresh what is kept', async () => {
    const world = cacheWorld()
    await read(world)
    world.store('app', { n: 2 })
    expect(reveal(await world.manager.readSecrets(APP, { fresh: true }))).toEqual({ n: 2 })
  })

  test('rejects where nobody can be asked, and what is kept stays', async () => {
    const world = cacheWorld()
    await read(world)
    world.faults.kubernetes = 'denied'
    const error = await rejection(world.manager.readSecrets(APP, { fresh: true }))
    expect(error.code).toBe('SM_K8S_DENIED')
    expect(await read(world)).toEqual({ n: 1 })
  })

  test('does not take the result of a flight that began before', async () => {
    const world = cacheWorld()
    const before = read(world)
    await Promise.resolve()
    world.store('app', { n: 2 })
    const fresh = world.manager.readSecrets(APP, { fresh: true })
    await before
    expect(reveal(await fresh)).toEqual({ n: 2 })
    expect(world.count.kubernetes).toBe(2)
  })
})

describe('an outage', () => {
  test.each([
    ['vault', 'refused', 'SM_VAULT_UNREACHABLE'],
    ['vault', 'sealed', 'SM_VAULT_SEALED'],
    ['kubernetes', 'refused', 'SM_K8S_UNREACHABLE'],
    ['kubernetes', 'hangs', 'SM_K8S_TIMEOUT'],
  ] as const)('V1, K1: %s %s: what is kept is served, and said to be stale', async (...row) => {
    const [server, fault, code] = row
    const world = cacheWorld()
    await read(world)
    world.store('app', { n: 2 })
    world.faults[server] = fault
    await world.runtime.advance(6 * MINUTE)
    for (let hour = 0; hour < 23; hour += 1) {
      // After an hour without a reader it is worth a look, of one request's time.
      expect(await read(world, 5000)).toEqual({ n: 1 })
      await world.runtime.advance(30_000)
      expect(await read(world)).toEqual({ n: 1 })
      await world.runtime.advance(HOUR - 35_000)
    }
    expect(freshnessOf(world)).toBe('stale')
    const [status] = world.manager.status().definitions
    expect(status?.trouble?.code).toBe(code)
    expect(status?.ageMs).toBeGreaterThan(23 * HOUR)
    expect(world.manager.status().ready).toBe(true)
    expect(world.events.filter((event) => event.startsWith('stale'))).toHaveLength(1)
  })

  test('ends: the first read starts the refresh, the next has its result', async () => {
    const world = cacheWorld()
    await read(world)
    world.faults.vault = 'sealed'
    world.store('app', { n: 2 })
    await world.runtime.advance(6 * MINUTE)
    await read(world)
    await world.runtime.advance(5 * MINUTE)
    world.faults.vault = undefined
    expect(await read(world)).toEqual({ n: 1 })
    await world.runtime.advance(2000)
    expect(await read(world)).toEqual({ n: 2 })
    expect(freshnessOf(world)).toBe('fresh')
    expect(world.events.at(-1)).toBe('fresh')
  })

  test('I14: beyond keepAtMost nothing is served, and the failure is told', async () => {
    const world = cacheWorld()
    await read(world)
    world.faults.kubernetes = 'refused'
    await world.runtime.advance(24 * HOUR - 1)
    expect(await read(world, MINUTE)).toEqual({ n: 1 })
    await world.runtime.advance(1)
    expect((await failure(world, MINUTE)).code).toBe('SM_K8S_UNREACHABLE')
    expect(world.manager.status()).toMatchObject({
      ready: false,
      definitions: [{ freshness: 'failed', ageMs: undefined }],
    })
  })

  test('I13: readers without pause make no more than one refresh per second', async () => {
    const world = cacheWorld({ cache: { refreshAfter: '1s' } })
    await read(world)
    world.faults.kubernetes = 'denied'
    world.faults.vault = 'denied'
    const before = world.events.length
    for (let step = 0; step < 600; step += 1) {
      await world.runtime.advance(100)
      await read(world)
    }
    expect(world.events.length - before).toBeLessThanOrEqual(1 + 1 + 1)
  })

  test('a read that could have a value does not wait longer for a refresh than for one request', async () => {
    const world = cacheWorld()
    await read(world)
    await world.runtime.advance(HOUR)
    world.faults.kubernetes = 'hangs'
    const began = world.runtime.now()
    let took: number | undefined
    const reading = world.manager.readSecrets(APP).then(() => (took = world.runtime.now() - began))
    await world.runtime.advance(MINUTE)
    await reading
    expect(took).toBe(5000)
  })
})

describe('who is ready', () => {
  test('not before anything was served; then whoever has something to serve', async () => {
    const world = cacheWorld()
    expect(world.manager.status()).toMatchObject({ ready: false, definitions: [] })
    const reading = read(world)
    expect(freshnessOf(world)).toBe('loading')
    expect(world.manager.status().ready).toBe(false)
    await reading
    expect(world.manager.status().ready).toBe(true)
  })

  test('a name that is not there counts while somebody asks for it, and is forgotten', async () => {
    const world = cacheWorld()
    await read(world)
    await rejection(world.manager.readSecrets(definitionOf('absent')))
    expect(world.manager.status()).toMatchObject({ ready: false })
    await world.runtime.advance(5 * MINUTE)
    expect(world.manager.status()).toMatchObject({
      ready: true,
      definitions: [{ freshness: 'fresh' }],
    })
  })

  test('a read that its caller gave up does not count', async () => {
    const world = cacheWorld()
    await read(world)
    const controller = new AbortController()
    const { signal } = controller
    const reading = rejection(world.manager.readSecrets(definitionOf('other'), { signal }))
    controller.abort()
    await reading
    await world.runtime.advance(0)
    expect(world.manager.status()).toMatchObject({ ready: true })
  })

  test('with keepAtMost 0 nothing is kept, and who could read is ready', async () => {
    const world = cacheWorld({ cache: { keepAtMost: 0 } })
    await read(world)
    await read(world)
    expect(world.count.decrypt).toBe(2)
    expect(world.manager.status()).toMatchObject({ ready: true, definitions: [] })
  })
})

describe('every read asks, with refreshAfter 0', () => {
  test('and does so again as soon as a failure may have passed', async () => {
    const world = cacheWorld({ cache: { refreshAfter: 0 } })
    await read(world)
    world.faults.kubernetes = 'denied'
    expect(await read(world)).toEqual({ n: 1 })
    world.faults.kubernetes = undefined
    world.store('app', { n: 2 })
    await world.runtime.advance(HOUR)
    expect(await read(world)).toEqual({ n: 2 })
  })
})

describe('what is read byte for byte', () => {
  test('I8, I9: is never seen wiped: not by who closes in the same turn', async () => {
    const world = cacheWorld()
    await world.manager.readBytes(APP)
    const reading = world.manager.readBytes(APP)
    const closing = world.manager.close()
    expect(Buffer.from(await reading).toString()).toBe('{"n":1}')
    await closing
  })

  test('I8, I9: nor by who is overtaken by a refresh', async () => {
    const world = cacheWorld({ cache: { refreshAfter: 1 } })
    for (let n = 2; n < 200; n += 1) {
      world.store('app', { n })
      await world.runtime.advance(2)
      const all = await Promise.all([0, 1, 2].map(() => world.manager.readBytes(APP)))
      for (const bytes of all) expect(Buffer.from(bytes).toString()).toMatch(/^{"n":\d+}$/)
    }
  })
})

describe('access that is refused', () => {
  test.each([
    ['kubernetes', 'denied', 'SM_K8S_DENIED'],
    ['kubernetes', 'gone', 'SM_K8S_NOT_FOUND'],
    ['vault', 'denied', 'SM_AUTH_DENIED'],
  ] as const)('V7, K3, K4: %s %s: kept by default, for the whole time', async (...row) => {
    const [server, fault] = row
    const world = cacheWorld()
    await read(world)
    world.store('app', { n: 2 })
    world.faults[server] = fault
    await world.runtime.advance(HOUR)
    expect(await read(world, MINUTE)).toEqual({ n: 1 })
    expect(freshnessOf(world)).toBe('stale')
  })

  test.each([
    ['kubernetes', 'denied', 'SM_K8S_DENIED'],
    ['kubernetes', 'gone', 'SM_K8S_NOT_FOUND'],
    ['vault', 'denied', 'SM_AUTH_DENIED'],
  ] as const)('V7, K3, K4: %s %s with onDenied: drop: forgotten at once', async (...row) => {
    const [server, fault, code] = row
    const world = cacheWorld({ cache: { onDenied: 'drop' } })
    await read(world)
    world.store('app', { n: 2 })
    world.faults[server] = fault
    await world.runtime.advance(HOUR)
    expect((await failure(world, MINUTE)).code).toBe(code)
    expect(world.events).toContain(`dropped ${code}`)
    expect((await failure(world, MINUTE)).code).toBe(code)
  })

  test('V7: with onDenied: drop each refresh asks Vault, also where the ciphertext is the same', async () => {
    const world = cacheWorld({ cache: { onDenied: 'drop' } })
    const before = await world.manager.readSecrets(APP)
    await world.runtime.advance(HOUR)
    expect(await world.manager.readSecrets(APP)).toBe(before)
    expect(world.count.decrypt).toBe(2)
    world.faults.vault = 'denied'
    await world.runtime.advance(HOUR)
    expect((await failure(world, MINUTE)).code).toBe('SM_AUTH_DENIED')
  })

  test('V7: at the latest after keepAtMost Vault is asked again', async () => {
    const world = cacheWorld()
    for (let hour = 0; hour <= 25; hour += 1) {
      await read(world)
      await world.runtime.advance(HOUR)
    }
    expect(world.count.decrypt).toBe(2)
  })

  test('an outage drops nothing', async () => {
    const world = cacheWorld({ cache: { onDenied: 'drop' } })
    await read(world)
    world.faults.kubernetes = 'refused'
    await world.runtime.advance(HOUR)
    expect(await read(world, MINUTE)).toEqual({ n: 1 })
  })

  test('is tried again in the background after a minute, not before', async () => {
    const world = cacheWorld()
    await read(world)
    world.faults.kubernetes = 'denied'
    await world.runtime.advance(6 * MINUTE)
    for (let second = 0; second < 300; second += 1) {
      await read(world)
      await world.runtime.advance(1000)
    }
    const attempts = world.events.filter((event) => event === 'refresh failed SM_K8S_DENIED')
    expect(attempts).toHaveLength(5)
  })
})

describe('a document that cannot be used', () => {
  test('I9: what is kept stays when the new one is no dictionary', async () => {
    const world = cacheWorld()
    await read(world)
    world.store('app', 'CANARY no JSON')
    await world.runtime.advance(HOUR)
    expect(await read(world)).toEqual({ n: 1 })
    const [status] = world.manager.status().definitions
    expect(status).toMatchObject({ freshness: 'stale', trouble: { code: 'SM_PAYLOAD_INVALID' } })
    expect(JSON.stringify(world.manager.status())).not.toContain('CANARY')
  })

  test('I9: an empty dictionary that was stored is one', async () => {
    const world = cacheWorld({ documents: { app: {} } })
    expect(await read(world)).toEqual({})
  })
})
