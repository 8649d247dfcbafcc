import type { Command } from 'commander'

import { withKey, type OpenKey } from '../key-job.ts'
import type { Context } from '../context.ts'
import { addConfigFlags, type FlagValues } from '../settings.ts'
import { wholeNumber } from '../whole-number.ts'

/** Adds `secretmanager unretire`: what `retire` closed opens again. */
export function addUnretireCommand(program: Command, context: Context): void {
  const command = program
    .command('unretire')
    .description('let old versions of a key open again, as far as they were not trimmed')
    .option('--to <version>', 'oldest version that is to open (default: all)')
    .option('--transit-key <name>', 'Transit key')
    .option('--def <file>', 'definition of a document under it')
    .option('--json', 'print what came of it as JSON')
  addConfigFlags(command).addHelpText('after', MORE)
  command.action((values: FlagValues) => unretire(values, context))
}

const MORE = `
Vault alone is asked.

Example:
  secretmanager unretire --transit-key app --to 3`

async function unretire(values: FlagValues, context: Context): Promise<void> {
  const said = values['to'] === undefined ? 1 : wholeNumber(values['to'], '--to')
  const isJson = values['json'] === true
  await withKey(values, context, (open) => lower(open, said, isJson, context.interrupt))
}

async function lower(
  { job, key, output }: OpenKey,
  said: number,
  isJson: boolean,
  signal: AbortSignal,
): Promise<void> {
  await job.refuseMissing(['minima'], signal)
  const { minDecryptionVersion, minAvailableVersion: available } = await job.facts(signal)
  const from = Math.max(minDecryptionVersion, 1)
  const lowest = Math.max(said, available, 1)
  const to = Math.min(lowest, from)
  if (to < from) {
    // Not set, where that can be: Vault refuses it once versions were trimmed.
    await job.configure({ minDecryptionVersion: to, minEncryptionVersion: available }, signal)
  }
  if (isJson) output.data.line(JSON.stringify({ key, from, to }))
  const trimmed = available > said ? `; those before ${available} were destroyed` : ''
  const again = to < from ? 'open again' : 'open already; nothing was changed'
  output.notes.line(`${key.transitKey}: version ${to} and later ${again}${trimmed}`)
}
