import { Option, type Command } from 'commander'

import {
  beginsWith,
  retire as retireKey,
  type RetirementResult,
  type RetirementStep,
} from '../../rotation/retire.ts'
import { durationOf } from '../duration.ts'
import { wholeNumber } from '../whole-number.ts'
import { Findings } from '../findings.ts'
import { withKeyJob, type OpenJob } from '../key-job.ts'
import { Report } from '../key-report.ts'
import { addJournalFlag, addKeyFlags } from '../key-target.ts'
import { paragraph, seconds, type Output } from '../output.ts'
import type { Context } from '../context.ts'
import type { FlagValues } from '../settings.ts'
import { confirm, planOf, versions, type Plan } from '../retire-plan.ts'
import { shownName } from '../shown.ts'
import { addUnretireCommand } from './unretire.ts'

/** Adds `secretmanager retire` and `unretire`. */
export function addRetireCommands(program: Command, context: Context): void {
  const retiring = program
    .command('retire')
    .description('let old versions of a key open nothing any more, once nothing is under them')
    .addOption(new Option('--keep <versions>', 'old versions that stay').default('1', '1'))
    .option(
      '--settle <duration>',
      'how long to wait for who puts old documents back (default: 10s)',
    )
    .option('--trim', 'besides, destroy the retired versions; this cannot be undone')
    .option('--forget <site...>', 'places that are gone, each as status names it')
    .option('--yes', 'do not ask')
    .option('--dry-run', 'say whether it could be done, and change nothing')
    .option('--json', 'print what came of it as JSON')
  addKeyFlags(addJournalFlag(retiring)).addHelpText('after', MORE)
  retiring.action((names: string[], values: FlagValues) => retire(names, values, context))
  addUnretireCommand(program, context)
}

const MORE = `
Name all places where documents are: --inventory, --files, or -A. A part
of a cluster (-n, NAME) is retired from alone with --yes, or if you say
so when you are asked. Places that were looked at before and are not
named count for 24 hours. Everything is looked at three times: before,
once whoever applies old sources had time to, and right after; if
something old turns up then, the version is given back at once. Exits
with 8 where something is in the way; that is said, and nothing is
retired.

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
  const wish: Wish = {
    keep,
    settleMs,
    dryRun: values['dryRun'] === true,
    isTrim: values['trim'] === true,
    isJson: values['json'] === true,
    forget: Array.isArray(values['forget']) ? values['forget'].map(String) : [],
  }
  const { reasons } = await withKeyJob(names, values, context, { needsJournal: true }, (open) =>
    perform(open, wish, values, context),
  )
  if (reasons.length > 0) throw new Findings()
}

interface Wish {
  readonly keep: number
  readonly settleMs: number
  readonly dryRun: boolean
  readonly isTrim: boolean
  readonly isJson: boolean
  /** Places that are gone, as the journal names them. */
  readonly forget: readonly string[]
}

async function perform(
  open: OpenJob,
  wish: Wish,
  values: FlagValues,
  context: Context,
): Promise<RetirementResult> {
  const { job, key, output, isPartial } = open
  const { interrupt: signal } = context
  const { dryRun, isTrim, isJson, keep } = wish
  await job.preflight(isTrim ? ['minima', 'trim'] : ['minima'], signal)
  const facts = await job.facts(signal)
  const { journal } = await job.journal.read(signal)
  const minDecryptionVersion = beginsWith(facts, journal)
  const plan = planOf({ ...facts, minDecryptionVersion }, keep)
  if (!dryRun) {
    const isSure = values['yes'] === true
    await confirm({ key: key.transitKey, plan, isTrim, isSure, isPartial }, context)
  }
  if (wish.forget.length > 0) await forget(open, wish, signal)
  const result = await close(open, wish, plan, context)
  const trimmed = isTrim && !dryRun && result.reasons.length === 0
  if (trimmed) await job.trim(result.to, signal)
  if (isJson) output.data.line(JSON.stringify({ key, ...result, dryRun, trimmed }))
  conclude(result, { key: key.transitKey, plan, wish, trimmed }, output)
  return result
}

async function close(
  { job, output, progress }: OpenJob,
  wish: Wish,
  plan: Plan,
  { interrupt: signal }: Context,
): Promise<RetirementResult> {
  const { keep, dryRun, forget: gone } = wish
  const look = { isJson: false, listed: wish.isJson ? NONE : WORTH_A_LINE }
  let report = new Report(output, progress, look)
  let isRaised = false
  const onStep = (step: RetirementStep): void => {
    if (step.step === 'raise') isRaised = true
    if (step.step === 'look') {
      progress.begin(`looking (${step.nth} of ${dryRun ? 1 : 3})`)
      report = new Report(output, progress, { ...look, before: report })
    }
    tell(step, output)
  }
  try {
    return await retireKey(job.retirement(), {
      signal,
      keep,
      // Where no version is to be closed, nobody has to be waited for.
      settleMs: plan.isIdle ? 0 : wish.settleMs,
      dryRun,
      forget: gone,
      onStep,
      onEntry: (entry) => report.onEntry(entry),
      onPage: (objects, remaining) => report.onPage(objects, remaining),
      onUnread: (site, error) => report.onUnread(site, error),
    })
  } catch (error) {
    if (isRaised) output.notes.line(UNFINISHED)
    throw error
  }
}

const UNFINISHED = 'not finished: run the same again, or take it back: secretmanager unretire'

async function forget(
  { job, output }: OpenJob,
  { forget: names, dryRun }: Wish,
  signal: AbortSignal,
): Promise<void> {
  const { journal } = await job.journal.read(signal)
  const known = Object.keys(journal?.sites ?? {})
  for (const name of names.filter((each) => !known.includes(each))) {
    output.notes.line(
      `nothing is recorded of ${shownName(name)}; recorded: ${known.map(shownName).join('; ')}`,
    )
  }
  if (!dryRun) await job.journal.forget(names, signal)
}

const NONE: ReadonlySet<never> = new Set()
const WORTH_A_LINE = new Set(['behind', 'failed'] as const)

interface Concluded {
  readonly key: string
  readonly plan: Plan
  readonly wish: Wish
  readonly trimmed: boolean
}

function conclude(
  { from, to, latest, reasons }: RetirementResult,
  { key, plan, wish, trimmed }: Concluded,
  { notes }: Output,
): void {
  if (reasons.length > 0) {
    for (const reason of reasons) paragraph(notes, `not retired: ${shownName(reason)}`, 0)
    return
  }
  const destroyed = trimmed && to > plan.available
  const gone = destroyed ? `; ${versions(plan.available, to - 1)} destroyed` : ''
  if (plan.isIdle) {
    const isOne = plan.from === latest
    const kept = isOne
      ? `only version ${latest} opens`
      : `${versions(plan.from, latest)} open, and --keep ${wish.keep} keeps them`
    notes.line(`${key}: nothing to retire: ${kept}${gone}`)
  } else if (wish.dryRun) {
    const would = versions(plan.from, plan.to - 1)
    notes.line(`${key}: nothing is in the way of retiring ${would}; nothing was changed`)
  } else {
    const back = destroyed ? gone : '; secretmanager unretire takes it back'
    notes.line(`${key}: retired ${versions(from, to - 1)}, the latest is ${latest}${back}`)
  }
}

function tell(step: RetirementStep, { notes }: Output): void {
  switch (step.step) {
    case 'settle':
      if (step.ms === 0) return undefined
      return notes.line(`waiting ${seconds(step.ms)} for who puts old documents back`)
    case 'look':
    case 'raise':
      return undefined
    case 'lower':
      return notes.line(`an old document turned up: versions from ${step.to} on open again`)
    case 'resume':
      return notes.line(
        `a run of ${shownName(step.retirement.at)} did not end: what it raised is lowered first`,
      )
  }
}
