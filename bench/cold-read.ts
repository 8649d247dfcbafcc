/** A whole process that reads one dictionary, against a hand-written script that makes the same calls. */
import type { Benchmark, Context } from './bench.ts'
import { figure, unmeasured, type Figure } from './figure.ts'
import { interleave, nodeProgram, programFile, run, runUsage, type Program } from './process.ts'
import { interpreter, originalPresent } from './servers.ts'
import type { Rig } from './rig.ts'
import { median, ratioAbove, spread } from './statistics.ts'
import { fileURLToPath } from 'node:url'

const GOAL = 1.25

/** Name of the part, and how its contenders differ. */
interface Pair {
  readonly name: string
  readonly job: keyof Rig['jobs']
  /** The floor does not parse YAML: its kubeconfig is JSON then, too. */
  readonly floorJob: keyof Rig['jobs']
  readonly goal?: number
  readonly says: string
}

const PAIRS: readonly Pair[] = [
  { name: 'path', job: 'path', floorJob: 'path', goal: GOAL, says: 'ca_cert a path' },
  {
    name: 'true',
    job: 'store',
    floorJob: 'store',
    goal: GOAL,
    says: 'ca_cert true: SSL_CERT_FILE has the system roots and the private CA; the floor trusts that file',
  },
  { name: 'yaml', job: 'yaml', floorJob: 'path', says: 'as path with a kubeconfig in YAML' },
  {
    name: 'zero-rbac',
    job: 'zeroRbac',
    floorJob: 'zeroRbac',
    goal: GOAL,
    says: 'mounted ciphertext and token file, native shape',
  },
]

export const coldRead: Benchmark = async (context) => {
  const rounds = Math.max(20, context.samples)
  const [rig, installation] = [await context.rig(), await context.installation()]
  const env = { SSL_CERT_FILE: rig.storeFile }
  const bare = nodeProgram('bare', programFile('bare.mjs'))
  const floor = (job: keyof Rig['jobs']): Program =>
    nodeProgram(`floor ${job}`, programFile('floor.mjs'), [rig.jobs[job]])
  const ours = (job: keyof Rig['jobs']): Program =>
    nodeProgram(`ours ${job}`, installation.program, [rig.jobs[job]], { env })
  const contenders = [...new Set(PAIRS.map(({ floorJob }) => floorJob))].map(floor)
  const own = PAIRS.map(({ job }) => ours(job))

  const others = await peers(context, rig)
  const programs = [bare, ...contenders, ...own, ...others.programs]
  const runs = await interleave(programs, rounds, async (program) => (await run(program)).wallMs)
  const wall = (name: string): number[] => runs.get(name) ?? []

  const parts = PAIRS.map(({ name, job, floorJob, goal, says }) => {
    const ratio = ratioAbove(wall(`ours ${job}`), wall(`floor ${floorJob}`), wall('bare'))
    const times = `${spread(wall(`ours ${job}`))} against ${spread(wall(`floor ${floorJob}`))} ms`
    const belief = `90 % within ${ratio.low.toFixed(2)}–${ratio.high.toFixed(2)}`
    const note = `${says}; ${times}, bare Node ${spread(wall('bare'))}; ${belief}`
    const unit = '× floor'
    return figure(`cold-read.${name}`, { value: ratio.value, unit, goal, samples: rounds, note })
  })
  const whole = (name: string): number => median(wall(name)) / median(wall('floor path'))
  const wallParts = [ours('path'), ...others.programs].map(({ name }) =>
    figure(`cold-read.wall.${name === 'ours path' ? 'ours' : name}`, {
      value: whole(name),
      unit: '× floor',
      samples: rounds,
      note: `whole processes: ${spread(wall(name))} against ${spread(wall('floor path'))} ms`,
    }),
  )
  const cpu = await cpuParts([bare, ...contenders, ...own], rounds)
  return [headline(parts), ...parts, ...cpu, ...wallParts, ...others.absent, inCluster()]
}

/** What was promised is promised for a path and for true: the worse of the two counts. */
function headline(parts: readonly Figure[]): Figure {
  const promised = parts.filter(({ name }) => /\.(?:path|true)$/.test(name))
  const worst = promised.toSorted((a, b) => (b.value ?? 0) - (a.value ?? 0))[0]
  if (worst === undefined) return unmeasured('cold-read', '× floor', GOAL, 'nothing was measured')
  const which = worst.name.replace('cold-read.', '')
  return {
    ...worst,
    name: 'cold-read',
    note: `(ours − bare Node) / (floor − bare Node), medians; the worse of path and true: ${which}`,
  }
}

/** Less disturbed by neighbours than wall time, so better for comparing two versions. */
async function cpuParts(programs: readonly Program[], rounds: number): Promise<Figure[]> {
  const usage = await interleave(programs, rounds, runUsage)
  const cpu = (name: string): number[] => (usage.get(name) ?? []).map(({ cpuMs }) => cpuMs)
  return PAIRS.map(({ name, job, floorJob, says }) => {
    const [own, floor] = [cpu(`ours ${job}`), cpu(`floor ${floorJob}`)]
    const { value } = ratioAbove(own, floor, cpu('bare'))
    const times = `${spread(own)} against ${spread(floor)} ms, bare Node ${spread(cpu('bare'))}`
    const note = `CPU time of all threads; ${says}; ${times}`
    return figure(`cold-read.cpu.${name}`, { value, unit: '× floor', samples: rounds, note })
  })
}

async function peers(
  context: Context,
  rig: Rig,
): Promise<{ readonly programs: readonly Program[]; readonly absent: readonly Figure[] }> {
  const programs: Program[] = []
  const absent: Figure[] = []
  const missing = (name: string, why: string): void =>
    void absent.push(unmeasured(`cold-read.wall.${name}`, '× floor', null, why))
  try {
    programs.push(nodeProgram('node-peers', await context.peers(), [rig.jobs.path]))
  } catch (error) {
    missing('node-peers', error instanceof Error ? error.message : 'could not be installed')
  }
  const script = fileURLToPath(new URL('../test/real/python/read.py', import.meta.url))
  if (originalPresent()) {
    const args = [script, rig.cfgFile, rig.defFile]
    programs.push({ name: 'python', command: interpreter(), args })
  } else missing('python', 'the Python original could not be installed')
  return { programs, absent }
}

function inCluster(): Figure {
  const why = 'the path of the mounted token is fixed, and writing there would need a container'
  return unmeasured('cold-read.in-cluster', '× floor', null, why)
}
