import type { Command } from 'commander'

import { tour } from '../../rotation/look.ts'
import { rotate as rotateKey, type RotationStep } from '../../rotation/rotate.ts'
import { durationOf } from '../duration.ts'
import { Findings } from '../findings.ts'
import { withKeyJob, type OpenJob } from '../key-job.ts'
import { Report } from '../key-report.ts'
import { addKeyFlags } from '../key-target.ts'
import { seconds, type Output } from '../output.ts'
import type { Context } from '../program.ts'
import { Progress } from '../progress.ts'
import type { FlagValues } from '../settings.ts'
import { ALL, COMPAT, SEEN, WORTH_A_LINE } from './rewrap.ts'

/** Adds `secretmanager rotate`: a new version of a key, and its documents under it. */
export function addRotateCommand(program: Command, context: Context): void {
  const command = program
    .command('rotate')
    .description(
      'add a version to a Transit key, and rewrap its documents; old versions still open',
    )
    .option('--dry-run', 'check every right, say what would be done, and change nothing')
    .option('--compat', COMPAT)
    .option('--min-age <duration>', 'rewrap only, where the last rotation is younger (default: 0)')
    .option('--no-verify', 'do not have Transit prove that each document opens')
    .option('--verbose', 'list documents that are current, too')
    .option('--json', 'print a line of JSON for each document, and one for the rotation')
  addKeyFlags(command).addHelpText('after', MORE)
  command.action((names: string[], values: FlagValues) => rotate(names, values, context))
}

const MORE = `
Every right is checked before anything is changed. A run that was
ended goes on where it ended: just run it again. The environment of
the Python original's CronJob works: TRANSIT_KEY, SECRET_NAME, ...

Examples:
  secretmanager rotate --transit-key app -n prod
  secretmanager rotate --inventory provision.yaml --transit-key app
  secretmanager rotate --compat --min-age 1h   # in the original's CronJob`

async function rotate(
  names: readonly string[],
  values: FlagValues,
  context: Context,
): Promise<void> {
  const minAgeMs = durationOf(values['minAge'], '--min-age') ?? 0
  const report = await withKeyJob(names, values, context, (open) =>
    values['dryRun'] === true
      ? rehearse(open, values, context)
      : perform(open, values, minAgeMs, context),
  )
  if (report.hasFailed) throw new Findings()
}

async function rehearse(
  { job, key, sites }: OpenJob,
  values: FlagValues,
  context: Context,
): Promise<Report> {
  const { output, runtime, interrupt: signal } = context
  await job.preflight(['rotate'], signal)
  const { latestVersion } = await job.facts(signal)
  const { journal } = await job.journal.read(signal)
  const isNew = journal === undefined || journal.phase === 'done'
  const latest = isNew ? latestVersion + 1 : Math.max(latestVersion, journal.from + 1)
  const progress = new Progress(output.notes, runtime)
  const report = new Report(output, progress, { isJson: values['json'] === true, listed: ALL })
  progress.begin('looking')
  // Under a version that is not there yet: all are behind it.
  const recrypt = job.recryptTo(latestVersion)
  const { onEntry, onPage, onUnread } = report
  const options = { runtime, mode: 'try', latest, recrypt, signal } as const
  await tour(sites, { ...options, onEntry, onPage, onUnread }).finally(() => progress.clear())
  const what = latest > latestVersion ? 'would be rotated' : 'was rotated by a run that did not end'
  output.notes.line(
    `${key.transitKey} ${what}, to version ${latest}: ${report.summary()}; nothing was changed`,
  )
  return report
}

async function perform(
  { job, key }: OpenJob,
  values: FlagValues,
  minAgeMs: number,
  context: Context,
): Promise<Report> {
  const { output, runtime, interrupt: signal } = context
  const isJson = values['json'] === true
  const progress = new Progress(output.notes, runtime)
  const listed = values['verbose'] === true ? ALL : WORTH_A_LINE
  const report = new Report(output, progress, { isJson, listed })
  // The second look repeats what the first said, but for what failed only then.
  const proof = new Report(output, progress, { isJson, listed: new Set(['failed']) })
  if (values['compat'] === true) output.notes.line(SEEN)
  let current = report
  const onStep = (step: RotationStep): void => {
    progress.clear()
    if (step.step === 'verify') current = proof
    if (step.step === 'rewrap' || step.step === 'verify')
      progress.begin(`${step.step} ${step.site}`)
    tell(step, key.transitKey, output)
  }
  const begun = runtime.now()
  const { from, to, isDone } = await rotateKey(job.rotation(), {
    signal,
    minAgeMs,
    onStep,
    verify: values['verify'] !== false && runtime.env('VALIDATE') !== '0',
    onEntry: (entry) => current.onEntry(entry),
    onPage: (objects, remaining) => current.onPage(objects, remaining),
    onUnread: (site, error) => current.onUnread(site, error),
  }).finally(() => progress.clear())
  if (isJson) output.data.line(JSON.stringify({ key, from, to, isDone }))
  output.notes.line(`${key.transitKey} version ${to}: ${report.summary()}`)
  if (current === proof) output.notes.line(`proven that each opens: ${proof.summary()}`)
  output.notes.line(
    `took ${seconds(runtime.now() - begun)}; old versions still open: secretmanager retire`,
  )
  return proof.hasFailed ? proof : report
}

function tell(step: RotationStep, transitKey: string, { notes }: Output): void {
  switch (step.step) {
    case 'preflight':
    case 'rotate':
    case 'rewrap':
    case 'verify':
      return undefined
    case 'resume':
      return notes.line(
        `a run that began at ${step.journal.begunAt} did not end: this one goes on with it`,
      )
    case 'wait':
      return notes.line(
        `it may be about to rotate: waiting ${seconds(step.ms)} to see whether it goes on`,
      )
    case 'young':
      return notes.line(`the last rotation began ${seconds(step.ageMs)} ago: only rewrapping`)
    case 'rotated':
      return notes.line(`rotated ${transitKey}: version ${step.from} -> ${step.to}`)
  }
}
