import type { Command } from 'commander'

import { unsetEntries } from '../../authoring/entries.ts'
import { withCore } from '../core.ts'
import type { Context } from '../context.ts'
import { addConfigFlags, addDefinitionFlags, settingsOf, type FlagValues } from '../settings.ts'
import { shownName } from '../shown.ts'

/** Adds `secretmanager unset`: takes entries out. */
export function addUnsetCommand(program: Command, context: Context): void {
  const command = program
    .command('unset')
    .argument('<name>', 'Secret or ConfigMap that holds the ciphertext')
    .argument('<entries...>', 'entries of the dictionary, at its top level')
    .description('take entries out of a dictionary: all that are named, or none')
    .option('--if-present', 'let names pass that are not there')
    .option('--dry-run', 'say what would be done, and write nothing')
  addConfigFlags(addDefinitionFlags(command))
  command.action((name: string, entries: readonly string[], values: FlagValues) =>
    unset(name, entries, values, context),
  )
}

async function unset(
  name: string,
  entries: readonly string[],
  values: FlagValues,
  context: Context,
): Promise<void> {
  const { runtime, output, interrupt: signal } = context
  const settings = await settingsOf(name, values, runtime)
  const dryRun = values['dryRun'] === true
  const options = { dryRun, ifPresent: values['ifPresent'] === true, signal }
  await withCore(settings, context, async (core, definition) => {
    const gone = await unsetEntries(core, definition, entries, options)
    const where = `${definition.readKey} of ${definition.secretName}`
    output.notes.line(told(gone.map(shownName), where, dryRun))
  })
}

function told(gone: readonly string[], where: string, dryRun: boolean): string {
  if (gone.length === 0) return `none of these is in ${where}; nothing was written`
  const list = gone.join(', ')
  return dryRun
    ? `would have taken ${list} out of ${where}; nothing was written`
    : `took ${list} out of ${where}`
}
