/** I21 on two API servers, one on etcd and one on SQLite, whose documents are under one Transit key. */
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'

import type { Ran } from '../cli/world.ts'
import {
  CLUSTERS,
  NAMES,
  openClusters,
  type Cluster,
  type Clusters,
  type Manifests,
} from './clusters.ts'
import { serversPresent } from './servers.ts'

/** How often whoever has the old manifests applies them. */
const APPLIED_EACH_MS = 3000
/** Longer than that. */
const SETTLE = '3500ms'
const HOUR_MS = 3_600_000

describe.skipIf(!serversPresent('bao', 'kube', 'etcd', 'kine'))(
  'I21: two clusters, one key',
  () => {
    let world: Clusters

    beforeAll(async () => {
      world = await openClusters()
    })
    afterAll(() => world.close())

    /** What is applied again and again is of before: each begins with a version that is not, and with all of them open. */
    let old: number
    let manifests: Manifests
    beforeEach(async () => {
      expectCode(await world.run(['unretire', '--transit-key', world.key]), 0)
      old = await world.latest()
      manifests = await world.manifests()
      expectCode(await world.run(['rotate', ...world.everywhere]), 0)
    })

    const rewrap = async (): Promise<void> => {
      expectCode(await world.run(['rewrap', ...world.everywhere]), 0)
    }
    const retireArgs = (...more: readonly string[]): readonly string[] => {
      return ['retire', ...world.everywhere, '--keep', '0', '--yes', ...more]
    }
    const retire = (...more: readonly string[]): Promise<Ran> => world.run(retireArgs(...more))
    const expectRetired = async (): Promise<void> => {
      expectCode(await retire('--settle', '0s'), 0)
      expect(await world.minimum()).toBe(old + 1)
      await world.expectAllOpen()
    }

    // The store, and when the first of the old manifests comes: during a look, or while it waits.
    test.each([
      ['east', 0],
      ['east', 2000],
      ['west', 1000],
    ] as const)(
      'while old YAML is applied in %s each 3 s, after %i ms at first, it refuses; then it retires, and all opens',
      async (cluster, afterMs) => {
        const before = await world.minimum()
        const loop = applyOver(world, cluster, manifests, afterMs)
        onTestFinished(loop.end)
        await rewrap()
        const ran = await retire('--settle', SETTLE)
        const says = `not retired: cluster ${cluster} has documents under version ${old}, before ${old + 1}`
        expectCode(ran, 8, says)
        expect(await world.minimum()).toBe(before)
        await loop.end()
        expect(loop.applied()).toBeGreaterThan(0)
        await world.expectAllOpen()
        await rewrap()
        await expectRetired()
      },
    )

    test('while one of them does not answer it refuses, and says which', async () => {
      const before = await world.minimum()
      world.servers.east.pause()
      const ran = await world
        .run(retireArgs('--settle', '0s'), { speed: 10 })
        .finally(() => world.servers.east.resume())
      // Whichever it comes to first: rights, or documents.
      expect(ran.code).toBeOneOf([5, 8])
      expect(ran.stderr).toContain('cluster east')
      expect(await world.minimum()).toBe(before)
      await expectRetired()
    })

    test('one that is not named was looked at within 24 hours, or it refuses', async () => {
      const before = await world.minimum()
      const west = ['retire', ...world.inventory('west'), '--keep', '0', '--yes', '--settle', '0s']
      const late = await world.run(west, { laterMs: 25 * HOUR_MS })
      expectCode(late, 8, 'cluster east was not looked at for 25 hours')
      expect(await world.minimum()).toBe(before)
      expectCode(await world.run(west, { laterMs: 23 * HOUR_MS }), 0)
      expect(await world.minimum()).toBe(old + 1)
      await world.expectAllOpen()
    })

    test.each(CLUSTERS)(
      'its store restored from before, %s is told of, and nothing is retired until all of it opens again',
      async (cluster) => {
        const restore = await world.servers[cluster].backUp()
        expectCode(await world.run(['rotate', ...world.everywhere]), 0)
        expectCode(await retire('--settle', '0s'), 0)
        expect(await world.minimum()).toBe(old + 2)
        await restore()

        expect(await world.failures()).toEqual(
          NAMES.map((name) => `${cluster} ${name} SM_CT_TOO_OLD`),
        )
        const told = await world.run(['status', ...world.everywhere])
        expect(told.code).toBe(8)
        expect(told.stdout).toContain(
          `secretmanager unretire --transit-key ${world.key} --to ${old + 1}`,
        )
        expect((await retire('--settle', '0s')).code).not.toBe(0)
        expect(await world.minimum()).toBe(old + 2)

        const to = ['--to', String(old + 1)]
        expectCode(await world.run(['unretire', '--transit-key', world.key, ...to]), 0)
        await world.expectAllOpen()
        await rewrap()
        expectCode(await retire('--settle', '0s'), 0)
        expect(await world.minimum()).toBe(old + 2)
        await world.expectAllOpen()
      },
    )
  },
)

/** What `kubectl apply` does over and over, from a job that nobody thought of. */
function applyOver(
  world: Clusters,
  cluster: Cluster,
  manifests: Manifests,
  afterMs: number,
): { readonly applied: () => number; readonly end: () => Promise<void> } {
  const stop = new AbortController()
  let applied = 0
  const running = (async () => {
    for (let wait = afterMs; ; wait = APPLIED_EACH_MS) {
      await pause(wait, undefined, { signal: stop.signal }).catch(() => undefined)
      if (stop.signal.aborted) return
      for (const [name, data] of manifests.get(cluster) ?? [])
        await world.apply(cluster, name, data)
      applied += 1
    }
  })()
  const end = async (): Promise<void> => {
    stop.abort()
    await running
  }
  return { applied: () => applied, end }
}

function expectCode({ code, stderr }: Ran, wanted: number, says = ''): void {
  expect({ code, stderr }).toEqual({ code: wanted, stderr: expect.stringContaining(says) })
}
