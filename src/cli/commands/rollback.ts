import type { Command } from 'commander'

import { rollBack, type Rollback } from '../../authoring/rollback.ts'
import { describe, type Place } from '../../sources/place.ts'
import { withCore } from '../core.ts'
import { readGiven } from '../manifest-files.ts'
import { addManifestFlags, isManifest, manifestDestination } from '../manifest-output.ts'
import type { Output } from '../output.ts'
import type { Context } from '../context.ts'
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
  addConfigFlags(addDefinitionFlags(addManifestFlags(command))).addHelpText('after', MORE)
  command.action((name: string | undefined, values: FlagValues) => {
    return rollback(name, values, context)
  })
}

const MORE = `
Reverting the manifest is no way back: readers refuse a revision
older than one that they have read. Readers see the new revision as
any other change. With --onto the document in that file is replaced,
with -o that of the cluster, where there is one: nothing is written.

Examples:
  git show HEAD~3:app.yaml | secretmanager rollback app --from -
  git show HEAD~3:app.yaml | secretmanager rollback app --from - \\
    --onto app.yaml > new.yaml && mv new.yaml app.yaml
  secretmanager rollback app --from app-old.yaml --dry-run`

async function rollback(
  name: string | undefined,
  values: FlagValues,
  context: Context,
): Promise<void> {
  const settings = await settingsOf(name, values, context.runtime)
  const old = await readGiven(String(values['from']), context)
  const dryRun = values['dryRun'] === true
  const options = {
    dryRun,
    signal: context.interrupt,
    manifest: isManifest(values)
      ? (place: Place) => manifestDestination(values, context, place)
      : undefined,
  }
  const done = await withCore(settings, context, (core, definition) =>
    rollBack(core, definition, old, options),
  )
  print(done, values, context.output)
}

function print(done: Rollback, values: FlagValues, { data, notes }: Output): void {
  const { broken, manifest } = done
  if (broken) notes.line(`${broken.message} (${broken.code}): it is replaced unread`)
  if (values['json'] === true) return data.line(JSON.stringify(plain(done, values)))
  if (manifest !== undefined) data.bytes(Buffer.from(manifest))
  notes.line(told(done, values))
}

function plain({ place, from, content, to }: Rollback, values: FlagValues): object {
  const { kind, namespace, name, dataKey: entry } = place
  return { kind, namespace, name, entry, from, content, to, dryRun: values['dryRun'] === true }
}

function told(done: Rollback, values: FlagValues): string {
  const { place, content, to } = done
  const what = `the content of ${revision(content)} ${replacing(done, values)} ${describe(place)}`
  const [would, was] = isManifest(values) ? ['encrypt', 'encrypted'] : ['store', 'stored']
  if (values['dryRun'] === true) return `would ${would} ${what}; nothing was written`
  const ending = isManifest(values) ? '; as a manifest, nothing was written to the cluster' : ''
  return `${was} ${what}, as ${revision(to)}${ending}`
}

/** With `-o` the document that is replaced stands elsewhere than the new one. */
function replacing({ isNew, from, broken }: Rollback, values: FlagValues): string {
  const isElsewhere = values['output'] !== undefined
  if (isNew) return isElsewhere ? 'in place of none in the cluster, for' : 'in'
  const what = broken ? 'what is broken' : revision(from)
  return `in place of ${what} ${isElsewhere ? 'in the cluster, for' : 'in'}`
}

/** What is raw has none. */
function revision(number: number | undefined): string {
  return number === undefined ? 'a document without revision' : `revision ${number}`
}
