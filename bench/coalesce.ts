/** Many ciphertexts of one key, opened at once, against one decrypt each. */
import { join } from 'node:path'
import type { Benchmark, Context } from './bench.ts'
import { startFaultProxy } from './fault-proxy.ts'
import { figure, type Figure } from './figure.ts'
import { interleave, nodeProgram, run, type Program } from './process.ts'
import type { Rig } from './rig.ts'
import { jobOfRole } from './role.ts'
import { median, spread } from './statistics.ts'

const CIPHERTEXTS = 1000
const GOAL = { ratio: 3, calls: 20 }
/** Connections of the floor: our own two, and more than that, as many as still help. */
const WORKERS = [2, 4, 8, 16]
/** Limit of opens with our own client that never share a request: with two at once each goes alone. */
const ALONE = 2

/** Logins are not what is measured: the token outlives the rounds. */
const LONG = { ttl: '10m', type: 'batch' } as const

interface Round {
  readonly began: number
  readonly ended: number
}

export const coalesce: Benchmark = async (context) => {
  const runs = Math.max(5, Math.ceil(context.samples / 3))
  const rig = await context.rig()
  const [job, ciphertexts] = [
    await jobOfRole(rig, rig.jobs.zeroRbac, 'coalesce', LONG),
    await encrypt(rig),
  ]
  const program = await programsFor(context, ciphertexts)
  const ours = program('ours', 'coalesce.mjs', job, 0)
  const alone = program('alone', 'coalesce.mjs', job, ALONE)
  const floors = WORKERS.map((workers) =>
    program(`floor-${workers}`, 'coalesce-floor.mjs', job, workers),
  )
  const times = await interleave([ours, alone, ...floors], runs, roundsOf)
  const ms = ({ name }: Program): number[] =>
    (times.get(name) ?? []).flat().map(({ began, ended }) => ended - began)
  const best = floors.toSorted((a, b) => median(ms(a)) - median(ms(b)))[0] ?? alone

  const part = (name: string, against: Program, says: string, goal?: number): Figure =>
    figure(`coalesce${name}`, {
      value: median(ms(against)) / median(ms(ours)),
      unit: '× faster',
      goal,
      atLeast: true,
      samples: ms(ours).length,
      note: `${CIPHERTEXTS} concurrent opens ${spread(ms(ours))} ms, ${says} ${spread(ms(against))} ms`,
    })
  const workersOf = ({ args }: Program): string => args.at(-1) ?? ''
  const bestFloor = `node:https with one decrypt each on ${workersOf(best)} kept connections, the fastest of ${WORKERS.join(', ')},`
  return [
    part('', best, bestFloor, GOAL.ratio),
    part('.same-client', alone, `our own client, ${ALONE} opens at a time so that none share,`),
    ...floors.map((floor) =>
      part(`.${floor.name}`, floor, `node:https, ${workersOf(floor)} connections,`),
    ),
    await calls(rig, program, runs),
  ]
}

type Make = (name: string, file: string, job: string, workers: number) => Program

async function programsFor(context: Context, ciphertexts: string): Promise<Make> {
  const { directory } = await context.installation()
  return (name, file, job, workers) =>
    nodeProgram(name, join(directory, file), [job, ciphertexts, String(workers)])
}

/** Counted by a proxy, in rounds that are not timed: a proxy in between would slow both sides. */
async function calls(rig: Rig, program: Make, runs: number): Promise<Figure> {
  const proxy = await startFaultProxy(rig.upstreams.vault)
  try {
    const jobs = await rig.jobsAt('counted', { ...urlsOf(rig), vault: proxy.url })
    const job = await jobOfRole(rig, jobs.zeroRbac, 'coalesce-counted', LONG)
    const rounds: Round[] = []
    for (let at = 0; at < Math.min(3, runs); at += 1) {
      rounds.push(...(await roundsOf(program('counted', 'coalesce.mjs', job, 0))))
    }
    const decrypts = proxy.seen.filter(({ path }) => path.includes('/transit/decrypt/'))
    const counts = rounds.map(
      ({ began, ended }) => decrypts.filter(({ at }) => at >= began && at <= ended).length,
    )
    return figure('coalesce.calls', {
      value: Math.max(...counts),
      unit: 'decrypt calls',
      goal: GOAL.calls,
      samples: counts.length,
      note: `the most of any round of ${CIPHERTEXTS} opens, counted by a proxy in front of Vault; median ${median(counts)}`,
    })
  } finally {
    await proxy.close()
  }
}

async function roundsOf(program: Program): Promise<Round[]> {
  return JSON.parse((await run(program)).stdout) as Round[]
}

function urlsOf({ upstreams }: Rig): { readonly vault: string; readonly kubernetes: string } {
  return { vault: upstreams.vault.url, kubernetes: upstreams.kubernetes.url }
}

/** Documents of a few hundred bytes, each another. */
async function encrypt(rig: Rig): Promise<string> {
  const documents = Array.from({ length: CIPHERTEXTS }, (_none, at) =>
    JSON.stringify({
      at,
      redis_url: `redis://redis-${at}.default.svc:6379/0`,
      filler: 'x'.repeat(300),
    }),
  )
  const pairs: [string, string][] = []
  for (let at = 0; at < documents.length; at += 250) {
    const part = documents.slice(at, at + 250)
    const batch_input = part.map((text) => ({ plaintext: Buffer.from(text).toString('base64') }))
    const answer = await rig.vault('POST', 'transit/encrypt/app', { batch_input })
    const { batch_results } = answer['data'] as { batch_results: { ciphertext: string }[] }
    batch_results.forEach(({ ciphertext }, index) => pairs.push([ciphertext, part[index] ?? '']))
  }
  return rig.write('ciphertexts.json', pairs)
}
