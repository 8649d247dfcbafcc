/**
 * A power cut: services start before anybody has unsealed Vault.
 *
 * The whole of it, a hundred processes for five minutes:
 * `SM_SEALED_START=100x1x300 npx vitest run --project unit test/process/sealed-start.test.ts`
 */
import { expect, test } from 'vitest'

import { monotonicMs, peakPerSecond, type Arrival } from './front.ts'
import { buildProgram, startProgram } from './program.ts'
import type { FleetJob, FleetLine } from './programs/fleet.ts'
import { processWorld } from './world.ts'

/** Processes, managers in each, and seconds for which Vault stays sealed. */
const [PROCESSES = 0, MANAGERS = 0, SEALED_S = 0] = (
  process.env['SM_SEALED_START'] ?? (process.env['CI'] ? '20x5x10' : '6x5x3')
)
  .split('x')
  .map(Number)

const READY_WITHIN_MS = 31_000
/** What so many processes may take to start on a busy machine. */
const START_MS = 60_000 + PROCESSES * 1000
const BURST = 3
/** A login may be tried once without asking the budget. */
const FIRST_ATTEMPTS = 1
/** A busy machine hears of evenly spaced requests in clusters. */
const JITTER = 2

type Waiting = Extract<FleetLine, { kind: 'waiting' }>
const isWaiting = (line: FleetLine): line is Waiting => line.kind === 'waiting'
type Ready = Extract<FleetLine, { kind: 'ready' }>
const isReady = (line: FleetLine): line is Ready => line.kind === 'ready'

test(
  `V4, I13: ${PROCESSES * MANAGERS} managers in ${PROCESSES} processes start while Vault is sealed for ${SEALED_S} s: none gives up, all are ready within 31 s after`,
  { timeout: 3 * START_MS + SEALED_S * 1000 },
  async () => {
    const world = await processWorld()
    await world.store('app', { redis_url: 'redis://redis.example' })
    await world.mount('app')
    await world.seal()
    const file = await buildProgram('fleet')
    const fleet = Array.from({ length: PROCESSES }, (_none, index) =>
      startProgram<FleetLine>(file, jobOf(world, index)),
    )
    await Promise.all(fleet.map((program) => program.until(saysWhy, START_MS)))
    await passed(SEALED_S * 1000)
    const sealed = [...world.vault.arrivals]
    expect(fleet.flatMap(({ lines }) => lines).filter((line) => !isWaiting(line))).toEqual([])

    await world.unseal()
    const unsealedAt = monotonicMs()
    await Promise.all(
      fleet.map((program) => program.until(({ kind }) => kind === 'all ready', START_MS)),
    )
    const ready = fleet.flatMap(({ lines }) => lines.filter(isReady))
    expect(ready).toHaveLength(PROCESSES * MANAGERS)
    expect(ready.every((line) => line.isReady)).toBe(true)
    const afterMs = ready.map(({ at }) => at - unsealedAt).toSorted((a, b) => a - b)
    expect(afterMs.at(-1)).toBeLessThanOrEqual(READY_WITHIN_MS)

    expect(fleet.map(({ ended }) => ended())).toEqual(fleet.map(() => undefined))
    const ends = await Promise.all(fleet.map((program) => program.end(30_000)))
    expect(ends).toEqual(fleet.map(() => ({ code: 0, signal: null })))
    expect(fleet.map(({ stderr }) => stderr()).join('')).toBe('')

    const clients = byClient(sealed)
    expect(clients.size).toBe(PROCESSES * MANAGERS)
    expect(Math.max(...[...clients.values()].map(excess))).toBeLessThanOrEqual(JITTER)
    const after = [...byClient(world.vault.arrivals.slice(sealed.length)).values()]
    expect(new Set(after.map(successfulLogins))).toEqual(new Set([1]))
    if (process.env['SM_SEALED_START']) report(sealed, afterMs)
  },
)

function jobOf(world: Awaited<ReturnType<typeof processWorld>>, index: number): FleetJob {
  const { place, definition } = world
  return { place, definition: definition('app'), first: index * MANAGERS, count: MANAGERS }
}

/** All of a process's managers say that they are not ready, and why. */
function saysWhy(line: FleetLine): boolean {
  if (!isWaiting(line) || line.notReady < MANAGERS) return false
  return line.reasons.SM_VAULT_SEALED === MANAGERS && line.hint !== undefined
}

function byClient(arrivals: readonly Arrival[]): ReadonlyMap<string, readonly Arrival[]> {
  const clients = new Map<string, Arrival[]>()
  for (const arrival of arrivals) {
    const own = clients.get(arrival.client)
    if (own) own.push(arrival)
    else clients.set(arrival.client, [arrival])
  }
  return clients
}

/** By how many requests the busiest stretch of time is above the budget. */
function excess(own: readonly Arrival[]): number {
  const over = own.flatMap((from, first) =>
    own.slice(first).map((to, more) => {
      const allowed = FIRST_ATTEMPTS + BURST + (to.at - from.at) / 1000
      return more + 1 - allowed
    }),
  )
  return Math.max(0, ...over)
}

function successfulLogins(own: readonly Arrival[]): number {
  return own.filter(({ path, status }) => path.endsWith('/login') && status === 200).length
}

function report(sealed: readonly Arrival[], afterMs: readonly number[]): void {
  const at = (share: number): string =>
    ((afterMs[Math.ceil(afterMs.length * share) - 1] ?? 0) / 1000).toFixed(1)
  const perSecond = (sealed.length / SEALED_S).toFixed(1)
  console.log(
    `while sealed ${sealed.length} requests, ${perSecond}/s, ${peakPerSecond(sealed)} in the busiest second; ` +
      `ready after unsealing: median ${at(0.5)} s, p99 ${at(0.99)} s, last ${at(1)} s`,
  )
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}
