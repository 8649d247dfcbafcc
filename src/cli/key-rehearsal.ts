/** What is found out before a key is rotated: whether what a person named is there, and what a run would do. */
import { inContext, type SecretManagerError } from '../errors.ts'
import { beginningOf, versionAfter, type Beginning } from '../rotation/beginning.ts'
import { tour } from '../rotation/look.ts'
import type { KeyFacts } from '../vault/keyring.ts'
import { ageText } from './duration.ts'
import type { OpenJob } from './key-job.ts'
import { ALL_STATES, Report } from './key-report.ts'
import type { Context } from './context.ts'

/**
 * A mistyped name must not add a version to the key: what a person names is there, and is a document.
 *
 * @throws {@link SecretManagerError} what the first that is not there, or cannot be read, is told as
 */
export async function refuseAbsent(
  { named, job }: OpenJob,
  { runtime, interrupt: signal }: Context,
): Promise<void> {
  if (named === undefined) return
  const errors: SecretManagerError[] = []
  await tour([named], {
    runtime,
    mode: 'look',
    latest: 1,
    recrypt: job.recryptTo(1),
    signal,
    onPage: () => undefined,
    onEntry: ({ outcome }) => void (outcome.state === 'failed' && errors.push(outcome.error)),
    onUnread: (_site, error) => void errors.push(error),
  })
  const [first] = errors
  if (first !== undefined) throw inContext(first, 'nothing was changed')
}

/** How a rehearsal is told. */
export interface RehearsalOptions {
  /** As in the run. */
  readonly minAgeMs: number
  readonly isJson: boolean
}

/**
 * Checks all that a rotation checks, says what it would do, and changes nothing.
 *
 * @returns whether something could not be rewrapped
 */
export async function rehearse(
  open: OpenJob,
  { minAgeMs, isJson }: RehearsalOptions,
  context: Context,
): Promise<boolean> {
  const { job, key, sites, output, progress } = open
  const { runtime, interrupt: signal } = context
  await refuseAbsent(open, context)
  await job.preflight(['rotate'], signal)
  const { journal } = await job.journal.read(signal)
  const facts = await job.facts(signal)
  const { where } = job.journal
  const nowUnixMs = runtime.wallClock()
  const beginning = beginningOf({ journal, where, key: facts, minAgeMs, nowUnixMs })
  const latest = versionAfter(beginning, facts)
  if (beginning.begin === 'young') output.notes.line(youngText(beginning.ageMs))
  const report = new Report(output, progress, { isJson, listed: ALL_STATES })
  progress.begin('looking')
  // Under a version that is not there yet: all are behind it.
  const recrypt = job.recryptTo(facts.latestVersion)
  const { onEntry, onPage, onUnread } = report
  const options = { runtime, mode: 'try', latest, recrypt, signal } as const
  await tour(sites, { ...options, onEntry, onPage, onUnread })
  if (isJson) {
    const from = beginning.begin === 'resume' ? beginning.journal.from : facts.latestVersion
    output.data.line(JSON.stringify({ key, from, to: latest, dryRun: true }))
  }
  const what = `${key.transitKey} ${plannedText(beginning, latest, facts)}`
  output.notes.line(`${what}: ${report.summary()}; nothing was changed`)
  return report.hasFailed
}

/** Said where a key is too young to be rotated. */
export function youngText(ageMs: number): string {
  return `the last rotation began ${ageText(ageMs)} ago: only rewrapping`
}

function plannedText({ begin }: Beginning, latest: number, { latestVersion }: KeyFacts): string {
  if (begin === 'young') return `version ${latest}`
  if (latest > latestVersion) return `would be rotated, to version ${latest}`
  return `was rotated by a run that did not end, to version ${latest}`
}
