/** Writers, a rewrap that never rests, rotations and retirements at once; and who looks on. */
import { expect } from 'vitest'

import { tour } from '../../src/rotation/look.ts'
import { retire } from '../../src/rotation/retire.ts'
import type { Entry } from '../../src/rotation/rewrap.ts'
import { rotate } from '../../src/rotation/rotate.ts'
import { contextOf } from '../../src/sealed/binding.ts'
import { formatSealed, parseSealed } from '../../src/sealed/format.ts'
import { wrapDocument } from '../../src/sealed/plaintext.ts'
import type { RotationDesk, Stored } from './rotation-desk.ts'

/** How much is done. */
export interface Load {
  /** Acknowledged writes after which it ends. */
  readonly writes: number
  /** Looks at the documents until `isOver`; tells how often, and how often one did not open. */
  readonly observe: (desk: RotationDesk, isOver: () => boolean) => Promise<Observed>
}

/** What an observer saw; more is only for the log. */
export interface Observed extends Readonly<Record<string, number>> {
  readonly looks: number
  /** Documents that did not open, and stood there unchanged when they were looked at again. */
  readonly unreadable: number
}

/** What came of it. */
export interface Figures {
  acknowledged: number
  refused: number
  rewrapped: number
  cycles: number
}

export const DATA_KEY = 'app.json'

const WRITERS = 8
const OBJECTS = 16
/** Writes of one object that a writer means to do by one read of it. */
const BURST = 4
/** Documents that a writer seals at once. */
const BATCH = 24

/** A document is its count: so many writes were there before. */
export function documentOf(count: number): string {
  return JSON.stringify({ count })
}

/** The text of a document as it is stored. */
export function lineOf({ data }: Stored): string {
  return Buffer.from(data?.[DATA_KEY] ?? '', 'base64').toString()
}

/** I1 and I2: does all of it at once, and expects that no write is lost and that everything opens. */
export async function expectNoneLost(desk: RotationDesk, load: Load): Promise<void> {
  const sealer = new Sealer(desk)
  const counts = new Map<string, number>()
  for (let at = 0; at < OBJECTS; at += 1) {
    const name = `app-${at}`
    await desk.secret(name, { [DATA_KEY]: await sealer.seal(name, 1), sibling: 'as it is' })
  }
  const figures: Figures = { acknowledged: 0, refused: 0, rewrapped: 0, cycles: 0 }
  const stage = { desk, sealer, counts, figures, isOver: () => figures.acknowledged >= load.writes }
  const begun = performance.now()
  const [observed] = await Promise.all([
    load.observe(desk, stage.isOver),
    rewraps(stage),
    rotations(stage),
    ...Array.from({ length: WRITERS }, () => write(stage)),
  ])
  const seconds = Number(((performance.now() - begun) / 1000).toFixed(1))

  const lost = await lostIn(stage)
  console.log(`concurrency: ${JSON.stringify({ ...figures, lost, ...observed, seconds })}`)
  expect(lost).toBe(0)
  expect(observed.unreadable).toBe(0)
  expect(figures.acknowledged).toBeGreaterThanOrEqual(load.writes)
  for (const each of [figures.rewrapped, figures.cycles, observed.looks]) {
    expect(each).toBeGreaterThan(0)
  }
  // And at last nothing is under an old version any more.
  await desk.look('rewrap')
  const { latest_version: latest, min_decryption_version: minimum } = await desk.keyFacts()
  expect(minimum).toBeGreaterThan(1)
  expect(latest).toBeGreaterThan(2)
}

interface Stage {
  readonly desk: RotationDesk
  readonly sealer: Sealer
  /** Acknowledged writes of each object. */
  readonly counts: Map<string, number>
  readonly figures: Figures
  readonly isOver: () => boolean
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
    const place = { kind: 'Secret', namespace: plan.namespace, name, dataKey: DATA_KEY } as const
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

/** Reads a count, and writes the next ones by what it read and was answered; who is refused reads again. */
async function write(stage: Stage): Promise<void> {
  while (!stage.isOver()) {
    const name = `app-${Math.floor(Math.random() * OBJECTS)}`
    let now: Stored | undefined = await stage.desk.get('Secret', name)
    for (let nth = 0; nth < BURST && now; nth += 1) now = await writeNext(stage, name, now)
  }
}

/** @returns what is stored then; `undefined` where somebody else was faster */
async function writeNext(
  { desk, sealer, counts, figures }: Stage,
  name: string,
  now: Stored,
): Promise<Stored | undefined> {
  const { revision } = parseSealed(lineOf(now), name).claims
  const text = await sealer.seal(name, revision + 1)
  const data = { ...now.data, [DATA_KEY]: Buffer.from(text).toString('base64') }
  // Embedded, all of this is one process without sockets: here it is somebody else's turn, and that of timers.
  await new Promise((resolve) => setImmediate(resolve))
  try {
    const written = await desk.replace('Secret', { ...now, data })
    figures.acknowledged += 1
    counts.set(name, (counts.get(name) ?? 0) + 1)
    return written
  } catch (error) {
    if (!String(error).includes(': 409 ')) throw error
    figures.refused += 1
    return undefined
  }
}

function rewraps({ desk, figures, isOver }: Stage): Promise<void> {
  return desk.job({}, async ({ job, sites, runtime }) => {
    const options = { ...quiet(figures), runtime, mode: 'rewrap' } as const
    while (!isOver()) {
      const { latestVersion: latest } = await job.facts(options.signal)
      await tour(sites, { ...options, latest, recrypt: job.recryptTo(latest) })
      await rest(50)
    }
  })
}

async function rotations({ desk, sealer, figures, isOver }: Stage): Promise<void> {
  while (!isOver()) {
    await desk.job({}, async ({ job }) => {
      const options = { ...quiet(figures), onStep: () => undefined }
      await rotate(job.rotation(), { ...options, minAgeMs: 0, verify: true })
      sealer.renew()
      await retire(job.retirement(), { ...options, keep: 1, settleMs: 20, dryRun: false })
    })
    figures.cycles += 1
    await rest(1000)
  }
}

function quiet(figures: Figures): {
  readonly signal: AbortSignal
  readonly onEntry: (entry: Entry) => void
  readonly onPage: () => void
  readonly onUnread: () => void
} {
  return {
    signal: new AbortController().signal,
    onEntry: ({ outcome }) => {
      if (outcome.state === 'rewrapped') figures.rewrapped += 1
      if (outcome.state === 'failed') expect(outcome.error.code).toBe('SM_K8S_CONFLICT')
    },
    onPage: () => undefined,
    onUnread: () => undefined,
  }
}

/** Writes that were acknowledged, and that the last document does not count. */
async function lostIn({ desk, counts }: Stage): Promise<number> {
  let lost = 0
  for (const [name, acknowledged] of counts) {
    const { document, revision = 0 } = await desk.open({ name }, await desk.line(name))
    expect(Buffer.from(document, 'base64').toString()).toBe(documentOf(revision))
    lost += 1 + acknowledged - revision
    expect(await desk.line(name, 'sibling')).toBe('as it is')
  }
  return lost
}

/** Waits, in real time: what is waited for is other processes, or their turn. */
export function rest(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}
