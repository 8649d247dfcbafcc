/** How many round trips a read waits for: how its time grows with the distance of the servers. */
import type { Benchmark } from './bench.ts'
import { figure, type Figure } from './figure.ts'
import { interleave, nodeProgram, programFile, run, type Program } from './process.ts'
import { slope } from './statistics.ts'
import type { Jobs, Rig } from './rig.ts'

/** Round trip times, in milliseconds: around the 20 ms of the goal, and far enough to stand out of noise. */
const RTTS = [0, 20, 40, 80]

const CASES: readonly {
  readonly name: string
  readonly job: keyof Jobs
  readonly most: number
  readonly says: string
}[] = [
  { name: '', job: 'path', most: 5, says: 'TokenRequest, ca_cert a path' },
  { name: '.true', job: 'store', most: 5, says: 'TokenRequest, ca_cert true' },
  { name: '.zero-rbac', job: 'zeroRbac', most: 4, says: 'mounted ciphertext and token file' },
  { name: '.warm', job: 'again', most: 2, says: 'second read: connections open, token expired' },
  {
    name: '.warm-zero-rbac',
    job: 'zeroRbacAgain',
    most: 2,
    says: 'the same with mounted ciphertext',
  },
]

export const coldReadRtt: Benchmark = async (context) => {
  const rounds = Math.max(8, Math.ceil(context.samples / 2))
  const [rig, installation] = [await context.rig(), await context.installation()]
  const env = { SSL_CERT_FILE: rig.storeFile }
  const programs = CASES.flatMap(({ job }) => [
    nodeProgram(`floor ${job}`, programFile('floor.mjs'), [rig.slowJobs[job]]),
    nodeProgram(`ours ${job}`, installation.program, [rig.slowJobs[job]], { env }),
  ])
  const points = await measure(rig, programs, rounds)
  return CASES.map(({ name, job, most, says }): Figure => {
    const ours = slope(points.get(`ours ${job}`) ?? [])
    const floor = slope(points.get(`floor ${job}`) ?? [])
    // A wait is a whole round trip or none; what lies between is noise.
    const goal = Math.min(most, Math.round(floor))
    const note = `${says}: floor ${floor.toFixed(2)}; at ${RTTS.join(', ')} ms; the proxy answers TCP's own handshake at once, so it is in neither; met when it rounds to the goal`
    return figure(`cold-read-rtt${name}`, {
      value: ours,
      unit: 'round trips',
      goal,
      met: Math.round(ours) <= goal,
      samples: rounds,
      note,
    })
  })
}

type Points = (readonly [rttMs: number, ms: number])[]

async function measure(
  rig: Rig,
  programs: readonly Program[],
  rounds: number,
): Promise<Map<string, Points>> {
  const points = new Map<string, Points>(programs.map(({ name }) => [name, []]))
  for (const rtt of RTTS) {
    await rig.delay(rtt)
    const times = await interleave(programs, rounds, timeOf)
    for (const [name, all] of times) points.get(name)?.push(...all.map((ms) => [rtt, ms] as const))
  }
  await rig.delay(0)
  return points
}

/** A program that reads twice prints what the second read took. */
async function timeOf(program: Program): Promise<number> {
  const { wallMs, stdout } = await run(program)
  return stdout === '' ? wallMs : Number(stdout)
}
