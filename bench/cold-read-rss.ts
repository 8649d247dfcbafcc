/** Peak memory of a process that reads one dictionary. */
import type { Benchmark } from './bench.ts'
import { figure, type Figure } from './figure.ts'
import { interleave, nodeProgram, programFile, runUsage, type Program } from './process.ts'
import { median, spread } from './statistics.ts'

export const coldReadRss: Benchmark = async (context) => {
  const rounds = Math.max(10, Math.ceil(context.samples / 2))
  const [rig, installation] = [await context.rig(), await context.installation()]
  const ours = (name: string, job: string): Program =>
    nodeProgram(name, installation.program, [job], { env: { SSL_CERT_FILE: rig.storeFile } })
  const peers = await context.peers().catch(() => undefined)
  const programs = [
    nodeProgram('bare', programFile('bare.mjs')),
    nodeProgram('floor', programFile('floor.mjs'), [rig.jobs.path]),
    ours('path', rig.jobs.path),
    ours('true', rig.jobs.store),
    ours('yaml', rig.jobs.yaml),
    ours('zero-rbac', rig.jobs.zeroRbac),
    ...(peers === undefined ? [] : [nodeProgram('node-peers', peers, [rig.jobs.path])]),
  ]
  const usage = await interleave(programs, rounds, runUsage)
  const rss = (name: string): number[] => (usage.get(name) ?? []).map(({ rssMiB }) => rssMiB)
  const bare = median(rss('bare'))
  const part = (name: string, suffix: string, goal?: number): Figure =>
    figure(`cold-read-rss${suffix}`, {
      value: median(rss(name)) - bare,
      unit: 'MiB',
      goal,
      samples: rounds,
      note: `peak of ${name} ${spread(rss(name))} MiB, bare Node ${spread(rss('bare'))}`,
    })
  const others = programs
    .map(({ name }) => name)
    .filter((name) => name !== 'bare' && name !== 'path')
  return [part('path', '', 10), ...others.map((name) => part(name, `.${name}`))]
}
