import { Option, type Command } from 'commander'

import { SecretManagerError } from '../../errors.ts'
import {
  retire as retireKey,
  type RetirementResult,
  type RetirementStep,
} from '../../rotation/retire.ts'
import { durationOf } from '../duration.ts'
import { Findings } from '../findings.ts'
import { processInput } from '../input.ts'
import { withKeyJob, type OpenJob } from '../key-job.ts'
import { Report } from '../key-report.ts'
import { addKeyFlags } from '../key-target.ts'
import { seconds, type Output } from '../output.ts'
import type { Context } from '../program.ts'
import { Progress } from '../progress.ts'
import type { FlagValues } from '../settings.ts'

/** Adds `secretmanager retire` and `unretire`. */
export function addRetireCommands(program: Command, context: Context): void {
  const retiring = program
    .command('retire')
    .description('let old versions of a key open nothing any more, once nothing is under them')
    .addOption(new Option('--keep <versions>', 'old versions that stay').default('1'))
    .option(
      '--settle <duration>',
      'how long to wait for who puts old documents back (default: 10s)',
    )
    .option('--trim', 'besides, destroy the retired versions; this cannot be undone')
    .option('--forget <site...>', 'sites that are gone, by the names that status has')
    .option('--yes', 'do not ask')
    .option('--dry-run', 'say whether it could be done, and change nothing')
    .option('--json', 'print what came of it as JSON')
  addKeyFlags(retiring).addHelpText('after', MORE)
  retiring.action((names: string[], values: FlagValues) => retire(names, values, context))
  const undoing = program
    .command('unretire')
    .description('let old versions of a key open again, as far as they were not trimmed')
    .option('--to <version>', 'oldest version that is to open (default: all)')
    .option('--json', 'print what came of it as JSON')
  addKeyFlags(undoing)
  undoing.action((names: string[], values: FlagValues) => unretire(names, values, context))
}

const MORE = `
Everything is looked at three times: before, once whoever applies old
sources had time to, and right after; if something old turns up then,
the version is given back at once. Other sites must have been looked
at within 24 hours. Name them all: --inventory, --files.

Examples:
  secretmanager retire --inventory provision.yaml --transit-key app --dry-run
  secretmanager retire --inventory provision.yaml --transit-key app --keep 0
  secretmanager unretire --transit-key app`

async function retire(
  names: readonly string[],
  values: FlagValues,
  context: Context,
): Promise<void> {
  const keep = wholeNumber(values['keep'], '--keep')
  const settleMs = durationOf(values['settle'], '--settle') ?? 10_000
  const { reasons } = await withKeyJob(names, values, context, (open) =>
    perform(open, { keep, settleMs }, values, context),
  )
  if (reasons.length > 0) throw new Findings()
}

interface Measure {
  readonly keep: number
  readonly settleMs: number
}

async function perform(
  open: OpenJob,
  { keep, settleMs }: Measure,
  values: FlagValues,
  context: Context,
): Promise<RetirementResult> {
  const { output, runtime, interrupt: signal } = context
  const { job, key } = open
  const { dryRun, isTrim, isJson } = wished(values)
  await job.preflight(isTrim ? ['minima', 'trim'] : ['minima'], signal)
  if (!dryRun) {
    await confirm(key.transitKey, isTrim, values, context)
    await job.journal.forget(forgotten(values), signal)
  }
  const progress = new Progress(output.notes, runtime)
  const report = new Report(output, progress, {
    isJson: false,
    listed: isJson ? NONE : WORTH_A_LINE,
  })
  const { onEntry, onPage, onUnread } = report
  const onStep = (step: RetirementStep): void => {
    progress.clear()
    if (step.step === 'look') progress.begin(`looking (${step.nth} of 3)`)
    tell(step, output)
  }
  const options = { signal, keep, settleMs, dryRun, onStep, onEntry, onPage, onUnread }
  const result = await retireKey(job.retirement(), options).finally(() => progress.clear())
  const isRetired = result.reasons.length === 0
  if (isRetired && isTrim && !dryRun) await job.trim(result.to, signal)
  if (isJson)
    output.data.line(
      JSON.stringify({ key, ...result, dryRun, trimmed: isTrim && isRetired && !dryRun }),
    )
  conclude(result, key.transitKey, dryRun, output)
  return result
}

function wished(values: FlagValues): Record<'dryRun' | 'isTrim' | 'isJson', boolean> {
  const { dryRun, trim, json } = values
  return { dryRun: dryRun === true, isTrim: trim === true, isJson: json === true }
}

const NONE: ReadonlySet<never> = new Set()
const WORTH_A_LINE = new Set(['behind', 'failed', 'unknown'] as const)

function conclude(
  { from, to, latest, reasons }: RetirementResult,
  transitKey: string,
  dryRun: boolean,
  { notes }: Output,
): void {
  if (reasons.length > 0) {
    for (const reason of reasons) notes.line(`not retired: ${reason}`)
    return
  }
  const now = `version ${to} and later open, the latest is ${latest}`
  if (dryRun) return notes.line(`nothing is in the way; nothing was changed`)
  if (from === to) return notes.line(`${transitKey}: nothing to retire: ${now}`)
  notes.line(`retired ${transitKey}: ${now}; secretmanager unretire takes it back`)
}

function tell(step: RetirementStep, { notes }: Output): void {
  switch (step.step) {
    case 'settle':
      return notes.line(`waiting ${seconds(step.ms)} for who puts old documents back`)
    case 'look':
    case 'raise':
      return undefined
    case 'lower':
      return notes.line(`an old document turned up: versions from ${step.to} on open again`)
    case 'resume':
      return notes.line(
        `a run of ${step.retirement.at} did not end: what it raised is lowered first`,
      )
  }
}

async function confirm(
  transitKey: string,
  isTrim: boolean,
  values: FlagValues,
  { input = processInput(process), interrupt }: Context,
): Promise<void> {
  if (values['yes'] === true || (!isTrim && !input.isTerminal)) return
  if (!input.isTerminal) {
    throw new SecretManagerError('SM_CONFIG_INVALID', 'nobody is here to be asked about --trim', {
      hint: '--yes, if the versions are to be destroyed',
    })
  }
  const question = isTrim
    ? `Destroy old versions of ${transitKey}? Backups under them never open again.`
    : `Retire old versions of ${transitKey}? What is under them does not open until unretire.`
  if (await input.confirm(question, 'no', interrupt)) return
  throw new SecretManagerError('SM_ABORTED', 'nothing was changed', { hint: 'run it again' })
}

async function unretire(
  names: readonly string[],
  values: FlagValues,
  context: Context,
): Promise<void> {
  const said = values['to'] === undefined ? 1 : wholeNumber(values['to'], '--to')
  const { output, interrupt: signal } = context
  await withKeyJob(names, values, context, async ({ job, key }) => {
    await job.refuseMissing(['minima'], signal)
    const facts = await job.facts(signal)
    const { minDecryptionVersion: from, minAvailableVersion } = facts
    const to = Math.max(said, minAvailableVersion, 1)
    if (to < from)
      await job.configure({ minDecryptionVersion: to, minEncryptionVersion: 0 }, signal)
    const now = Math.min(to, from)
    if (values['json'] === true) output.data.line(JSON.stringify({ key, from, to: now }))
    const trimmed = to > said ? `; those before ${to} were trimmed` : ''
    output.notes.line(`${key.transitKey}: version ${now} and later open${trimmed}`)
  })
}

function forgotten(values: FlagValues): readonly string[] {
  const sites = values['forget']
  return Array.isArray(sites) ? sites.map(String) : []
}

function wholeNumber(value: unknown, flag: string): number {
  const number = /^\d{1,9}$/.test(String(value)) ? Number(value) : undefined
  if (number !== undefined) return number
  throw new SecretManagerError('SM_CONFIG_INVALID', `${flag} must be a whole number`)
}
