import type { Command } from 'commander'

import { isSecretManagerError, type SecretManagerError } from '../../errors.ts'
import type { Journal } from '../../rotation/journal-text.ts'
import { tour } from '../../rotation/look.ts'
import type { Entry } from '../../rotation/rewrap.ts'
import { Findings } from '../findings.ts'
import { withKeyJob, type OpenJob } from '../key-job.ts'
import { plainEntry, Report } from '../key-report.ts'
import { isUseless, keyState, printKeyState, type Known } from '../key-state.ts'
import { addJournalFlag, addKeyFlags } from '../key-target.ts'
import type { Context } from '../context.ts'
import type { FlagValues } from '../settings.ts'

/** Adds `secretmanager status`: which documents there are, and which are behind their key. */
export function addStatusCommand(program: Command, context: Context): void {
  const command = program
    .command('status')
    .description('show documents, the version that each is under, and who is behind')
    .option('--json', 'print all of it as JSON')
  addKeyFlags(addJournalFlag(command)).addHelpText('after', MORE)
  command.action((names: string[], values: FlagValues) => status(names, values, context))
}

const MORE = `
Nothing is decrypted, nothing is changed. Exits with 8 where a document
is behind the latest version of its key, does not open under it, or
could not be looked at.

Examples:
  secretmanager status --transit-key app -n prod
  secretmanager status --inventory provision.yaml --transit-key app --json`

async function status(
  names: readonly string[],
  values: FlagValues,
  context: Context,
): Promise<void> {
  const known = await withKeyJob(names, values, context, { needsJournal: false }, async (open) => {
    const found = await look(open, context)
    if (values['json'] === true) printJson(open, found)
    else printKeyState(found, context.runtime.wallClock(), open.output.data)
    return found
  })
  const { report, entries, facts } = known
  const isFound = entries.some((entry) => isUseless(entry, facts))
  if (isFound || report.count('behind') > 0 || report.hasFailed) throw new Findings()
}

async function look(open: OpenJob, { runtime, interrupt: signal }: Context): Promise<Known> {
  const { job, sites, key, output, progress } = open
  const facts = await job.facts(signal)
  const entries: Entry[] = []
  const unread: Known['unread'][number][] = []
  const report = new Report(output, progress, { isJson: false, listed: new Set() })
  progress.begin('looking')
  const latest = facts.latestVersion
  await tour(sites, {
    runtime,
    latest,
    recrypt: job.recryptTo(latest),
    signal,
    // A raw document says of no key that it is under it, but Transit does.
    mode: (await job.mayRewrap(signal)) ? 'try' : 'look',
    onPage: report.onPage,
    onEntry: (entry) => {
      entries.push(entry)
      report.onEntry(entry)
    },
    onUnread: (site, error) => {
      unread.push({ site, error })
      report.onUnread(site, error)
    },
  })
  const journal = await journalOf(open, signal)
  return { key, sites, facts, entries, unread, report, journal, where: job.journal.where }
}

/** It is one line of the report: who may not read it sees the rest. */
async function journalOf(
  { job, hasJournal }: OpenJob,
  signal: AbortSignal,
): Promise<Known['journal']> {
  if (!hasJournal) return 'no cluster was asked for the journal'
  try {
    const { journal } = await job.journal.read(signal)
    return journal ?? `none is recorded in ${job.journal.where}`
  } catch (error) {
    if (signal.aborted || !isSecretManagerError(error)) throw error
    return `not known: ${error.message}`
  }
}

function printJson(open: OpenJob, known: Known): void {
  const { key, facts, journal, entries, unread, report, sites, where } = known
  const plain = {
    key: { ...key, ...facts, createdAt: Object.fromEntries(facts.createdAt) },
    sites: sites.map(({ name }) => name),
    ...(isText(journal) ? { journal: null, noJournal: journal } : { journal, journalIn: where }),
    behind: report.count('behind'),
    failed: report.count('failed'),
    unread: unread.map(plainUnread),
    documents: entries.map((entry) =>
      Object.assign(plainEntry(entry), { state: keyState(entry, facts) }),
    ),
  }
  open.output.data.line(JSON.stringify(plain, undefined, 2))
}

function isText(journal: Journal | string): journal is string {
  return typeof journal === 'string'
}

function plainUnread({ site, error }: { site: string; error: SecretManagerError }): object {
  const { code, message, hint } = error
  return { site, code, message, hint }
}
