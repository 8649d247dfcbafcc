import type { Command } from 'commander'

import { rollBack, type Rollback } from '../../authoring/rollback.ts'
import { describe } from '../../sources/place.ts'
import { withCore } from '../core.ts'
import { readGiven } from '../manifest-files.ts'
import type { Output } from '../output.ts'
import type { Context } from '../program.ts'
import { addConfigFlags, addDefinitionFlags, settingsOf, type FlagValues } from '../settings.ts'

/** Adds `secretmanager rollback`: stores old content under a new revision. */
export function addRollbackCommand(program: Command, context: Context): void {
  const command = program
    .command('rollback')
    .argument('[name]', 'Secret or ConfigMap that holds the ciphertext')
    .description('go back to an old document: its content, under a new revision')
    .requiredOption('--from <file>', 'manifest as it was, or the stored document (-: stdin)')
    .option('--dry-run', 'say what would be done, and write nothing')
    .option('--json', 'print what was done as JSON')
  addConfigFlags(addDefinitionFlags(command)).addHelpText('after', MORE)
  command.action((name: string | undefined, values: FlagValues) => {
    return rollback(name, values, context)
  })
}

const MORE = `
Reverting the manifest is no way back: readers refuse a revision
older than one that they have read. Readers see the new revision as
any other change.

Examples:
  git show HEAD~3:app.yaml | secretmanager rollback app --from -
  secretmanager rollback app --from app-old.yaml --dry-run`

async function rollback(
  name: string | undefined,
  values: FlagValues,
  context: Context,
): Promise<void> {
  const settings = await settingsOf(name, values, context.runtime)
  const old = await readGiven(String(values['from']), context)
  const dryRun = values['dryRun'] === true
  const done = await withCore(settings, context, (core, definition) =>
    rollBack(core, definition, old, { dryRun, signal: context.interrupt }),
  )
  print(done, dryRun, values['json'] === true, context.output)
}

function print(done: Rollback, dryRun: boolean, isJson: boolean, { data, notes }: Output): void {
  const { place, from, content, to, broken } = done
  if (broken) notes.line(`${broken.message} (${broken.code}): it is replaced unread`)
  if (isJson) {
    const { kind, namespace, name, dataKey } = place
    return data.line(
      JSON.stringify({ kind, namespace, name, entry: dataKey, from, content, to, dryRun }),
    )
  }
  const what = `the content of ${revision(content)}`
  const replacing = `in place of ${broken ? 'what is broken' : revision(from)}`
  const where = describe(place)
  if (dryRun) return notes.line(`would store ${what} ${replacing} in ${where}; nothing was written`)
  notes.line(`stored ${what} ${replacing} in ${where}, as ${revision(to)}`)
}

/** What is raw has none. */
function revision(number: number | undefined): string {
  return number === undefined ? 'a document without revision' : `revision ${number}`
}
