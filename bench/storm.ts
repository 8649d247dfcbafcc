/** A fleet that starts at once while Vault refuses to serve, and then serves. */
import { join } from 'node:path'
import type { Benchmark } from './bench.ts'
import {
  monotonicMs,
  peakPerSecond,
  startFaultProxy,
  type Answer,
  type Fault,
  type FaultProxy,
  type Seen,
} from './fault-proxy.ts'
import { figure, type Figure } from './figure.ts'
import { nodeProgram, run } from './process.ts'
import { median, quantile } from './statistics.ts'

const MANAGERS = 1000
const PROCESSES = 4
/** What a thousand managers take to be made on two cores: less, and the machine would be the fault. */
const RAMP_MS = 1000
/** What is left to the processes to load the package. */
const LOAD_MS = 3000
const FAULT_MS = 5000
const P99_GOAL_MS = 3000

/** Budget of one manager at one backend: retries at once, and per second from then on. */
const BURST = 3
const PER_SECOND = 1
/** A login and a decrypt, each of which may be tried once without asking the budget. */
const FIRST_ATTEMPTS = 2

const ANSWERS: readonly Answer[] = [
  { status: 429, retryAfter: '1' },
  { status: 503 },
  { status: 429 },
  { status: 503 },
]

/** What `programs/storm.mjs` prints of a manager. */
interface Outcome {
  readonly startedAt: number
  readonly endedAt: number
  /** Code of the error. */
  readonly failed?: string
}

interface Storm {
  readonly outcomes: readonly Outcome[]
  readonly seen: readonly Seen[]
  readonly healedAt: number
}

export const storm: Benchmark = async (context) => {
  const [rig, installation] = [await context.rig(), await context.installation()]
  const storms: Storm[] = []
  const calm: Storm[] = []
  const rounds = Math.min(3, Math.max(1, Math.floor(context.samples / 10)))
  for (let round = 0; round < rounds; round += 1) {
    const proxy = await startFaultProxy(rig.upstreams.vault, { tls: false })
    try {
      const urls = { kubernetes: rig.upstreams.kubernetes.url, vault: proxy.url }
      const { zeroRbac } = await rig.jobsAt(`storm-${round}`, urls)
      const start = once(join(installation.directory, 'storm.mjs'), zeroRbac, proxy)
      calm.push(await start(0))
      storms.push(await start(FAULT_MS))
    } finally {
      await proxy.close()
    }
  }
  return [...figures(storms), calmPart(calm)]
}

type Start = (faultMs: number) => Promise<Storm>

/** Starts the fleet, all of it new, while Vault refuses to serve for so long. */
function once(file: string, job: string, proxy: FaultProxy): Start {
  return async (faultMs) => {
    const before = proxy.seen.length
    const start = monotonicMs() + LOAD_MS
    const healedAt = start + faultMs
    proxy.fault(faultUntil(healedAt))
    const each = MANAGERS / PROCESSES
    const programs = Array.from({ length: PROCESSES }, (_none, at) =>
      nodeProgram('storm', file, [job, ...[at * each, each, start, RAMP_MS].map(String)]),
    )
    const printed = await Promise.all(programs.map((program) => run(program)))
    const outcomes = printed.flatMap(({ stdout }) => JSON.parse(stdout) as Outcome[])
    return { outcomes, seen: proxy.seen.slice(before), healedAt }
  }
}

function faultUntil(healedAt: number): Fault {
  let count = 0
  return ({ at }) => {
    if (at >= healedAt) return undefined
    count += 1
    return ANSWERS[count % ANSWERS.length]
  }
}

function figures(storms: readonly Storm[]): Figure[] {
  const samples = storms.length
  const worst = (of: (storm: Storm) => number): number => Math.max(...storms.map(of))
  const failed = storms.flatMap(({ outcomes }) => outcomes.flatMap((one) => one.failed ?? []))
  const starts = storms.flatMap(({ outcomes }) => outcomes.map(({ startedAt }) => startedAt))
  const p99 = (one: Storm): number => quantile(afterHeal(one), 0.99) / 1000
  const all = storms.flatMap(afterHeal).map((ms) => ms / 1000)
  const spreadOf = [0.5, 0.9, 0.99, 1].map((p) => quantile(all, p).toFixed(1)).join(', ')
  const says = `${MANAGERS} managers in ${PROCESSES} processes start within ${RAMP_MS / 1000} s; all requests are answered 429 (half with Retry-After: 1) or 503 for ${FAULT_MS / 1000} s from the first start; plain HTTP on loopback up to the proxy, as a thousand TLS handshakes at once would measure the machine`
  const budget = MANAGERS * (FIRST_ATTEMPTS + BURST + PER_SECOND)
  return [
    figure('storm', {
      value: failed.length,
      unit: 'failed reads',
      goal: 0,
      samples,
      note: `of ${starts.length}; ${says}${failed.length > 0 ? `; ${[...new Set(failed)].join(', ')}` : ''}`,
    }),
    figure('storm.logins', {
      value: worst((one) => Math.max(0, ...loginsOf(one).values())),
      unit: 'logins',
      goal: 1,
      met: storms.every((one) => loginsOf(one).size === MANAGERS && isOneEach(one)),
      samples,
      note: `successful ones, the most of any manager; ${storms.map((one) => total(loginsOf(one))).join(', ')} in all`,
    }),
    figure('storm.peak', {
      value: worst(({ seen }) => peakPerSecond(seen)),
      unit: 'requests/s',
      goal: budget,
      samples,
      note: `the most of any second at the proxy, ${median(storms.map(({ seen }) => seen.length))} requests in all; budget: ${MANAGERS} × (${FIRST_ATTEMPTS} first attempts + burst ${BURST} + ${PER_SECOND}/s)`,
    }),
    figure('storm.excess', {
      value: worst(({ seen }) => Math.max(...byClient(seen).map(excess))),
      unit: 'requests',
      goal: 0,
      samples,
      note: `the most by which any manager was over its own budget in any stretch of time: ${FIRST_ATTEMPTS} + ${BURST} + ${PER_SECOND}/s`,
    }),
    figure('storm.p99', {
      value: worst(p99),
      unit: 's',
      goal: P99_GOAL_MS / 1000,
      samples,
      note: `first secret after heal, p99 of the worst storm; median, p90, p99, last of all: ${spreadOf} s`,
    }),
    figure('storm.return', {
      value: worst((one) => quantile(returns(one), 0.99) / 1000),
      unit: 's',
      samples,
      note: 'what of storm.p99 is back-off: from heal until a manager asks again, p99; the rest is the machine, see storm.calm',
    }),
  ]
}

/** What the machine itself takes: the same fleet where nothing fails. */
function calmPart(calm: readonly Storm[]): Figure {
  const all = calm.map((one) => quantile(afterHeal(one), 0.99) / 1000)
  const failed = calm.flatMap(({ outcomes }) => outcomes.filter((one) => one.failed !== undefined))
  return figure('storm.calm', {
    value: median(all),
    unit: 's',
    samples: calm.length,
    note: `the floor of storm.p99 on this machine: the same ${MANAGERS} managers, none of whose requests is refused, p99 from their start; ${failed.length} failed`,
  })
}

/** Of managers that had to wait for it; of those that started later, from their start. */
function afterHeal({ outcomes, healedAt }: Storm): number[] {
  return outcomes.map(({ startedAt, endedAt }) => endedAt - Math.max(healedAt, startedAt))
}

/** For each manager that was refused, how long after heal its next request arrived. */
function returns({ seen, healedAt }: Storm): number[] {
  return byClient(seen)
    .filter((own) => own.some(({ at }) => at < healedAt))
    .map((own) => Math.min(...own.map(({ at }) => at).filter((at) => at >= healedAt)) - healedAt)
}

function loginsOf({ seen }: Storm): Map<string, number> {
  const logins = new Map<string, number>()
  for (const { client, path, status } of seen) {
    if (path.endsWith('/login') && status === 200) logins.set(client, (logins.get(client) ?? 0) + 1)
  }
  return logins
}

function isOneEach(one: Storm): boolean {
  return [...loginsOf(one).values()].every((count) => count === 1)
}

function total(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0)
}

function byClient(seen: readonly Seen[]): Seen[][] {
  const clients = new Map<string, Seen[]>()
  for (const one of seen) {
    const own = clients.get(one.client)
    if (own) own.push(one)
    else clients.set(one.client, [one])
  }
  return [...clients.values()]
}

/** By how many requests the busiest stretch of time is above the budget; 0 where none is. */
function excess(own: readonly Seen[]): number {
  const times = own.map(({ at }) => at).toSorted((a, b) => a - b)
  const over = times.flatMap((from, first) =>
    times.slice(first).map((to, more) => {
      const allowed = FIRST_ATTEMPTS + BURST + (PER_SECOND * (to - from)) / 1000
      return more + 1 - allowed
    }),
  )
  return Math.max(0, ...over)
}
