/** The part of the demo that changes the key, while a service reads. */
import type { DemoRotator, DemoWorld } from '../dev/demo.ts'
import { SecretManagerError } from '../errors.ts'
import { tour } from '../rotation/look.ts'
import { retire, type RetirementResult } from '../rotation/retire.ts'
import { rotate } from '../rotation/rotate.ts'
import { Report } from './key-report.ts'
import { paragraph } from './output.ts'
import type { Context } from './context.ts'
import { Progress } from './progress.ts'

/** Does a part of the demo, and prints its title with the time that it took. */
export type Step = <T>(title: string, work: () => Promise<T>) => Promise<T>

/** How long who puts old documents back is waited for: here nobody does. */
const SETTLE_MS = 500

/** Shows rotate, rewrap, status and retire, as the commands do them. */
export async function showRotation(world: DemoWorld, step: Step, context: Context): Promise<void> {
  const { data } = context.output
  const old = await world.stored()
  const rotator = await world.rotator()
  try {
    const { from, to } = await step('rotate: a new version of the key, its document under it', () =>
      rotateKey(rotator, context),
    )
    paragraph(data, `version ${from} -> ${to}; this login cannot decrypt`)
    paragraph(data, `stored: ${beginning(await world.stored())}`)
    await world.apply(old)
    const early = await step('somebody applies the old manifest: nothing is retired then', () =>
      retireOld(rotator, true, context),
    )
    for (const reason of early.reasons) paragraph(data, `not retired: ${reason}`)
    const mended = await step('rewrap: what is behind comes to the latest version', () =>
      look(rotator, 'rewrap', context),
    )
    paragraph(data, mended)
    paragraph(data, await step('status: who is behind', () => look(rotator, 'look', context)))
    const { reasons, latest } = await step('retire: old versions open nothing any more', () =>
      retireOld(rotator, false, context),
    )
    if (early.reasons.length === 0 || reasons.length > 0) throw unlikely()
    paragraph(data, `only version ${latest} opens; secretmanager unretire takes it back`)
  } finally {
    await rotator.close()
  }
}

/** As much of a document as fits in a line. */
export function beginning(document: string): string {
  return `${document.slice(0, 64)}…`
}

async function rotateKey(
  { job }: DemoRotator,
  context: Context,
): Promise<{ readonly from: number; readonly to: number }> {
  const { onEntry, onPage, onUnread } = quiet(context)
  const silent = { onStep: () => undefined, onEntry, onPage, onUnread }
  const options = { signal: context.interrupt, minAgeMs: 0, verify: true, ...silent }
  return rotate(job.rotation(), options)
}

async function retireOld(
  { job }: DemoRotator,
  dryRun: boolean,
  context: Context,
): Promise<RetirementResult> {
  const { onEntry, onPage, onUnread } = quiet(context)
  const silent = { onStep: () => undefined, onEntry, onPage, onUnread }
  const measure = { keep: 0, settleMs: SETTLE_MS, dryRun }
  return retire(job.retirement(), { signal: context.interrupt, ...measure, ...silent })
}

async function look(
  { job, sites }: DemoRotator,
  mode: 'rewrap' | 'look',
  context: Context,
): Promise<string> {
  const { runtime, interrupt: signal } = context
  const { latestVersion: latest } = await job.facts(signal)
  const report = quiet(context)
  const { onEntry, onPage, onUnread } = report
  const options = { runtime, mode, latest, recrypt: job.recryptTo(latest), signal }
  await tour(sites, { ...options, onEntry, onPage, onUnread })
  return `latest version ${latest}: ${report.summary()}`
}

/** It prints what cannot be looked at alone. */
function quiet({ output, runtime }: Context): Report {
  const progress = new Progress(output.notes, runtime)
  return new Report(output, progress, { isJson: false, listed: new Set(['failed']) })
}

function unlikely(): SecretManagerError {
  return new SecretManagerError(
    'SM_INTERNAL',
    'retire did what it must not, or did not what it must',
  )
}
