/** The same faults for a service with our library and one with node-vault, in front of a real Vault. */
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Benchmark, Context } from './bench.ts'
import {
  monotonicMs,
  peakPerSecond,
  startFaultProxy,
  type FaultProxy,
  type Seen,
} from './fault-proxy.ts'
import { figure, unmeasured, type Figure } from './figure.ts'
import { nodeProgram, programFile, run } from './process.ts'
import type { Rig } from './rig.ts'
import { jobOfRole } from './role.ts'

/** What `programs/service.mjs` prints. */
interface Printed {
  /** How much later than planned the service began: the machine was busy. */
  readonly lateMs: number
  readonly start: { readonly ok: boolean; readonly error?: string }
  readonly uses: {
    readonly all: number
    readonly failed: number
    readonly errors: Readonly<Record<string, number>>
    readonly slowestMs: number
  }
  /** Whether the last three uses succeeded. */
  readonly last: readonly boolean[]
}

interface Run {
  readonly printed: Printed
  readonly seen: readonly Seen[]
}

interface Row {
  readonly name: string
  readonly says: string
  /** Life of tokens. */
  readonly ttl: string
  readonly seconds: number
  /** 0: the next use as soon as the last has ended. */
  readonly everyMs: number
  readonly unit: string
  /** Of ours. */
  readonly goal: number
  /** Whether the fault ends, so that the service can recover. */
  readonly heals: boolean
  /** Does the faults; begins before the service does, which logs in at `startAt`. */
  arrange(proxy: FaultProxy, startAt: number): Promise<void>
  value(run: Run): number
}

const RENEWAL = '/v1/auth/token/renew-self'
const failedUses = ({ printed }: Run): number => printed.uses.failed

const ROWS: readonly Row[] = [
  {
    name: 'renewal-503',
    says: 'tokens of 75 s; renewals are answered 503 until 5 s after the first; a use each 0.5 s for 95 s',
    ttl: '75s',
    seconds: 95,
    everyMs: 500,
    unit: 'failed uses',
    goal: 0,
    heals: true,
    arrange: async (proxy) => {
      let healsAt: number | undefined
      proxy.fault(({ path, at }) => {
        if (path !== RENEWAL) return undefined
        healsAt ??= at + 5000
        return at < healsAt ? { status: 503 } : undefined
      })
    },
    value: failedUses,
  },
  {
    name: 'ttl-768h',
    says: "tokens of Vault's default 768 h, beyond what a timer of Node can wait; a use each 0.5 s for 3 s",
    ttl: '768h',
    seconds: 3,
    everyMs: 500,
    unit: 'renewals/s',
    goal: 1,
    heals: true,
    arrange: async () => undefined,
    value: ({ seen }) => {
      const began = Math.min(...seen.map(({ at }) => at))
      return seen.filter(({ path, at }) => path === RENEWAL && at < began + 3000).length / 3
    },
  },
  {
    name: 'token-dead',
    says: 'the token is refused with 403 from 2 s on, as after its end or a revocation; a use each 0.5 s for 8 s',
    ttl: '1h',
    seconds: 8,
    everyMs: 500,
    unit: 'failed uses',
    goal: 0,
    heals: true,
    arrange: async (proxy) => {
      const { at: began } = await proxy.first
      const dead = new Set<string>()
      proxy.fault(({ token, at }) => {
        if (token === undefined) return undefined
        if (at < began + 2000) dead.add(token)
        return at >= began + 2000 && dead.has(token) ? { status: 403 } : undefined
      })
    },
    value: failedUses,
  },
  {
    name: 'rate-limited',
    says: 'everything is answered 429 with Retry-After: 1 from 2 s to 5 s; a use each 0.5 s for 10 s',
    ttl: '1h',
    seconds: 10,
    everyMs: 500,
    unit: 'failed uses',
    goal: 0,
    heals: true,
    arrange: (proxy) => between(proxy, 2000, 5000, { status: 429, retryAfter: '1' }),
    value: failedUses,
  },
  {
    name: 'refused',
    says: 'connections are closed and refused from 2 s to 4 s; a use each 0.5 s for 10 s',
    ttl: '1h',
    seconds: 10,
    everyMs: 500,
    unit: 'failed uses',
    goal: 0,
    heals: true,
    arrange: async (proxy) => {
      await proxy.first
      await sleep(2000)
      await proxy.refuse()
      await sleep(2000)
      await proxy.accept()
    },
    value: failedUses,
  },
  {
    name: 'refused-at-start',
    says: 'connections are refused until 2 s after the service began to log in; then a use each 0.5 s for 10 s',
    ttl: '1h',
    seconds: 10,
    everyMs: 500,
    unit: 'failed uses',
    goal: 0,
    heals: true,
    arrange: async (proxy, startAt) => {
      await proxy.refuse()
      await sleep(startAt + 2000 - monotonicMs())
      await proxy.accept()
    },
    value: ({ printed }) => printed.uses.failed + (printed.start.ok ? 0 : 1),
  },
]

/** What is left to a process to load its library. */
const LOAD_MS = 3000

/** Alone, as a loop without a wait takes a whole core. */
const FLOOD: Row = {
  name: 'failing-rate',
  says: 'everything is answered 503 from 1 s on; a service that uses again at once, for 10 s: the most requests of any second',
  ttl: '1h',
  seconds: 10,
  everyMs: 0,
  unit: 'requests/s',
  // A first attempt, and the burst of the budget.
  goal: 4,
  heals: false,
  arrange: (proxy) => between(proxy, 1000, Infinity, { status: 503 }),
  value: ({ seen }) => peakPerSecond(seen.filter(({ status }) => status === 503)),
}

export const faults: Benchmark = async (context) => {
  const rig = await context.rig()
  const libraries = await librariesOf(context)
  const ciphertext = await encrypt(rig)
  const measure = (row: Row): Promise<Figure[]> =>
    Promise.all(libraries.map((library) => measureRow(rig, row, library, ciphertext)))
  const [longest, ...others] = ROWS.map((row) => () => measure(row))
  const [first, rest] = await Promise.all([longest?.() ?? [], inTurn(others)])
  const alone = await inTurn(
    libraries.map((library) => () => measureRow(rig, FLOOD, library, ciphertext)),
  )
  const rows = [...first, ...rest.flat(), ...alone]
  const missed = rows.filter(({ met }) => met === false)
  return [
    figure('faults', {
      value: missed.length,
      unit: 'rows missed',
      goal: 0,
      samples: 1,
      note: `of ${ROWS.length + 1}: node-vault 0.12 and ours through the same faults, each in a process of its own behind a proxy in front of the real server; a use is a decrypt`,
    }),
    ...rows,
  ]
}

async function inTurn<T>(works: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results: T[] = []
  for (const work of works) results.push(await work())
  return results
}

interface Library {
  readonly name: 'ours' | 'node-vault'
  /** Absent: it could not be installed. */
  readonly file: string | undefined
}

async function librariesOf(context: Context): Promise<Library[]> {
  const { directory } = await context.installation()
  const peers = await context.peers().catch(() => undefined)
  return [
    { name: 'ours', file: join(directory, 'faults-ours.mjs') },
    { name: 'node-vault', file: peers && join(dirname(peers), 'faults.mjs') },
  ]
}

async function measureRow(
  rig: Rig,
  row: Row,
  { name: library, file }: Library,
  ciphertext: string,
): Promise<Figure> {
  const name = `faults.${row.name}.${library}`
  if (file === undefined) return unmeasured(name, row.unit, null, 'could not be installed')
  const id = `faults-${row.name}-${library}`
  const proxy = await startFaultProxy(rig.upstreams.vault)
  try {
    const urls = { vault: proxy.url, kubernetes: rig.upstreams.kubernetes.url }
    const { zeroRbac } = await rig.jobsAt(id, urls)
    const job = await jobOfRole(rig, zeroRbac, id, { ttl: row.ttl, type: 'service' })
    const { seconds, everyMs } = row
    const startAt = monotonicMs() + LOAD_MS
    const plan = JSON.stringify({ ciphertext, startAt, seconds, everyMs })
    const program = nodeProgram(id, file, [job, plan, programFile('service.mjs')])
    const [{ stdout }] = await Promise.all([run(program), row.arrange(proxy, startAt)])
    const result: Run = { printed: JSON.parse(stdout) as Printed, seen: proxy.seen }
    return figure(name, {
      value: row.value(result),
      unit: row.unit,
      goal: library === 'ours' ? row.goal : undefined,
      samples: 1,
      note: `${row.says}: ${told(row, result)}`,
    })
  } finally {
    await proxy.close()
  }
}

/** Counts, so that a reader may judge otherwise. */
function told({ heals }: Row, { printed: { lateMs, start, uses, last }, seen }: Run): string {
  const to = (path: string): string => {
    const all = seen.filter((one) => one.path === path)
    return `${all.length} (${all.filter(({ status }) => status === 200).length} good)`
  }
  // Where the fault stays, a loop that nothing failed yet is as fast as the server.
  const counted = heals ? seen : seen.filter(({ status }) => status !== 200)
  const errors = Object.entries(uses.errors).map(([error, count]) => `${count} × ${error}`)
  return [
    lateMs > 1000 ? `began ${lateMs} ms late, ` : '',
    start.ok ? '' : `the first login failed (${start.error}), `,
    heals ? (last.every(Boolean) ? 'recovered, ' : 'did not recover, ') : '',
    `${uses.failed} of ${uses.all} uses failed${errors.length > 0 ? ` (${errors.join(', ')})` : ''}`,
    `, the slowest took ${uses.slowestMs} ms`,
    `; ${heals ? 'requests' : 'refused requests'} ${counted.length}, at most ${peakPerSecond(counted)} in a second`,
    `, logins ${to('/v1/auth/kubernetes/login')}, renewals ${to(RENEWAL)}`,
  ].join('')
}

/** Answers everything with `answer`, from `fromMs` to `untilMs` after the first request. */
async function between(
  proxy: FaultProxy,
  fromMs: number,
  untilMs: number,
  answer: { readonly status: number; readonly retryAfter?: string },
): Promise<void> {
  const { at: began } = await proxy.first
  proxy.fault(() => {
    const after = monotonicMs() - began
    return after >= fromMs && after < untilMs ? answer : undefined
  })
}

async function encrypt(rig: Rig): Promise<string> {
  const plaintext = Buffer.from('{"redis_url":"redis://redis:6379/0"}').toString('base64')
  const answer = await rig.vault('POST', 'transit/encrypt/app', { plaintext })
  return (answer['data'] as { ciphertext: string }).ciphertext
}
