import { Option, type Command } from 'commander'

import { diffDocument, isSame, type Comparison } from '../../authoring/diff.ts'
import { INPUT_FORMATS } from '../../authoring/input.ts'
import { withCore } from '../core.ts'
import { readDocument } from '../document.ts'
import { Findings } from '../findings.ts'
import type { Output } from '../output.ts'
import type { Context } from '../context.ts'
import { addConfigFlags, addDefinitionFlags, settingsOf, type FlagValues } from '../settings.ts'
import { shownName } from '../shown.ts'

/** Adds `secretmanager diff`: which entries would change, by name. */
export function addDiffCommand(program: Command, context: Context): void {
  const command = program
    .command('diff')
    .argument('[name]', 'Secret or ConfigMap that holds the ciphertext')
    .description('compare a dictionary with the one in the cluster: names of entries, no values')
    .requiredOption('--from <file>', 'the dictionary in plaintext (-: stdin)')
    .addOption(
      new Option('--input <format>', 'notation of it (default: by its name, else json)').choices(
        NOTATIONS,
      ),
    )
    .option('--exit-code', 'exit with 8 where they differ')
    .option('--json', 'print the names as JSON')
  addConfigFlags(addDefinitionFlags(command)).addHelpText('after', MORE)
  command.action((name: string | undefined, values: FlagValues) => diff(name, values, context))
}

/** What is no dictionary has no entries. */
const NOTATIONS = INPUT_FORMATS.filter((each) => each !== 'bytes')

const MORE = `
+ would be added, ~ changed, - removed, if the dictionary were
encrypted in place of the stored one. Another spelling of a value
is no difference.

Examples:
  secretmanager diff app --from app.env
  sops -d app.json | secretmanager diff app --from - --exit-code`

async function diff(name: string | undefined, values: FlagValues, context: Context): Promise<void> {
  const settings = await settingsOf(name, values, context.runtime)
  const notation = NOTATIONS.find((each) => each === values['input'])
  const document = await readDocument(String(values['from']), notation, context)
  const differences = await withCore(settings, context, (core, definition) =>
    diffDocument(core, definition, document, { signal: context.interrupt }),
  )
  print(differences, values['json'] === true, context.output)
  if (values['exitCode'] === true && !isSame(differences)) throw new Findings()
}

function print(differences: Comparison, isJson: boolean, { data, notes }: Output): void {
  const { added, changed, removed, isNew } = differences
  if (isJson) return data.line(JSON.stringify({ added, changed, removed }))
  for (const name of added) data.line(`+ ${shownName(name)}`)
  for (const name of changed) data.line(`~ ${shownName(name)}`)
  for (const name of removed) data.line(`- ${shownName(name)}`)
  if (isNew) notes.line('nothing is stored there yet')
  notes.line(
    isSame(differences)
      ? 'no difference'
      : `${added.length} added, ${changed.length} changed, ${removed.length} removed`,
  )
}
