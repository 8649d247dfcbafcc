/** Services that read all the time, and a look at what that costs their process. */
import { readdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { listen, SecretManager, type SecretDefinition } from 'secretmanager'

import type { Place } from '../world.ts'

export interface SoakJob {
  readonly place: Pick<Place, 'vaultUrl' | 'role'>
  /** A SecretManager for each. */
  readonly kubeconfigs: readonly string[]
  readonly definitions: readonly SecretDefinition[]
  readonly readers: number
}

/** What is printed. Times are of the clock that all processes share. */
export type SoakLine = Ready | Tick | Sample | Closed

interface Ready {
  readonly kind: 'ready'
}

/** Twice a second. */
export interface Tick {
  readonly kind: 'tick'
  readonly at: number
  /** Requests since the last one. */
  readonly requests: Readonly<Record<'vault' | 'kubernetes' | 'google', number>>
  /** The oldest version that any manager serves, by definition. */
  readonly oldest: readonly number[]
  /** Why definitions of the first manager are stale. */
  readonly troubles: readonly string[]
}

/** After a moment of rest and a forced collection. */
export interface Sample {
  readonly kind: 'sample'
  readonly heapBytes: number
  readonly files: number
  /** Without the readers' own. */
  readonly timers: number
  /** Reads that wait. */
  readonly waiting: number
}

export interface Closed {
  readonly kind: 'closed'
  readonly reads: number
  readonly slowestMs: number
  readonly events: Readonly<Record<'stale' | 'fresh' | 'retry' | 'login', number>>
  /** Each of these must be empty; at most ten of each are told. */
  readonly failed: readonly string[]
  readonly mixed: readonly string[]
  readonly backwards: readonly string[]
  readonly unhandled: readonly string[]
  /** What is left after close(). */
  readonly left: readonly string[]
}

const job = JSON.parse(process.argv[2] ?? '') as SoakJob
const print = (line: SoakLine): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

const bad = { failed: [], mixed: [], backwards: [], unhandled: [] } as Record<
  'failed' | 'mixed' | 'backwards' | 'unhandled',
  string[]
>
const note = (what: keyof typeof bad, text: string): void => {
  if (bad[what].length < 10) bad[what].push(text)
}
process.on('unhandledRejection', (reason) => note('unhandled', String(reason)))
process.on('uncaughtException', (error) => note('unhandled', String(error)))
process.on('warning', (warning) => note('unhandled', String(warning)))

const requests = { vault: 0, kubernetes: 0, google: 0 }
const events = { stale: 0, fresh: 0, retry: 0, login: 0 }
const stops = [
  listen('request', ({ backend }) => void (requests[backend] += 1)),
  listen('stale', () => void (events.stale += 1)),
  listen('fresh', () => void (events.fresh += 1)),
  listen('retry', () => void (events.retry += 1)),
  listen('login', () => void (events.login += 1)),
]

const managers = job.kubeconfigs.map((kubeconfig, index) => managerOf(kubeconfig, index))
/** By manager and definition, the version that was read last. */
const seen = managers.map(() => job.definitions.map(() => 0))
let reads = 0
let waiting = 0
let slowestMs = 0
let isResting = false
let isEnding = false

await Promise.all(managers.flatMap((_none, at) => job.definitions.map((_also, of) => read(at, of))))
print({ kind: 'ready' })
const ticks = setInterval(tick, 500)
const readers = Array.from({ length: job.readers }, (_none, number) => reader(number))
for await (const word of createInterface({ input: process.stdin })) {
  if (word === 'sample') await sample()
}
await end()

function managerOf(kubeconfig: string, index: number): SecretManager {
  const { vaultUrl: url, role } = job.place
  return new SecretManager({
    timeout: '1s',
    vault: { url, namespace: `m${index}`, auth: { method: 'kubernetes', role } },
    kubernetes: { kubeconfig, namespace: 'app', serviceAccount: 'app' },
    cache: { refreshAfter: 500, keepAtMost: '10m' },
  })
}

async function reader(number: number): Promise<void> {
  for (let turn = number; !isEnding; turn += 1) {
    const of = Math.floor(turn / managers.length) % job.definitions.length
    if (!isResting) await read(turn % managers.length, of)
    await pause(isResting ? 50 : 5)
  }
}

async function read(at: number, of: number): Promise<void> {
  const [manager, definition, versions] = [managers[at], job.definitions[of], seen[at]]
  if (!manager || !definition || !versions) throw new TypeError('no such reader')
  const startedAt = performance.now()
  waiting += 1
  try {
    const { a, b } = await manager.readSecrets(definition)
    reads += 1
    slowestMs = Math.max(slowestMs, performance.now() - startedAt)
    const last = versions[of] ?? 0
    const told = `${definition.secretName}: ${Number(a)} and ${Number(b)} after ${last}`
    if (a !== b || typeof a !== 'number') note('mixed', told)
    if (Number(a) < last) note('backwards', told)
    versions[of] = Number(a)
  } catch (error) {
    note('failed', String(error))
  } finally {
    waiting -= 1
  }
}

function tick(): void {
  const oldest = job.definitions.map((_none, of) =>
    Math.min(...seen.map((versions) => versions[of] ?? 0)),
  )
  const { definitions = [] } = managers[0]?.status() ?? {}
  const troubles = definitions.flatMap(({ trouble }) => trouble?.message ?? [])
  print({ kind: 'tick', at: now(), requests: { ...requests }, oldest, troubles })
  Object.assign(requests, { vault: 0, kubernetes: 0, google: 0 })
}

function now(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}

async function sample(): Promise<void> {
  isResting = true
  await pause(500)
  // Reads that wait for a server that was away a moment ago.
  for (let more = 0; waiting > 0 && more < 100; more += 1) await pause(50)
  for (let again = 0; again < 4; again += 1) {
    globalThis.gc?.()
    await pause(10)
  }
  const all = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const timers = all - (job.readers - waiting)
  const heapBytes = process.memoryUsage().heapUsed
  print({ kind: 'sample', heapBytes, files: readdirSync('/proc/self/fd').length, timers, waiting })
  isResting = false
}

async function end(): Promise<void> {
  isEnding = true
  await Promise.all(readers)
  clearInterval(ticks)
  for (const stop of stops) stop()
  await Promise.all(managers.map((manager) => manager.close()))
  await pause(100)
  const left = process.getActiveResourcesInfo().filter((name) => !/^(TTY|Pipe)Wrap$/.test(name))
  print({ kind: 'closed', reads, slowestMs: Math.round(slowestMs), events, ...bad, left })
}
