/** A rotation, whatever becomes of its requests and of the process: at most one version more. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { rotate, type RotationStep } from '../../src/rotation/rotate.ts'
import { TransportFailure } from '../../src/runtime.ts'
import {
  Crash,
  crashAt,
  failureOf,
  optionsOf,
  rotationWorld,
  type Effect,
} from './rotation-world.ts'
import type { RotationWorld } from './rotation-world.ts'

test('I4: preflight, journal, rotate, rewrap, verify, in this order', async () => {
  const order: string[] = []
  const steps: RotationStep[] = []
  const world = rotationWorld({
    effect: (name, work) => {
      order.push(name)
      return work()
    },
  })
  const result = await rotate(world.parts(), optionsOf({}, steps))
  const first = (name: string): number => order.findIndex((each) => each.includes(name))
  expect(order[0]).toBe('preflight')
  expect(first('POST')).toBeLessThan(first('rotate'))
  expect(first('rotate')).toBeLessThan(first('PATCH'))
  expect(first('PATCH')).toBeLessThan(first('store'))
  expect(steps.map(({ step }) => step)).toEqual([
    'preflight',
    'rotate',
    'rotated',
    'rewrap',
    'verify',
  ])
  expect(result).toMatchObject({ from: 1, to: 2, isDone: true })
  expect(world).toMatchObject({ version: 2, documentVersion: 2, done: 1 })
  expect(await world.journal()).toMatchObject({
    phase: 'done',
    from: 1,
    sites: { 'cluster default': { oldest: 2, isComplete: true, documents: 1 } },
  })
})

test('what preflight refuses changes nothing, not even the journal', async () => {
  const world = rotationWorld()
  const preflight = (): Promise<never> => Promise.reject(failureOf('SM_VAULT_DENIED'))
  await expect(rotate(world.parts({ preflight }), optionsOf())).rejects.toMatchObject({
    code: 'SM_VAULT_DENIED',
  })
  expect(world).toMatchObject({ version: 1, documentVersion: 1 })
  expect(await world.journal()).toBeUndefined()
})

test.each(['done', 'rewrapping'])(
  'a key that lost what a journal %s has is not rotated',
  async (at) => {
    const world = rotationWorld()
    if (at === 'rewrapping') world.effect = failing('store', failureOf('SM_K8S_DENIED', 403))
    await rotate(world.parts(), optionsOf({ verify: false }))
    const journal = await world.journal()
    expect(journal).toMatchObject({ phase: at, from: 1 })
    world.effect = (_name, work) => work()
    world.version = 1
    await expect(rotate(world.parts(), optionsOf())).rejects.toMatchObject({
      code: 'SM_ROLLBACK_REFUSED',
      message: expect.stringMatching(/has v2 of it, and Vault v1/) as unknown,
      hint: expect.stringContaining('delete the journal') as unknown,
    })
    expect(world).toMatchObject({ version: 1, added: 1 })
    expect(await world.journal()).toEqual(journal)
  },
)

test('a rotation that leaves a document is not done, and the next one goes on with it', async () => {
  const world = rotationWorld()
  world.effect = failing('store', failureOf('SM_K8S_DENIED', 403))
  const first = await rotate(world.parts(), optionsOf({ verify: false }))
  expect(first).toMatchObject({ to: 2, isDone: false })
  expect(await world.journal()).toMatchObject({ phase: 'rewrapping' })
  world.effect = (_name, work) => work()
  const steps: RotationStep[] = []
  const second = await rotate(world.parts(), optionsOf({}, steps))
  expect(second).toMatchObject({ from: 1, to: 2, isDone: true })
  expect(steps).toContainEqual(expect.objectContaining({ step: 'resume', isRotated: true }))
  expect(world).toMatchObject({ added: 1, documentVersion: 2 })
})

/** Every effect of this name fails; `isAfter`: once it was performed. */
function failing(which: string, error: Error, isAfter = false): Effect {
  return async (name, work) => {
    if (name !== which) return work()
    if (isAfter) await work()
    throw error
  }
}

describe('V15: a rotation without an answer is never asked for twice', () => {
  const lost = [
    failureOf('SM_VAULT_TIMEOUT'),
    failureOf('SM_VAULT_UNREACHABLE'),
    failureOf('SM_VAULT_BAD_RESPONSE', 200),
    failureOf('SM_VAULT_5XX', 502),
    failureOf('SM_VAULT_SEALED', 503),
  ]
  const rows = lost.map((error) => [`${error.code} ${error.status ?? ''}`, error] as const)

  test.each(rows)('%s, and it was rotated: the run goes on', async (_name, error) => {
    const world = rotationWorld({ effect: failing('rotate', error, true) })
    const result = await rotate(world.parts(), optionsOf())
    expect(result).toMatchObject({ from: 1, to: 2, isDone: true })
    expect(world).toMatchObject({ added: 1, documentVersion: 2 })
  })

  test.each(rows)(
    '%s, and it was not: the run ends, the next one waits and asks',
    async (_name, error) => {
      const world = rotationWorld({ effect: failing('rotate', error) })
      await expect(rotate(world.parts(), optionsOf())).rejects.toBe(error)
      expect(await world.journal()).toMatchObject({ phase: 'rotating', from: 1 })
      world.effect = (_effect, work) => work()
      const steps: RotationStep[] = []
      const before = world.runtime.sleeps.length
      await rotate(world.parts(), optionsOf({}, steps))
      expect(world.runtime.sleeps.slice(before)).toEqual([11_000])
      expect(steps).toContainEqual({ step: 'wait', ms: 11_000 })
      expect(world).toMatchObject({ version: 2, added: 1, done: 1 })
    },
  )

  test('the answer came too late for the first run: the one that waits does not ask again', async () => {
    const world = rotationWorld({ effect: failing('rotate', failureOf('SM_VAULT_TIMEOUT')) })
    await expect(rotate(world.parts(), optionsOf())).rejects.toMatchObject({
      code: 'SM_VAULT_TIMEOUT',
    })
    const parts = world.parts()
    const sleep: typeof parts.runtime.sleep = async (ms, signal) => {
      await parts.runtime.sleep(ms, signal)
      world.version = 2
    }
    const late = { ...parts, runtime: { ...parts.runtime, sleep } }
    const result = await rotate(late, optionsOf())
    expect(result).toMatchObject({ from: 1, to: 2 })
    expect(world).toMatchObject({ added: 0, version: 2, documentVersion: 2 })
  })

  test.each([403, 404, 400, 429])(
    'refused with %i: the journal says so, and the next run does not wait',
    async (status) => {
      const world = rotationWorld()
      await rotate(world.parts(), optionsOf())
      const before = await world.journal()
      await world.runtime.advance(3_600_000)
      world.effect = failing('rotate', failureOf('SM_VAULT_DENIED', status))
      await expect(rotate(world.parts(), optionsOf())).rejects.toMatchObject({ status })
      const { from, begunAt, doneAt, sites } = before ?? {}
      expect(await world.journal()).toMatchObject({ phase: 'done', from, begunAt, doneAt, sites })
      world.effect = (_name, work) => work()
      const waits = world.runtime.sleeps.length
      await rotate(world.parts(), optionsOf())
      expect(world.runtime.sleeps.length).toBe(waits)
      expect(world.version).toBe(3)
    },
  )

  test('what was refused is not young: it was no rotation', async () => {
    const world = rotationWorld({ effect: failing('rotate', failureOf('SM_VAULT_DENIED', 403)) })
    await expect(rotate(world.parts(), optionsOf())).rejects.toBeDefined()
    world.effect = (_name, work) => work()
    const result = await rotate(world.parts(), optionsOf({ minAgeMs: 3_600_000 }))
    expect(result).toMatchObject({ from: 1, to: 2 })
  })

  test('nor whether it was rotated can be asked: the journal stays, and the next run finds out', async () => {
    const world = rotationWorld({
      effect: async (name, work) => {
        if (name === 'rotate') await work()
        if (name === 'rotate' || (name === 'latest' && world.added > 0))
          throw failureOf('SM_VAULT_UNREACHABLE')
        return work()
      },
    })
    await expect(rotate(world.parts(), optionsOf())).rejects.toMatchObject({
      code: 'SM_VAULT_UNREACHABLE',
    })
    expect(await world.journal()).toMatchObject({ phase: 'rotating' })
    world.effect = (_name, work) => work()
    await rotate(world.parts(), optionsOf())
    expect(world).toMatchObject({ added: 1, documentVersion: 2 })
  })

  test('it is not asked for any more once another run may ask', async () => {
    const world = rotationWorld({ auto: false })
    let signal: AbortSignal | undefined
    const parts = world.parts({
      rotate: (given) => {
        signal = given
        return new Promise((_resolve, reject) => {
          given.addEventListener('abort', () => reject(failureOf('SM_ABORTED')))
        })
      },
    })
    const run = rotate(parts, optionsOf()).catch((error: unknown) => error)
    await world.runtime.advance(0)
    while (signal === undefined) await world.runtime.advance(1)
    await world.runtime.advance(parts.askMs)
    expect(await run).toMatchObject({ code: 'SM_TIMEOUT' })
    expect(signal.aborted).toBe(true)
    expect(parts.askMs).toBeLessThan(parts.patienceMs)
    expect(await world.journal()).toMatchObject({ phase: 'rotating' })
  })

  test('whose note took too long does not ask at all', async () => {
    const world = rotationWorld({
      effect: async (name, work) => {
        if (name.startsWith('POST')) await world.runtime.sleep(10_000)
        return work()
      },
    })
    await expect(rotate(world.parts(), optionsOf())).rejects.toMatchObject({ code: 'SM_TIMEOUT' })
    expect(world.added).toBe(0)
  })
})

describe('I4: a crash at any effect', () => {
  const effects = Array.from({ length: 26 }, (_, at) => at + 1)
  const rows = effects.flatMap((at) => [
    [at, 'before', false] as const,
    [at, 'after', true] as const,
  ])

  test.each(rows)(
    '%i, %s it is performed: the next run ends as one would have',
    async (at, _when, isAfter) => {
      const world = rotationWorld({ effect: crashAt(at, isAfter) })
      const first = await rotate(world.parts(), optionsOf()).catch((error: unknown) => error)
      const isOver = world.done > 0
      if (!isOver) expect(first).toBeInstanceOf(Crash)
      world.effect = (_name, work) => work()
      const second = await rotate(world.parts(), optionsOf())
      const versions = isOver ? 3 : 2
      expect(second).toMatchObject({ to: versions, isDone: true })
      expect(world).toMatchObject({ version: versions, documentVersion: versions })
      expect(await world.journal()).toMatchObject({ phase: 'done' })
    },
  )

  test('and at others after that: one version for each rotation that ended', async () => {
    const crash = fc.tuple(fc.integer({ min: 1, max: 24 }), fc.boolean())
    await fc.assert(
      fc.asyncProperty(fc.array(crash, { maxLength: 6 }), async (crashes) => {
        const world = rotationWorld()
        for (const [at, isAfter] of crashes) {
          world.effect = crashAt(at, isAfter)
          await rotate(world.parts(), optionsOf()).catch((error: unknown) => {
            expect(error).toBeInstanceOf(Crash)
          })
          expect(world.added - world.done).toBeLessThanOrEqual(1)
        }
        world.effect = (_name, work) => work()
        await rotate(world.parts(), optionsOf())
        expect(world.added).toBe(world.done)
        expect(world.documentVersion).toBe(world.version)
      }),
      { numRuns: 40 },
    )
  })
})

describe('two runs at once', () => {
  /** Each effect takes some of these times, before and after it is performed. */
  function slowly(world: RotationWorld, delays: readonly number[]): Effect {
    let at = 0
    const next = (): number => delays[at++ % delays.length] ?? 0
    return async (_name, work) => {
      await world.runtime.sleep(next())
      const result = await work()
      await world.runtime.sleep(next())
      return result
    }
  }

  test('I4: however slow they are, there is one version for each rotation that ended', async () => {
    const delay = fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 9000 }))
    await fc.assert(
      fc.asyncProperty(
        fc.array(delay, { minLength: 3, maxLength: 40 }),
        fc.integer({ min: 0, max: 40_000 }),
        async (delays, head) => {
          const world = rotationWorld({ auto: false })
          world.effect = slowly(world, delays)
          const parts = { askMs: 10_000, patienceMs: 11_000 }
          const start = (): Promise<unknown> =>
            rotate(world.parts({ ...parts, rotate: abortable(world) }), optionsOf()).catch(
              (error: unknown) => error,
            )
          let open = 2
          const settle = (): void => void (open -= 1)
          const first = start().finally(settle)
          await world.runtime.advance(head)
          const second = start().finally(settle)
          while (open > 0) {
            await world.runtime.advance(5000)
            expect(world.added - world.done).toBeLessThanOrEqual(1)
          }
          for (const result of [await first, await second]) {
            if (result instanceof Error)
              expect(['SM_K8S_CONFLICT', 'SM_TIMEOUT']).toContain(Reflect.get(result, 'code'))
          }
          world.effect = (_name, work) => work()
          if ((await world.journal())?.phase !== 'done') {
            const last = rotate(world.parts(), optionsOf())
            for (let isOver = false; !isOver;) {
              last.finally(() => (isOver = true)).catch(() => undefined)
              await world.runtime.advance(12_000)
            }
            await last
          }
          // Who waited for the other notes the end once more.
          expect(world.done).toBeGreaterThanOrEqual(world.added)
          expect(await world.journal()).toMatchObject({ phase: 'done' })
          expect(world.documentVersion).toBe(world.version)
        },
      ),
      { numRuns: 30 },
    )
  })

  /** A request that ends with its signal; what was sent before is performed all the same, within the margin. */
  function abortable(world: RotationWorld): (signal: AbortSignal) => Promise<number> {
    return async (signal) => {
      let isSent = false
      return world.effect('rotate', async () => {
        isSent = !signal.aborted
        if (!isSent) throw failureOf('SM_ABORTED')
        world.version += 1
        world.added += 1
        return Promise.resolve(world.version)
      })
    }
  }

  test('one that began first wins; the other is told to wait', async () => {
    const world = rotationWorld()
    const parts = world.parts({
      facts: async () => {
        const latestVersion = world.version
        if (world.added === 0) {
          // Everything happens between our read of the journal and our note in it.
          await rotate(world.parts(), optionsOf())
        }
        return { latestVersion, createdAt: new Map() }
      },
    })
    const error: unknown = await rotate(parts, optionsOf()).catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: 'SM_K8S_CONFLICT',
      hint: expect.stringContaining('status'),
    })
    expect(world).toMatchObject({ added: 1, done: 1, version: 2 })
  })

  test('who waits for a run that goes on joins it', async () => {
    const world = rotationWorld({ effect: failing('rotate', failureOf('SM_VAULT_TIMEOUT')) })
    await expect(rotate(world.parts(), optionsOf())).rejects.toBeDefined()
    world.effect = (_name, work) => work()
    const parts = world.parts()
    const sleep: typeof parts.runtime.sleep = async () => {
      await rotate(world.parts(), optionsOf())
    }
    const joined = await rotate({ ...parts, runtime: { ...parts.runtime, sleep } }, optionsOf())
    expect(joined).toMatchObject({ from: 1, to: 2, isDone: true })
    expect(world.added).toBe(1)
  })

  test('who waits for a run that was refused stops', async () => {
    const world = rotationWorld({ effect: failing('rotate', failureOf('SM_VAULT_TIMEOUT')) })
    await expect(rotate(world.parts(), optionsOf())).rejects.toBeDefined()
    const parts = world.parts()
    const sleep: typeof parts.runtime.sleep = async () => {
      world.effect = failing('rotate', failureOf('SM_VAULT_DENIED', 403))
      await rotate(world.parts(), optionsOf()).catch(() => undefined)
      world.effect = (_name, work) => work()
    }
    const run = rotate({ ...parts, runtime: { ...parts.runtime, sleep } }, optionsOf())
    await expect(run).rejects.toMatchObject({ code: 'SM_K8S_CONFLICT' })
    expect(world.added).toBe(0)
  })
})

describe('min-age', () => {
  test.each([
    [3_599_000, false],
    [3_600_000, true],
  ])('a key that was rotated %i ms ago is rotated again: %s', async (ageMs, isRotated) => {
    const world = rotationWorld()
    await rotate(world.parts(), optionsOf())
    await world.runtime.advance(ageMs)
    world.documentVersion = 1
    const steps: RotationStep[] = []
    const result = await rotate(world.parts(), optionsOf({ minAgeMs: 3_600_000 }, steps))
    expect(world.added).toBe(isRotated ? 2 : 1)
    expect(result).toMatchObject(isRotated ? { from: 2, to: 3 } : { from: 2, to: 2 })
    // Its documents are rewrapped all the same.
    expect(world.documentVersion).toBe(result.to)
    const young = steps.filter(({ step }) => step === 'young')
    expect(young).toHaveLength(isRotated ? 0 : 1)
  })

  test('a key that was never rotated here is not young', async () => {
    const world = rotationWorld()
    await rotate(world.parts(), optionsOf({ minAgeMs: 3_600_000 }))
    expect(world.added).toBe(1)
  })

  test.each([
    [2, 60_000, 0],
    [2, 3_600_000, 1],
    // It came of no rotation.
    [1, 60_000, 1],
  ])(
    'version %i that Vault says was made %i ms ago, by whomever: %i are added',
    async (version, ageMs, added) => {
      const world = rotationWorld()
      world.version = version
      world.createdAt = new Map([[version, world.runtime.wallClock() - ageMs]])
      await rotate(world.parts(), optionsOf({ minAgeMs: 3_600_000 }))
      expect(world).toMatchObject({ added, documentVersion: version + added })
    },
  )

  test('a run that only rewraps leaves in the journal when the last rotation ended', async () => {
    const world = rotationWorld()
    await rotate(world.parts(), optionsOf())
    const { begunAt, doneAt } = (await world.journal()) ?? {}
    await world.runtime.advance(60_000)
    await rotate(world.parts(), optionsOf({ minAgeMs: 3_600_000 }))
    expect(await world.journal()).toMatchObject({ phase: 'done', begunAt, doneAt })
  })

  test('a rotation that was not ended is, however young it is', async () => {
    const world = rotationWorld({ effect: failing('rotate', failureOf('SM_VAULT_TIMEOUT')) })
    await expect(rotate(world.parts(), optionsOf())).rejects.toBeDefined()
    world.effect = (_name, work) => work()
    await rotate(world.parts(), optionsOf({ minAgeMs: 3_600_000 }))
    expect(world.added).toBe(1)
  })
})

describe('the journal', () => {
  test.each(['POST', 'PATCH'])(
    'a %s whose answer was lost is not taken for another run',
    async (method) => {
      let losses = 0
      const world = rotationWorld({
        effect: async (name, work) => {
          const answer = await work()
          if (name.startsWith(method) && losses++ % 2 === 0)
            throw new TransportFailure('broken', 'the connection ended', 'ECONNRESET')
          return answer
        },
      })
      const result = await rotate(world.parts(), optionsOf())
      expect(result).toMatchObject({ from: 1, to: 2, isDone: true })
      expect(losses).toBeGreaterThan(1)
      expect(world.added).toBe(1)
    },
  )

  test('what somebody else wrote right after us is not overwritten', async () => {
    const world = rotationWorld()
    let isTaken = false
    world.effect = async (name, work) => {
      const answer = await work()
      if (!name.startsWith('POST') || isTaken) return answer
      isTaken = true
      const state = await world.store().read(new AbortController().signal)
      if (state.journal)
        await world
          .store()
          .write({ ...state.journal, run: 'theirs' }, state, new AbortController().signal)
      return answer
    }
    const run = rotate(world.parts(), optionsOf())
    await expect(run).rejects.toMatchObject({ code: 'SM_K8S_CONFLICT' })
    expect(await world.journal()).toMatchObject({ phase: 'rotating', run: 'theirs' })
    expect(world.added).toBe(0)
  })

  test('that of another key, or no journal at all, is refused and left', async () => {
    const world = rotationWorld()
    for (const text of ['{}', 'junk', JSON.stringify({ ...(await journalOfAnother()) })]) {
      const path = '/api/v1/namespaces/default/configmaps'
      const name = 'secretmanager-rotation-app'
      const { adminToken: token } = world
      await world.kubernetes('DELETE', `${path}/${name}`, { token })
      const body = {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name },
        data: { 'journal.json': text },
      }
      expect((await world.kubernetes('POST', path, { token, body })).status).toBe(201)
      const run = rotate(world.parts(), optionsOf())
      await expect(run).rejects.toMatchObject({
        code: 'SM_CONFIG_INVALID',
        hint: expect.stringContaining('delete it'),
      })
      expect(world.added).toBe(0)
    }
  })

  async function journalOfAnother(): Promise<object> {
    const world = rotationWorld()
    await rotate(world.parts(), optionsOf())
    return { ...(await world.journal()), transitKey: 'other' }
  }
})

describe('a journal of another Vault', () => {
  test.each(['rotating', 'done'])(
    'is refused, %s as it is, and nothing is changed',
    async (phase) => {
      const world = rotationWorld()
      await rotate(world.parts(), optionsOf())
      const state = await world.store().read(new AbortController().signal)
      if (state.journal === undefined) throw new Error('there is none')
      const noted = { ...state.journal, phase: phase === 'done' ? 'done' : 'rotating' } as const
      await world.store().write(noted, state, new AbortController().signal)
      world.vault = 'vault-b'
      const error = await rotate(world.parts(), optionsOf()).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'SM_CONFIG_INVALID' })
      expect(world.added).toBe(1)
    },
  )

  test('is not known from one that says no name', async () => {
    const world = rotationWorld()
    await rotate(world.parts(), optionsOf())
    world.vault = undefined
    await rotate(world.parts(), optionsOf())
    expect(world.added).toBe(2)
  })
})
