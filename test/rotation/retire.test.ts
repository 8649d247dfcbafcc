/** I21: nothing is retired that anything is still under, as far as anybody knows. */
import { describe, expect, test } from 'vitest'

import type { Journal } from '../../src/rotation/journal-text.ts'
import { retire, type RetirementOptions, type RetirementStep } from '../../src/rotation/retire.ts'
import { rotate } from '../../src/rotation/rotate.ts'
import type { Page, Site } from '../../src/rotation/site.ts'
import type { Stock } from '../../src/rotation/stock.ts'
import {
  Crash,
  crashAt,
  failureOf,
  optionsOf,
  rotationWorld,
  siteOf,
  type RotationWorld,
} from './rotation-world.ts'

const never = new AbortController().signal

function retiring(
  changes: Partial<RetirementOptions> = {},
  steps: RetirementStep[] = [],
): RetirementOptions {
  const { onEntry, onPage, onUnread } = optionsOf()
  return {
    ...{ onEntry, onPage, onUnread },
    signal: never,
    keep: 1,
    settleMs: 10_000,
    dryRun: false,
    onStep: (step) => void steps.push(step),
    ...changes,
  }
}

/** A key of version 3 with its document under it, and a journal that says so. */
async function rotatedWorld(): Promise<RotationWorld> {
  const world = rotationWorld()
  await rotate(world.parts(), optionsOf())
  await rotate(world.parts(), optionsOf())
  return world
}

async function note(world: RotationWorld, changes: Partial<Journal>): Promise<void> {
  const state = await world.store().read(never)
  if (state.journal) await world.store().write({ ...state.journal, ...changes }, state, never)
}

function stockAt(world: RotationWorld, changes: Partial<Stock> = {}): Stock {
  const at = new Date(world.runtime.wallClock()).toISOString()
  return {
    ...{ site: 'cluster east', where: 'cluster east', extent: ['*'], at },
    ...{ isComplete: true, documents: 3, oldest: 3, newest: 3, ...changes },
  }
}

const HOUR = 3_600_000

test.each([
  [0, 3],
  [1, 2],
])('keep %i: version %i and later stay', async (keep, to) => {
  const world = await rotatedWorld()
  const result = await retire(world.retirement(), retiring({ keep }))
  expect(result).toMatchObject({ latest: 3, from: 1, to, reasons: [] })
  expect(world.minima).toEqual({ minDecryptionVersion: to, minEncryptionVersion: 3 })
  const { retirement } = (await world.journal()) ?? {}
  expect(retirement).toMatchObject({ phase: 'done', from: 1, to })
})

test.each([2, 7])('keep %i: all stay, and the journal knows of no retirement', async (keep) => {
  const world = await rotatedWorld()
  const journal = await world.journal()
  const steps: RetirementStep[] = []
  const result = await retire(world.retirement(), retiring({ keep }, steps))
  expect(result).toMatchObject({ latest: 3, from: 1, to: 1, reasons: [] })
  expect(world.minima).toEqual({ minDecryptionVersion: 1, minEncryptionVersion: 3 })
  expect(await world.journal()).toEqual(journal)
  expect(steps).toEqual([{ step: 'look', nth: 1 }])
})

test('a minimum is never lowered', async () => {
  const world = await rotatedWorld()
  world.minima = { minDecryptionVersion: 3, minEncryptionVersion: 0 }
  expect(await retire(world.retirement(), retiring())).toMatchObject({ from: 3, to: 3 })
  expect(world.minima.minDecryptionVersion).toBe(3)
})

test('where nothing is to be retired nothing is written, and nobody is waited for', async () => {
  const world = await rotatedWorld()
  await retire(world.retirement(), retiring())
  const writes: string[] = []
  world.effect = (name, work) => {
    if (name === 'configure' || /^(?:PATCH|POST|PUT)/.test(name)) writes.push(name)
    return work()
  }
  expect(await retire(world.retirement(), retiring())).toMatchObject({
    from: 2,
    to: 2,
    reasons: [],
  })
  expect(writes).toEqual([])
})

const REASONS: readonly (readonly [
  string,
  (world: RotationWorld) => void | Promise<void>,
  string,
])[] = [
  [
    'a document is behind',
    (world) => void (world.documentVersion = 1),
    'cluster default has documents under version 1, before 2: secretmanager rewrap',
  ],
  [
    'a rotation is not finished',
    (world) => note(world, { phase: 'rewrapping' }),
    'a rotation is not finished: secretmanager rotate',
  ],
  [
    'a rotation may be under way',
    (world) => note(world, { phase: 'rotating' }),
    'a rotation is not finished: secretmanager rotate',
  ],
  [
    'another site was looked at too long ago',
    async (world) => {
      await note(world, { sites: { 'cluster east': stockAt(world) } })
      await world.runtime.advance(24 * HOUR + 1)
    },
    'cluster east was not looked at for 24 hours: name it in --inventory, or --forget it',
  ],
  [
    'another site has an old document',
    (world) => note(world, { sites: { 'cluster east': stockAt(world, { oldest: 1 }) } }),
    'cluster east has documents under version 1, before 2: secretmanager rewrap',
  ],
  [
    'another site was not looked at completely',
    (world) => note(world, { sites: { 'cluster east': stockAt(world, { isComplete: false }) } }),
    'cluster east was not looked at completely',
  ],
  [
    'another site has a time that is none',
    (world) => note(world, { sites: { 'cluster east': stockAt(world, { at: 'yesterday' }) } }),
    'it is not known when cluster east was looked at: name it in --inventory, or --forget it',
  ],
  [
    'another site was looked at in days to come',
    async (world) => {
      const at = new Date(world.runtime.wallClock() + 48 * HOUR).toISOString()
      await note(world, { sites: { 'cluster east': stockAt(world, { at }) } })
    },
    'it is not known when cluster east was looked at: name it in --inventory, or --forget it',
  ],
]

describe.each(REASONS)('I21: where %s', (_what, happens, reason) => {
  test.each([false, true])('nothing is retired (dry run: %s)', async (dryRun) => {
    const world = await rotatedWorld()
    await happens(world)
    const before = await world.journal()
    const result = await retire(world.retirement(), retiring({ dryRun }))
    expect(result).toMatchObject({ from: 1, to: 1, reasons: [reason] })
    expect(world.minima).toEqual({ minDecryptionVersion: 1, minEncryptionVersion: 0 })
    expect(await world.journal()).toEqual(before)
  })
})

test('I21: another site that was looked at within 24 hours is not in the way', async () => {
  const world = await rotatedWorld()
  await note(world, { sites: { 'cluster east': stockAt(world) } })
  await world.runtime.advance(23 * HOUR)
  expect(await retire(world.retirement(), retiring())).toMatchObject({ to: 2, reasons: [] })
})

test('I21: a site that is forgotten is not in the way', async () => {
  const world = await rotatedWorld()
  await note(world, { sites: { 'cluster east': stockAt(world, { oldest: 1 }) } })
  await world.store().forget(['cluster east'], never)
  expect(await retire(world.retirement(), retiring())).toMatchObject({ to: 2, reasons: [] })
})

test('I21: what is looked at now counts, not what was noted of it', async () => {
  const world = await rotatedWorld()
  const sites = {
    'cluster default': stockAt(world, {
      site: 'cluster default',
      where: 'cluster default',
      oldest: 1,
    }),
  }
  await note(world, { sites })
  expect(await retire(world.retirement(), retiring())).toMatchObject({ to: 2, reasons: [] })
})

test('I21: a part that could not be looked at is in the way', async () => {
  const world = await rotatedWorld()
  const blind: Site = {
    ...siteOf(world),
    name: 'cluster east',
    async *pages(): AsyncGenerator<Page> {
      yield { objects: [], unread: [failureOf('SM_K8S_UNREACHABLE')], remaining: undefined }
    },
  }
  const parts = world.retirement({ sites: [siteOf(world), blind] })
  const { reasons } = await retire(parts, retiring())
  expect(reasons).toEqual(['cluster east was not looked at completely'])
  expect(world.minima.minDecryptionVersion).toBe(1)
})

describe('I21: an old document that is put back', () => {
  test.each([
    ['while it is waited for that', 2],
    ['right after the last look', 3],
  ])('%s is found by look %i', async (_when, nth) => {
    const world = await rotatedWorld()
    const steps: RetirementStep[] = []
    const onStep = (step: RetirementStep): void => {
      steps.push(step)
      const isNow = nth === 2 ? step.step === 'settle' : step.step === 'raise'
      if (isNow) world.documentVersion = 1
    }
    const result = await retire(world.retirement(), retiring({ onStep }))
    expect(result.reasons.join()).toContain('under version 1')
    expect(result).toMatchObject({ from: 1, to: 1 })
    expect(world.minima.minDecryptionVersion).toBe(1)
    expect(steps.filter(({ step }) => step === 'lower')).toHaveLength(nth === 3 ? 1 : 0)
    const { retirement } = (await world.journal()) ?? {}
    if (nth === 3) expect(retirement).toMatchObject({ phase: 'done', from: 1, to: 1 })
    else expect(retirement).toBeUndefined()
    // Rewrapped, it is no longer in the way.
    world.documentVersion = 3
    expect(await retire(world.retirement(), retiring())).toMatchObject({ to: 2, reasons: [] })
  })

  test('it is waited for as long as was asked', async () => {
    const world = await rotatedWorld()
    const before = world.runtime.sleeps.length
    await retire(world.retirement(), retiring({ settleMs: 4321 }))
    expect(world.runtime.sleeps.slice(before)).toEqual([4321])
  })
})

test('a dry run looks once, and says what would be in the way', async () => {
  const world = await rotatedWorld()
  const before = await world.journal()
  const steps: RetirementStep[] = []
  const result = await retire(world.retirement(), retiring({ dryRun: true }, steps))
  expect(result).toMatchObject({ from: 1, to: 1, reasons: [] })
  expect(steps).toEqual([{ step: 'look', nth: 1 }])
  expect(world.minima).toEqual({ minDecryptionVersion: 1, minEncryptionVersion: 0 })
  expect(await world.journal()).toEqual(before)
})

describe('I4: a crash at any effect', () => {
  const rows = Array.from({ length: 20 }, (_, at) => at + 1).flatMap((at) => [
    [at, 'before', false] as const,
    [at, 'after', true] as const,
  ])

  test.each(rows)(
    '%i, %s it is performed: the next run ends as one would have',
    async (at, _when, isAfter) => {
      const world = await rotatedWorld()
      world.effect = crashAt(at, isAfter)
      await retire(world.retirement(), retiring()).catch((error: unknown) => {
        expect(error).toBeInstanceOf(Crash)
      })
      world.effect = (_name, work) => work()
      const result = await retire(world.retirement(), retiring())
      expect(result).toMatchObject({ to: 2, reasons: [] })
      expect(world.minima).toEqual({ minDecryptionVersion: 2, minEncryptionVersion: 3 })
      expect((await world.journal())?.retirement?.phase).not.toBe('raising')
    },
  )

  test('what was raised and not looked at is lowered, where an old document turns up', async () => {
    const world = await rotatedWorld()
    let isRaised = false
    world.effect = async (name, work) => {
      if (isRaised) throw new Crash()
      const result = await work()
      isRaised = name === 'configure' && world.minima.minDecryptionVersion > 1
      return result
    }
    await expect(retire(world.retirement(), retiring())).rejects.toBeInstanceOf(Crash)
    world.effect = (_name, work) => work()
    expect(world.minima.minDecryptionVersion).toBe(2)
    expect(await world.journal()).toMatchObject({ retirement: { phase: 'raising' } })
    world.documentVersion = 1
    const steps: RetirementStep[] = []
    const result = await retire(world.retirement(), retiring({}, steps))
    expect(steps[0]).toMatchObject({ step: 'resume', retirement: { from: 1, to: 2 } })
    expect(result).toMatchObject({ from: 1, to: 1 })
    expect(world.minima.minDecryptionVersion).toBe(1)
  })
})

test('a rotation that begins meanwhile ends the retirement before anything is raised', async () => {
  const world = await rotatedWorld()
  const parts = world.retirement()
  const sleep: typeof parts.runtime.sleep = async () => {
    await rotate(world.parts(), optionsOf())
  }
  const run = retire({ ...parts, runtime: { ...parts.runtime, sleep } }, retiring())
  const said: unknown = await run.then(
    ({ reasons }) => reasons.length,
    (error: unknown) => Reflect.get(Object(error), 'code'),
  )
  // By what it sees, or by the journal that somebody else wrote.
  expect([1, 'SM_K8S_CONFLICT']).toContain(said)
  expect(world.minima.minDecryptionVersion).toBe(1)
})

test('one that is given up while it waits raises nothing', async () => {
  const world = await rotatedWorld()
  const controller = new AbortController()
  const onStep = ({ step }: RetirementStep): void => {
    if (step === 'settle') controller.abort()
  }
  const run = retire(world.retirement(), retiring({ signal: controller.signal, onStep }))
  await expect(run).rejects.toMatchObject({ code: 'SM_ABORTED' })
  expect(world.minima.minDecryptionVersion).toBe(1)
})

test('of two at the same instant one goes on', async () => {
  const world = await rotatedWorld()
  let writes = 0
  let release: () => void = () => undefined
  const both = new Promise<void>((resolve) => {
    release = resolve
  })
  // Both have read the same, and both write the same.
  world.effect = async (name, work) => {
    if (name.startsWith('PATCH') && ++writes <= 2) {
      if (writes === 2) release()
      await both
    }
    return work()
  }
  const runs = [1, 2].map(() => retire(world.retirement(), retiring({ settleMs: 0 })))
  const ended = await Promise.allSettled(runs)
  const codes = ended.map((each) => (each.status === 'fulfilled' ? 0 : each.reason.code))
  expect(codes.toSorted()).toEqual([0, 'SM_K8S_CONFLICT'])
  expect(world.minima.minDecryptionVersion).toBe(2)
  expect(await world.journal()).toMatchObject({ retirement: { phase: 'done', to: 2 } })
})
