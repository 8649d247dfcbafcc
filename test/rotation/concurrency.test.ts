/** Writers, a rewrap that never rests, rotations and retirements at once; and who looks on. */
import { expect, test } from 'vitest'

import { retire } from '../../src/rotation/retire.ts'
import { tour } from '../../src/rotation/look.ts'
import type { Entry } from '../../src/rotation/rewrap.ts'
import { rotate } from '../../src/rotation/rotate.ts'
import { contextOf } from '../../src/sealed/binding.ts'
import { formatSealed, parseSealed } from '../../src/sealed/format.ts'
import { wrapDocument } from '../../src/sealed/plaintext.ts'
import { embeddedWorld } from '../contracts/embedded-world.ts'
import { rotationDesk, type RotationDesk, type Stored } from '../contracts/rotation-desk.ts'
import { optionsOf } from './rotation-world.ts'

const WRITERS = 8
const OBJECTS = 32
const WRITES = 10_000
/** Documents that a writer seals at once. */
const BATCH = 24

/** A document is its count: so many writes were there before. */
function documentOf(count: number): string {
  return JSON.stringify({ count })
}

function lineOf({ data }: Stored): string {
  return Buffer.from(data?.['app.json'] ?? '', 'base64').toString()
}

/** Documents that come next, sealed ahead under the version that was the latest then. */
class Sealer {
  readonly #desk: RotationDesk
  #ahead = new Map<string, string>()

  constructor(desk: RotationDesk) {
    this.#desk = desk
  }

  /** Forgets what was sealed: from now on there is a later version. */
  renew(): void {
    this.#ahead = new Map()
  }

  async seal(name: string, count: number): Promise<string> {
    const known = this.#ahead.get(`${name} ${count}`)
    if (known !== undefined) return known
    const ahead = this.#ahead
    const { key, plan, vault } = this.#desk
    const place = { kind: 'Secret', namespace: plan.namespace, name, dataKey: 'app.json' } as const
    const context = Buffer.from(contextOf(place, 'strict', 'default')).toString('base64')
    const counts = Array.from({ length: BATCH }, (_, at) => count + at)
    const batch_input = counts.map((each) => {
      const wrapped = wrapDocument(each, Buffer.from(documentOf(each)))
      return { plaintext: Buffer.from(wrapped).toString('base64'), context }
    })
    const path = `${key.mount}/encrypt/${key.transitKey}`
    const { batch_results } = (await vault('POST', path, { batch_input })) as {
      batch_results: { ciphertext: string }[]
    }
    const texts = counts.map((revision, at) =>
      formatSealed({ ...key, scope: 'strict', revision }, batch_results[at]?.ciphertext ?? ''),
    )
    for (const [at, each] of counts.entries()) ahead.set(`${name} ${each}`, texts[at] ?? '')
    return texts[0] ?? ''
  }
}

/** What came of it. */
interface Figures {
  acknowledged: number
  refused: number
  rewrapped: number
  cycles: number
  looks: number
  unreadable: number
}

/** Reads the count, and writes the next one by what it read; who is refused reads again. */
async function write(
  desk: RotationDesk,
  sealer: Sealer,
  figures: Figures,
  counts: Map<string, number>,
): Promise<void> {
  while (figures.acknowledged < WRITES) {
    const name = `app-${Math.floor(Math.random() * OBJECTS)}`
    const now = await desk.get('Secret', name)
    const { revision } = parseSealed(lineOf(now), name).claims
    const text = await sealer.seal(name, revision + 1)
    const data = { ...now.data, 'app.json': Buffer.from(text).toString('base64') }
    // All of this is one process without sockets: here it is somebody else's turn, and that of timers.
    await new Promise((resolve) => setImmediate(resolve))
    try {
      await desk.replace('Secret', { ...now, data })
      figures.acknowledged += 1
      counts.set(name, (counts.get(name) ?? 0) + 1)
    } catch (error) {
      if (!String(error).includes(': 409 ')) throw error
      figures.refused += 1
    }
  }
}

function versionOf(object: Stored): number {
  return Number(/vault:v(\d+):/.exec(lineOf(object))?.[1])
}

function rest(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** I2: what stands still while the minimum is read is under no version below it. */
async function look(desk: RotationDesk, figures: Figures): Promise<void> {
  const path = `/api/v1/namespaces/${desk.plan.namespace}/secrets`
  const list = async (): Promise<readonly Stored[]> =>
    ((await desk.kubernetes('GET', path)) as { items: readonly Stored[] }).items
  const before = await list()
  const minimum = Number((await desk.keyFacts())['min_decryption_version'])
  figures.looks += 1
  const below = before.filter((each) => versionOf(each) < minimum)
  if (below.length === 0) return
  const after = new Set((await list()).map(({ metadata }) => metadata.resourceVersion))
  figures.unreadable += below.filter(({ metadata }) => after.has(metadata.resourceVersion)).length
}

test('I1 and I2: 10,000 writes beside a rewrap, rotations and retirements: none is lost, and everything opens at every instant', async () => {
  const desk = await rotationDesk(embeddedWorld())
  const sealer = new Sealer(desk)
  const counts = new Map<string, number>()
  for (let at = 0; at < OBJECTS; at += 1) {
    const name = `app-${at}`
    await desk.secret(name, { 'app.json': await sealer.seal(name, 1), sibling: 'as it is' })
  }
  const figures: Figures = {
    ...{ acknowledged: 0, refused: 0, rewrapped: 0, cycles: 0, looks: 0, unreadable: 0 },
  }
  const isOver = (): boolean => figures.acknowledged >= WRITES
  const onEntry = ({ outcome }: Entry): void => {
    if (outcome.state === 'rewrapped') figures.rewrapped += 1
    if (outcome.state === 'failed') expect(outcome.error.code).toBe('SM_K8S_CONFLICT')
  }
  const rewraps = (): Promise<void> =>
    desk.job({}, async ({ job, sites, runtime }) => {
      const options = { ...optionsOf({ onEntry }), runtime, mode: 'rewrap' } as const
      while (!isOver()) {
        const { latestVersion: latest } = await job.facts(options.signal)
        await tour(sites, { ...options, latest, recrypt: job.recryptTo(latest) })
        await rest(50)
      }
    })
  const rotations = async (): Promise<void> => {
    while (!isOver()) {
      await desk.job({}, async ({ job }) => {
        const options = optionsOf({ onEntry })
        await rotate(job.rotation(), options)
        sealer.renew()
        const measure = { keep: 1, settleMs: 20, dryRun: false, onStep: () => undefined }
        await retire(job.retirement(), { ...options, ...measure })
      })
      figures.cycles += 1
      await rest(1000)
    }
  }
  const looks = async (): Promise<void> => {
    while (!isOver()) {
      await look(desk, figures)
      await rest(10)
    }
  }
  const begun = performance.now()
  const writers = Array.from({ length: WRITERS }, () => write(desk, sealer, figures, counts))
  await Promise.all([...writers, rewraps(), rotations(), looks()])
  const seconds = ((performance.now() - begun) / 1000).toFixed(1)

  let lost = 0
  for (const [name, acknowledged] of counts) {
    const opened = await desk.open({ name }, await desk.line(name))
    expect(Buffer.from(opened.document, 'base64').toString()).toBe(documentOf(opened.revision ?? 0))
    lost += 1 + acknowledged - (opened.revision ?? 0)
    expect(await desk.line(name, 'sibling')).toBe('as it is')
  }
  console.log(`concurrency: ${JSON.stringify({ ...figures, lost, seconds })}`)
  expect(lost).toBe(0)
  expect(figures.unreadable).toBe(0)
  expect(figures.acknowledged).toBeGreaterThanOrEqual(WRITES)
  for (const each of [figures.rewrapped, figures.cycles, figures.looks]) {
    expect(each).toBeGreaterThan(0)
  }
  // And at last nothing is under an old version any more.
  await desk.look('rewrap')
  const { latest_version: latest, min_decryption_version: minimum } = await desk.keyFacts()
  expect(minimum).toBeGreaterThan(1)
  expect(latest).toBeGreaterThan(2)
}, 300_000)
