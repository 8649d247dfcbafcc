/**
 * Measures what the README promises, on real servers, with peers beside us.
 *
 * npm run bench -- [--only NAME[,NAME]] [--samples N] [--json]
 */
import { parseArgs } from 'node:util'
import type { Benchmark, Context } from './bench.ts'
import { coldReadRss } from './cold-read-rss.ts'
import { coldReadRtt } from './cold-read-rtt.ts'
import { coalesce } from './coalesce.ts'
import { coldRead } from './cold-read.ts'
import { faults } from './faults.ts'
import { json, table, unmeasured, type Figure } from './figure.ts'
import { install } from './install.ts'
import { installPackage, installPeers } from './package.ts'
import { provision } from './provision.ts'
import { rewrap } from './rewrap.ts'
import { startRig, type Rig } from './rig.ts'
import { removeDirectory, serverDirectory, serversPresent } from './servers.ts'
import { storm } from './storm.ts'
import { warmRead } from './warm-read.ts'

const BENCHMARKS: Readonly<
  Record<string, { readonly unit: string; readonly goal: number; readonly measure: Benchmark }>
> = {
  'cold-read': { unit: '× floor', goal: 1.25, measure: coldRead },
  'cold-read-rtt': { unit: 'round trips', goal: 5, measure: coldReadRtt },
  'cold-read-rss': { unit: 'MiB', goal: 10, measure: coldReadRss },
  'warm-read': { unit: 'µs', goal: 1, measure: warmRead },
  coalesce: { unit: '× faster', goal: 3, measure: coalesce },
  storm: { unit: 'failed reads', goal: 0, measure: storm },
  rewrap: { unit: '× floor', goal: 0.8, measure: rewrap },
  faults: { unit: 'rows missed', goal: 0, measure: faults },
  provision: { unit: 'ms', goal: 3000, measure: provision },
  install: { unit: 'MB', goal: 3, measure: install },
}

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    samples: { type: 'string', default: '30' },
    json: { type: 'boolean', default: false },
  },
})
const names = values.only?.split(',') ?? Object.keys(BENCHMARKS)
const samples = Number(values.samples)
const unknown = names.filter((name) => !Object.hasOwn(BENCHMARKS, name))

if (unknown.length > 0 || !(samples >= 1)) {
  const known = Object.keys(BENCHMARKS).join(', ')
  console.error(`usage: npm run bench -- [--only NAME,…] [--samples N] [--json]; names: ${known}`)
  process.exitCode = 2
} else {
  const figures = await measureAll()
  console.log(values.json ? json(figures) : table(figures))
}

async function measureAll(): Promise<Figure[]> {
  const directory = await serverDirectory('package')
  const [rig, installation] = [once(requireRig), once(() => installPackage(directory))]
  const context: Context = { samples, rig, installation, peers: once(installPeers) }
  const figures: Figure[] = []
  try {
    for (const name of names) figures.push(...(await measureOne(name, context)))
  } finally {
    await rig.made()?.then(
      (servers) => servers.stop(),
      () => undefined,
    )
    await removeDirectory(directory)
  }
  return figures
}

async function measureOne(name: string, context: Context): Promise<readonly Figure[]> {
  const benchmark = BENCHMARKS[name]
  if (benchmark === undefined) return []
  console.error(`measuring ${name}`)
  try {
    return await benchmark.measure(context)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return [unmeasured(name, benchmark.unit, benchmark.goal, why)]
  }
}

async function requireRig(): Promise<Rig> {
  const present = serversPresent('bao', 'kube', 'etcd', 'toxiproxy')
  if (!present) throw new Error('real servers are missing: npm run servers:build')
  return startRig()
}

/** Makes something on first use; `made` gives it if it was. */
function once<T>(make: () => Promise<T>): (() => Promise<T>) & { made(): Promise<T> | undefined } {
  let made: Promise<T> | undefined
  return Object.assign(() => (made ??= make()), { made: () => made })
}
