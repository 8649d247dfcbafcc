import type { Command } from 'commander'

import { tour } from '../../rotation/look.ts'
import { Findings } from '../findings.ts'
import { withKeyJob, type OpenJob } from '../key-job.ts'
import { ALL_STATES, Report, WORTH_A_LINE } from '../key-report.ts'
import { addKeyFlags } from '../key-target.ts'
import type { Context } from '../context.ts'
import type { FlagValues } from '../settings.ts'

/** Adds `secretmanager rewrap`: documents come to the latest version of their key, without plaintext. */
export function addRewrapCommand(program: Command, context: Context): void {
  const command = program
    .command('rewrap')
    .description('bring documents to the latest version of their key; nothing is decrypted')
    .option('--dry-run', 'say what would be rewrapped, and write nothing')
    .option('--compat', COMPAT)
    .option('--verbose', 'list documents that are current, too')
    .option('--json', 'print a line of JSON for each document')
  addKeyFlags(command).addHelpText('after', MORE)
  command.action((names: string[], values: FlagValues) => rewrap(names, values, context))
}

/** Of every command that may have to do with the original's policy. */
export const COMPAT =
  'for the policy of the Python original: decrypt and encrypt here, which sees plaintext'

const MORE = `
What is current is not written to, so a second run writes nothing.
Who writes meanwhile wins. Objects that Argo CD, Flux or Helm keep as
their source says are left alone: rewrap the source (--files), and
have it applied. Exits with 8 where something failed.

Examples:
  secretmanager rewrap app --def app.yaml
  secretmanager rewrap --transit-key app -n prod
  secretmanager rewrap --inventory provision.yaml --transit-key app
  secretmanager rewrap --files deploy --transit-key app`

async function rewrap(
  names: readonly string[],
  values: FlagValues,
  context: Context,
): Promise<void> {
  const report = await withKeyJob(names, values, context, { needsJournal: false }, (open) =>
    perform(open, values, context),
  )
  if (report.hasFailed) throw new Findings()
}

async function perform(
  { job, key, sites, output, progress }: OpenJob,
  values: FlagValues,
  { runtime, interrupt: signal }: Context,
): Promise<Report> {
  const dryRun = values['dryRun'] === true
  await job.preflight([], signal)
  const { latestVersion: latest } = await job.facts(signal)
  const report = new Report(output, progress, {
    isJson: values['json'] === true,
    listed: values['verbose'] === true ? ALL_STATES : WORTH_A_LINE,
  })
  if (values['compat'] === true) output.notes.line(SEEN)
  progress.begin(dryRun ? 'looking' : 'rewrapping')
  const mode = dryRun ? 'try' : 'rewrap'
  const options = { runtime, mode, latest, recrypt: job.recryptTo(latest), signal } as const
  const { onEntry, onPage, onUnread } = report
  await tour(sites, { ...options, onEntry, onPage, onUnread })
  const end = dryRun ? '; nothing was written' : ''
  output.notes.line(`${key.transitKey} version ${latest}: ${report.summary()}${end}`)
  return report
}

/** Said before plaintext is seen. */
export const SEEN = '--compat: documents are decrypted and encrypted here, in memory'
