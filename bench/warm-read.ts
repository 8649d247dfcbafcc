/** A read of what is kept already. */
import { join } from 'node:path'
import type { Benchmark } from './bench.ts'
import { startFaultProxy, type FaultProxy } from './fault-proxy.ts'
import { figure, type Figure } from './figure.ts'
import { nodeProgram, run } from './process.ts'
import { median, quantile } from './statistics.ts'

const GOAL_US = 1

/** What `programs/warm-read.mjs` prints. */
interface Printed {
  readonly began: number
  readonly ended: number
  readonly reads: number
  readonly ns: Readonly<Record<'floor' | 'native' | 'positional', number>>
}

export const warmRead: Benchmark = async (context) => {
  const rounds = Math.max(5, Math.ceil(context.samples / 3))
  const [rig, installation] = [await context.rig(), await context.installation()]
  const vault = await startFaultProxy(rig.upstreams.vault)
  const kubernetes = await startFaultProxy(rig.upstreams.kubernetes)
  try {
    const jobs = await rig.jobsAt('warm', { vault: vault.url, kubernetes: kubernetes.url })
    const program = nodeProgram('warm-read', join(installation.directory, 'warm-read.mjs'), [
      jobs.path,
    ])
    const printed: Printed[] = []
    for (let round = 0; round < rounds; round += 1) {
      printed.push(JSON.parse((await run(program)).stdout) as Printed)
    }
    return figures(printed, [vault, kubernetes])
  } finally {
    await Promise.all([vault.close(), kubernetes.close()])
  }
}

function figures(printed: readonly Printed[], proxies: readonly FaultProxy[]): Figure[] {
  const samples = printed.length
  const reads = printed[0]?.reads ?? 0
  const time = (name: keyof Printed['ns'], goal: number | undefined, says: string): Figure => {
    const all = printed.map(({ ns }) => ns[name] / 1000)
    const [low, high] = [quantile(all, 0.25), quantile(all, 0.75)].map((us) => us.toFixed(3))
    const note = `${says}; middle half of processes ${low}–${high}, each the median of batches of ${reads} reads in all`
    const suffix = name === 'native' ? '' : `.${name}`
    return figure(`warm-read${suffix}`, { value: median(all), unit: 'µs', goal, samples, note })
  }
  const seen = proxies.flatMap((proxy) => proxy.seen)
  const during = seen.filter(({ at }) =>
    printed.some(({ began, ended }) => at >= began && at <= ended),
  )
  return [
    time('native', GOAL_US, 'await sm.readSecrets(definition), one object for all reads'),
    time('positional', GOAL_US, 'the five strings of the Python original'),
    time('floor', undefined, 'await of an async function that returns the same dictionary'),
    figure('warm-read.calls', {
      value: during.length,
      unit: 'calls',
      goal: 0,
      samples,
      note: `seen by proxies in front of both servers while ${2 * reads * samples} reads were served; before and after, for the first reads: ${seen.length - during.length}`,
    }),
  ]
}
