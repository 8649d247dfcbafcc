import type { Command } from 'commander'

import { isSecretManagerError } from '../../errors.ts'
import { rotate as rotateKey, type Rotation, type RotationStep } from '../../rotation/rotate.ts'
import { durationOf } from '../duration.ts'
import { Findings } from '../findings.ts'
import { withKeyJob, type OpenJob } from '../key-job.ts'
import { rehearse, refuseAbsent, youngText } from '../key-rehearsal.ts'
import { ALL_STATES, Report, WORTH_A_LINE } from '../key-report.ts'
import { addJournalFlag, addKeyFlags } from '../key-target.ts'
import { seconds, type Output } from '../output.ts'
import type { Context } from '../context.ts'
import type { FlagValues } from '../settings.ts'
import { shownName } from '../shown.ts'
import { COMPAT, SEEN } from './rewrap.ts'

/** Adds `secretmanager rotate`: a new version of a key, and its documents under it. */
export function addRotateCommand(program: Command, context: Context): void {
  const command = program
    .command('rotate')
    .description(
      'add a version to a Transit key, and rewrap its documents; old versions still open',
    )
    .option('--dry-run', 'check every right, say what would be done, and change nothing')
    .option('--compat', COMPAT)
    .option('--min-age <duration>', 'rewrap only, where the key was rotated since (default: 0)')
    .option('--no-verify', 'do not have Transit prove that each document opens')
    .option('--verbose', 'list documents that are current, too')
    .option('--json', 'print a line of JSON for each document, and one for the rotation')
  addKeyFlags(addJournalFlag(command)).addHelpText('after', MORE)
  command.action((names: string[], values: FlagValues) => rotate(names, values, context))
}

const MORE = `
Every right is checked before anything is changed. A run that was
ended goes on where it ended: just run it again. Exits with 8 where a
document could not be rewrapped: mend that, and run it again. The
environment of the Python original's CronJob works: TRANSIT_KEY,
SECRET_NAME, VALIDATE, ...

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
  const isJson = values['json'] === true
  const hasFailed = await withKeyJob(names, values, context, { needsJournal: true }, (open) => {
    if (values['compat'] === true) open.output.notes.line(SEEN)
    return values['dryRun'] === true
      ? rehearse(open, { minAgeMs, isJson }, context)
      : perform(open, values, minAgeMs, context)
  })
  if (hasFailed) throw new Findings()
}

async function perform(
  open: OpenJob,
  values: FlagValues,
  minAgeMs: number,
  context: Context,
): Promise<boolean> {
  const { job, key, output } = open
  const { runtime, interrupt: signal } = context
  const verify = values['verify'] !== false && runtime.env('VALIDATE') !== '0'
  const told = new Telling(open, values)
  const begun = runtime.now()
  try {
    await refuseAbsent(open, context)
    const { onEntry, onPage, onUnread, onStep } = told
    const options = { signal, minAgeMs, verify, onStep, onEntry, onPage, onUnread }
    const rotation = await rotateKey(job.rotation(), options)
    if (values['json'] === true) {
      const { from, to, isDone } = rotation
      output.data.line(JSON.stringify({ key, from, to, isDone }))
    }
    told.end(rotation, runtime.now() - begun)
  } catch (error) {
    if (signal.aborted || isSecretManagerError(error)) told.cutShort()
    throw error
  }
  return told.hasFailed
}

/** Tells of a rotation as it goes. */
class Telling {
  readonly #open: OpenJob
  readonly #report: Report
  /** The second look repeats what the first said, but for what failed only then. */
  readonly #proof: Report
  #current: Report
  #isBegun = false

  constructor(open: OpenJob, values: FlagValues) {
    const { output, progress } = open
    const isJson = values['json'] === true
    const listed = values['verbose'] === true ? ALL_STATES : WORTH_A_LINE
    this.#open = open
    this.#report = new Report(output, progress, { isJson, listed })
    const before = this.#report
    this.#proof = new Report(output, progress, { isJson, listed: new Set(['failed']), before })
    this.#current = this.#report
  }

  readonly onEntry: Report['onEntry'] = (entry) => this.#current.onEntry(entry)
  readonly onPage: Report['onPage'] = (objects, rest) => this.#current.onPage(objects, rest)
  readonly onUnread: Report['onUnread'] = (site, error) => this.#current.onUnread(site, error)

  readonly onStep = (step: RotationStep): void => {
    const { progress, key, output } = this.#open
    if (step.step === 'rotate' || step.step === 'resume') this.#isBegun = true
    if (step.step === 'verify') this.#current = this.#proof
    if (step.step === 'rewrap') progress.begin(`rewrapping ${step.site}`)
    if (step.step === 'verify') progress.begin(`proving ${step.site}`)
    tell(step, key.transitKey, output)
  }

  get hasFailed(): boolean {
    return this.#report.hasFailed || this.#proof.hasFailed
  }

  end({ to, isDone }: Rotation, tookMs: number): void {
    const { key, output } = this.#open
    const { notes } = output
    notes.line(`${key.transitKey} version ${to}: ${this.#report.summary()}`)
    if (this.#proof.count(...ALL_STATES) > 0) notes.line(this.#proven())
    const failed = isDone ? 'secretmanager rewrap' : 'this again: it goes on'
    const next = this.hasFailed
      ? `mend what failed, then run ${failed}`
      : 'old versions still open: secretmanager retire'
    notes.line(`took ${seconds(tookMs)}; ${next}`)
  }

  #proven(): string {
    const isAll = !this.#proof.hasFailed && this.#proof.count('behind') === 0
    if (isAll) return 'Transit proved that each of them opens'
    return `Transit proved not all of them: ${this.#proof.summary()}`
  }

  cutShort(): void {
    if (this.#isBegun) this.#open.output.notes.line(UNFINISHED)
  }
}

const UNFINISHED = 'not finished: run the same again, it goes on, with one new version at most'

function tell(step: RotationStep, transitKey: string, { notes }: Output): void {
  switch (step.step) {
    case 'preflight':
    case 'rotate':
    case 'rewrap':
    case 'verify':
      return undefined
    case 'resume':
      return notes.line(
        `a run that began at ${shownName(step.journal.begunAt)} did not end: this one goes on with it`,
      )
    case 'wait':
      return notes.line(
        `it may be about to rotate: waiting ${seconds(step.ms)} to see whether it goes on`,
      )
    case 'young':
      return notes.line(youngText(step.ageMs))
    case 'rotated':
      return notes.line(`${transitKey}: version ${step.from} -> ${step.to}`)
  }
}
