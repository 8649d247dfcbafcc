/**
 * A service that reads all the time, for a minute in CI, with short tokens, changing dictionaries and
 * servers that fail one way after the other. `SM_SOAK_SECONDS` says how long.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'

import { monotonicMs, peakPerSecond, type Fault, type Front } from '../process/front.ts'
import { buildProgram, startProgram, type Program } from '../process/program.ts'
import type { Closed, Sample, SoakJob, SoakLine, Tick } from '../process/programs/soak.ts'
import { processWorld, type ProcessWorld } from '../process/world.ts'

const SECONDS = Number(process.env['SM_SOAK_SECONDS'] ?? (process.env['CI'] ? 60 : 10))
const MANAGERS = 3
const DEFINITIONS = 6
const READERS = 30
const HEAP_GROWTH_BYTES = 2 << 20
/** The library keeps four idle connections per server. */
const IDLE_FILES = 4 * 2 * MANAGERS
/** Of one session at a server that fails: more is a hot loop. */
const HOT_PER_SECOND = 5
const [FAULT_MS, CALM_MS] = SECONDS < 30 ? [1300, 700] : [2000, 1500]

type Server = 'vault' | 'kubernetes'

/** One way to fail. */
interface Failure {
  readonly server: Server
  readonly name: string
  /** Default {@link FAULT_MS}. */
  readonly forMs?: number
  /** Begins it; what it gives ends it. */
  readonly begin: (world: ProcessWorld) => Promise<() => Promise<void>>
}

/** A failure that was. Times are of the clock that all processes share. */
interface Spell {
  readonly failure: Failure
  readonly from: number
  readonly to: number
}

const refused = async (front: Front): Promise<() => Promise<void>> => {
  await front.refuse()
  return () => front.accept()
}

const failing =
  (server: Server, fault: Fault) =>
  async (world: ProcessWorld): Promise<() => Promise<void>> => {
    world[server].fault(() => fault)
    return async () => world[server].fault(() => undefined)
  }

const answering = (server: Server, status: number, retryAfter?: number): Failure => ({
  server,
  name: `${status}${retryAfter === undefined ? '' : ' with Retry-After'}`,
  begin: failing(server, { kind: 'answer', status, retryAfter }),
})

/** As after a power cut, but only the tokens are gone. */
const revoked: Failure = {
  server: 'vault',
  name: 'revokes tokens',
  begin: async (world) => {
    const timer = setInterval(() => void world.revoke(), 500)
    return async () => clearInterval(timer)
  },
}

/** Longer than a refresh tries: only now what is kept is called stale. */
const outage: Failure = { ...answering('vault', 503), name: '503 for long', forMs: 17_000 }

/** The first few are what a short run has. */
const FAILURES: readonly Failure[] = [
  answering('vault', 503),
  { server: 'kubernetes', name: 'refused', begin: ({ kubernetes }) => refused(kubernetes) },
  revoked,
  answering('vault', 429, 1),
  { server: 'vault', name: 'reset', begin: failing('vault', { kind: 'reset' }) },
  answering('kubernetes', 503),
  { server: 'vault', name: 'hang', begin: failing('vault', { kind: 'hang' }) },
  { server: 'vault', name: 'refused', begin: ({ vault }) => refused(vault) },
  answering('kubernetes', 429, 1),
  { server: 'kubernetes', name: 'hang', begin: failing('kubernetes', { kind: 'hang' }) },
  { server: 'kubernetes', name: 'reset', begin: failing('kubernetes', { kind: 'reset' }) },
  outage,
]

const NAMES = Array.from({ length: DEFINITIONS }, (_none, at) => `app-${at}`)

test(
  `I8, I9, I13, I14, I20: ${SECONDS} s of short tokens, changes and faults: no read fails, nothing grows`,
  { timeout: SECONDS * 1000 + 150_000 },
  async () => {
    const world = await processWorld({
      ...{ tokenTtl: '2s', tokenType: 'service', noDefaultPolicy: false },
    })
    const writer = writerOf(world)
    await writer.round()
    const program = startProgram<SoakLine>(await buildProgram('soak'), jobOf(world), {
      nodeArgs: ['--expose-gc'],
    })
    await program.until(({ kind }) => kind === 'ready', 60_000)
    writer.start()
    const endsAt = monotonicMs() + SECONDS * 1000
    const early = endsAt - SECONDS * 700
    const spells = await failuresUntil(early, world)
    const first = await sampled(program, 1)
    spells.push(...(await failuresUntil(endsAt, world, spells.length)))
    const second = await sampled(program, 2)
    await writer.stop()

    const isCurrent = (line: SoakLine): line is Tick =>
      line.kind === 'tick' && line.oldest.every((version, at) => version === writer.versions[at])
    // Recovery after heal: the longest back-off and a refresh.
    await program.until(isCurrent, 31_000)
    expect(await program.end(30_000)).toEqual({ code: 0, signal: null })
    const closed = program.lines.findLast((line): line is Closed => line.kind === 'closed')

    expect(closed).toMatchObject({ failed: [], mixed: [], backwards: [], unhandled: [], left: [] })
    expect(program.stderr()).toBe('')
    expect(closed?.reads).toBeGreaterThan(SECONDS * 100)
    expect(closed?.events.retry).toBeGreaterThan(0)
    const isStale = (closed?.events.stale ?? 0) > 0
    expect(isStale).toBe(spells.some(({ failure }) => failure === outage))
    expect(spells.flatMap((spell) => hotLoops(spell, world, program.lines))).toEqual([])
    expect(second.heapBytes - first.heapBytes).toBeLessThanOrEqual(HEAP_GROWTH_BYTES)
    expect(second.files - first.files).toBeLessThanOrEqual(IDLE_FILES)
    expect(second.timers).toBeLessThanOrEqual(first.timers + 2)
    report({ spells, first, second, closed, written: writer.written() })
  },
)

function jobOf({ place, kubeconfig, definition }: ProcessWorld): SoakJob {
  return {
    place,
    kubeconfigs: Array.from({ length: MANAGERS }, (_none, at) => kubeconfig(`m${at}`)),
    definitions: NAMES.map(definition),
    readers: READERS,
  }
}

interface Writer {
  /** By definition. */
  readonly versions: readonly number[]
  /** Writes each dictionary once. */
  round(): Promise<void>
  start(): void
  stop(): Promise<void>
  written(): number
}

/** Two entries per dictionary, always of one version. */
function writerOf(world: ProcessWorld): Writer {
  const versions = NAMES.map(() => 0)
  let written = 0
  let going = false
  let done: Promise<void> = Promise.resolve()
  const write = async (at: number): Promise<void> => {
    const version = (versions[at] ?? 0) + 1
    await world.store(NAMES[at] ?? '', { a: version, b: version })
    versions[at] = version
    written += 1
  }
  const loop = async (): Promise<void> => {
    for (let turn = 0; going; turn += 1) {
      await write(turn % DEFINITIONS)
      await pause(150)
    }
  }
  return {
    versions,
    round: async () => {
      for (const at of NAMES.keys()) await write(at)
    },
    start: () => {
      going = true
      done = loop()
    },
    stop: () => {
      going = false
      return done
    },
    written: () => written,
  }
}

/** One after the other, each with a calm after it, as many as fit. */
async function failuresUntil(endsAt: number, world: ProcessWorld, done = 0): Promise<Spell[]> {
  const spells: Spell[] = []
  for (let next = done; ; next += 1) {
    const failure = FAILURES[next % FAILURES.length] ?? revoked
    const { forMs = FAULT_MS } = failure
    if (monotonicMs() + forMs + CALM_MS > endsAt) break
    const end = await failure.begin(world)
    const from = monotonicMs()
    await pause(forMs)
    spells.push({ failure, from, to: monotonicMs() })
    await end()
    await pause(CALM_MS)
  }
  await pause(Math.max(0, endsAt - monotonicMs()))
  return spells
}

async function sampled(program: Program<SoakLine>, nth: number): Promise<Sample> {
  const isSample = (line: SoakLine): line is Sample => line.kind === 'sample'
  program.tell('sample')
  await program.until(() => program.lines.filter(isSample).length === nth, 60_000)
  const sample = program.lines.findLast(isSample)
  if (!sample) throw new Error('no sample')
  return sample
}

/** Sessions that ask more often than a failing server bears; the first second is that of the burst. */
function hotLoops(spell: Spell, world: ProcessWorld, lines: readonly SoakLine[]): string[] {
  const { failure, from, to } = spell
  const isWithin = ({ at }: { readonly at: number }): boolean => at >= from + 1000 && at <= to
  const arrivals = world[failure.server].arrivals.filter(isWithin)
  const sessions = byClient(arrivals)
  const hot = [...sessions].flatMap(([client, own]) => {
    const logins = own.filter(({ path }) => path.endsWith('/login'))
    const perSecond = peakPerSecond(failure === revoked ? logins : own)
    return perSecond > HOT_PER_SECOND ? [`${client}: ${perSecond}/s`] : []
  })
  // Where nothing listens only the client knows how often it asked.
  const ticks = lines.filter((line): line is Tick => line.kind === 'tick' && isWithin(line))
  const asked = ticks.map(({ requests }) => requests[failure.server])
  // It hears of a request when that ends: those that were under way all end together.
  const most = (HOT_PER_SECOND + DEFINITIONS) * MANAGERS
  const isHot = failure !== revoked && Math.max(0, ...asked) > most
  const said = isHot ? [`all: ${Math.max(...asked)} in half a second`] : []
  return [...hot, ...said].map((text) => `${failure.server} ${failure.name}: ${text}`)
}

function byClient<T extends { readonly client: string }>(arrivals: readonly T[]): Map<string, T[]> {
  const sessions = new Map<string, T[]>()
  for (const one of arrivals) sessions.set(one.client, [...(sessions.get(one.client) ?? []), one])
  return sessions
}

function report(run: {
  readonly spells: readonly Spell[]
  readonly first: Sample
  readonly second: Sample
  readonly closed: Closed | undefined
  readonly written: number
}): void {
  const { spells, first, second, closed, written } = run
  const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(2)
  const kinds = new Set(spells.map(({ failure }) => `${failure.server} ${failure.name}`))
  console.log(
    `soak: ${SECONDS} s, ${closed?.reads} reads (slowest ${closed?.slowestMs} ms), ${written} changes, ` +
      `${spells.length} faults of ${kinds.size} kinds; ${JSON.stringify(closed?.events)}; ` +
      `heap ${mib(first.heapBytes)} → ${mib(second.heapBytes)} MiB, ` +
      `files ${first.files} → ${second.files}, timers ${first.timers} → ${second.timers}, waiting ${first.waiting} → ${second.waiting}`,
  )
}
