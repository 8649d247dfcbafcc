/** All Secrets of a namespace brought to a new version of their key, against a bare loop of the same calls. */
import { join } from 'node:path'
import type { Benchmark } from './bench.ts'
import { figure, unmeasured, type Figure } from './figure.ts'
import { interleave, nodeProgram, run, type Program } from './process.ts'
import { MEMORY, rewrapMemory } from './rewrap-memory.ts'
import { rewrapSite, type RewrapSite } from './rewrap-site.ts'
import { median, spread } from './statistics.ts'

const SECRETS = 2000
const DOCUMENT_BYTES = 2048
const GOAL = 0.8

export const rewrap: Benchmark = async (context) => {
  const pairs = Math.max(5, Math.ceil(context.samples / 5))
  const [rig, { directory }] = [await context.rig(), await context.installation()]
  const site = await rewrapSite(rig, SECRETS, DOCUMENT_BYTES)
  const { configFile, namespace, transitKey } = site
  const cli = join(directory, 'node_modules', 'secretmanager', 'dist', 'cli.js')
  const where = ['--config', configFile, '-n', namespace, '--transit-key', transitKey]
  const ours = nodeProgram('ours', cli, ['rewrap', ...where])
  const floor = nodeProgram('floor', join(directory, 'rewrap-floor.mjs'), [
    configFile,
    namespace,
    transitKey,
  ])
  const times = await interleave([ours, floor], pairs, (program) => once(site, program))
  const ms = ({ name }: Program): readonly number[] => times.get(name) ?? []
  const ratios = ms(ours).map((each, at) => (ms(floor)[at] ?? Number.NaN) / each)
  const says = `${SECRETS} Secrets of ${DOCUMENT_BYTES} bytes in one namespace, whole process`
  return [
    figure('rewrap', {
      value: median(ratios),
      unit: '× floor',
      goal: GOAL,
      atLeast: true,
      samples: ratios.length,
      note: `${says}: ours ${spread(ms(ours))} ms, floor ${spread(ms(floor))} ms; of pairs ${ratios.map((each) => each.toFixed(2)).join(', ')}`,
    }),
    figure('rewrap.rate', {
      value: (SECRETS / median(ms(ours))) * 1000,
      unit: 'Secrets/s',
      samples: ratios.length,
      note: `the floor ${((SECRETS / median(ms(floor))) * 1000).toFixed(0)}`,
    }),
    await second(site, ours),
    await memory(cli),
  ]
}

/** One run after a rotation. @throws where it left a document behind */
async function once(site: RewrapSite, program: Program): Promise<number> {
  await site.rotate()
  const { wallMs } = await run(program)
  const { current } = await site.look()
  if (current === SECRETS) return wallMs
  throw new Error(`${program.name} brought ${current} of ${SECRETS} documents to the new version`)
}

/** A run when all is done. */
async function second(site: RewrapSite, ours: Program): Promise<Figure> {
  await site.rotate()
  await run(ours)
  const before = await site.look()
  const { wallMs } = await run(ours)
  const after = await site.look()
  const written = [...after.versions].filter(([name, at]) => before.versions.get(name) !== at)
  return figure('rewrap.second', {
    value: written.length,
    unit: 'writes',
    goal: 0,
    samples: 1,
    note: `a second run: resourceVersions that changed, of ${after.versions.size}; ${wallMs.toFixed(0)} ms`,
  })
}

/** It takes minutes, and may be ended for that: the other figures then stand all the same. */
async function memory(cli: string): Promise<Figure> {
  const { name, unit, goal } = MEMORY
  return rewrapMemory(cli).catch((error: unknown) =>
    unmeasured(name, unit, goal, error instanceof Error ? error.message : String(error)),
  )
}
