import type { Command } from 'commander'

import { isSecretManagerError } from '../../errors.ts'
import type { Journal } from '../../rotation/journal-text.ts'
import { tour } from '../../rotation/look.ts'
import type { Entry } from '../../rotation/rewrap.ts'
import type { KeyFacts } from '../../vault/keyring.ts'
import { Findings } from '../findings.ts'
import { withKeyJob, type OpenJob } from '../key-job.ts'
import { plainEntry, reasonOf, Report } from '../key-report.ts'
import { addKeyFlags } from '../key-target.ts'
import { paragraph, type Output } from '../output.ts'
import type { Context } from '../program.ts'
import { Progress } from '../progress.ts'
import type { FlagValues } from '../settings.ts'
import { shownName } from '../shown.ts'
import { tableOf } from '../table.ts'

/** Adds `secretmanager status`: which documents there are, and which are behind their key. */
export function addStatusCommand(program: Command, context: Context): void {
  const command = program
    .command('status')
    .description('show documents, the version that each is under, and who is behind')
    .option('--json', 'print all of it as JSON')
  addKeyFlags(command).addHelpText('after', MORE)
  command.action((names: string[], values: FlagValues) => status(names, values, context))
}

const MORE = `
Exits with 8 where a document is behind the latest version of its key,
or could not be looked at. Nothing is decrypted, nothing is changed.

Examples:
  secretmanager status --transit-key app -n prod
  secretmanager status --inventory provision.yaml --transit-key app --json`

/** All that is known. */
interface Known {
  readonly facts: KeyFacts
  /** Absent also where it may not be read. */
  readonly journal: Journal | undefined
  readonly entries: readonly Entry[]
  readonly report: Report
}

async function status(
  names: readonly string[],
  values: FlagValues,
  context: Context,
): Promise<void> {
  const isJson = values['json'] === true
  const { report, facts } = await withKeyJob(names, values, context, async (open) => {
    const known = await look(open, context, isJson)
    if (isJson) printJson(open, known, context.output)
    else print(open, known, context.output)
    return known
  })
  const isBehind = report.count('behind') > 0
  const isUnreadable = facts.minDecryptionVersion > facts.latestVersion
  if (isBehind || report.hasFailed || isUnreadable) throw new Findings()
}

async function look(
  { job, sites }: OpenJob,
  { output, runtime, interrupt: signal }: Context,
  isJson: boolean,
): Promise<Known> {
  const facts = await job.facts(signal)
  const entries: Entry[] = []
  const progress = new Progress(output.notes, runtime)
  const report = new Report(output, progress, { isJson, listed: new Set() })
  progress.begin('looking')
  const latest = facts.latestVersion
  const recrypt = job.recryptTo(latest)
  await tour(sites, {
    runtime,
    latest,
    recrypt,
    signal,
    mode: 'look',
    onEntry: (entry) => {
      entries.push(entry)
      report.onEntry(entry)
    },
    onPage: report.onPage,
    onUnread: report.onUnread,
  }).finally(() => progress.clear())
  return { facts, entries, report, journal: await journalOf(job, signal) }
}

/** It is one line of the report: who may not read it sees the rest. */
async function journalOf(job: OpenJob['job'], signal: AbortSignal): Promise<Journal | undefined> {
  try {
    return (await job.journal.read(signal)).journal
  } catch (error) {
    if (isSecretManagerError(error) && error.component === 'kubernetes') return undefined
    throw error
  }
}

function print({ key, job }: OpenJob, known: Known, { data, notes }: Output): void {
  const { facts, entries, report, journal } = known
  if (entries.length > 0) for (const line of tableOf(HEAD, entries.map(rowOf))) data.line(line)
  for (const entry of entries) {
    const why = reasonOf(entry.object, entry.document, entry.outcome)
    const { outcome } = entry
    if (outcome.state === 'failed') notes.line(`${entry.object.name}: ${outcome.error.message}`)
    if (why !== undefined) notes.line(`${entry.object.name}: ${why}`)
  }
  notes.line(`${key.mount}/keys/${key.transitKey}: ${keyText(facts)}`)
  notes.line(journal ? journalText(journal) : `no rotation is recorded in ${job.journal.where}`)
  paragraph(notes, report.summary(), 0)
}

const HEAD: readonly string[] = ['OBJECT', 'ENTRY', 'FORMAT', 'VERSION', 'STATE', 'SITE']

function rowOf({ object, dataKey, document, outcome, site }: Entry): readonly string[] {
  return [
    shownName(object.name),
    dataKey === undefined ? '-' : shownName(dataKey),
    document?.format ?? '-',
    document === undefined ? '-' : String(document.keyVersion),
    outcome.state === 'failed' ? outcome.error.code : outcome.state,
    site,
  ]
}

function keyText(facts: KeyFacts): string {
  const { latestVersion, minDecryptionVersion, createdAt, isDerived } = facts
  const made = createdAt.get(latestVersion)
  const since = made === undefined ? '' : ` of ${new Date(made).toISOString()}`
  const oldest =
    minDecryptionVersion <= 1 ? 'all open' : `from ${minDecryptionVersion} on they open`
  const bound = isDerived ? '' : '; not derived: nothing is bound to its place'
  return `version ${latestVersion}${since}, ${oldest}${bound}`
}

function journalText({ phase, begunAt, doneAt, from, retirement }: Journal): string {
  const rotation =
    begunAt === ''
      ? 'no rotation is recorded'
      : phase === 'done'
        ? `last rotation: from version ${from}, ${doneAt ?? begunAt}`
        : `a rotation from version ${from} began ${begunAt} and did not end: secretmanager rotate`
  if (retirement === undefined) return rotation
  return `${rotation}; last retirement: ${retirement.at}, from version ${retirement.to} on they open`
}

function printJson({ key, sites }: OpenJob, known: Known, { data }: Output): void {
  const { facts, journal, entries, report } = known
  const plain = {
    key: { ...key, ...facts, createdAt: Object.fromEntries(facts.createdAt) },
    sites: sites.map(({ name }) => name),
    journal: journal ?? null,
    behind: report.count('behind'),
    failed: report.count('failed'),
    documents: entries.map(plainEntry),
  }
  data.line(JSON.stringify(plain, undefined, 2))
}
