import type { Command } from 'commander'

import { adopt, findRaw, type Found } from '../../authoring/adopt.ts'
import type { Encrypted } from '../../authoring/encrypt.ts'
import type { Definition } from '../../config/definition.ts'
import type { Core } from '../../core.ts'
import { SecretManagerError } from '../../errors.ts'
import { describe } from '../../sources/place.ts'
import { adoptFiles } from '../files-adoption.ts'
import { withCore } from '../core.ts'
import { processInput } from '../input.ts'
import { paragraph } from '../output.ts'
import type { Context } from '../context.ts'
import { addConfigFlags, addDefinitionFlags, settingsOf, type FlagValues } from '../settings.ts'

/** Adds `secretmanager adopt`: turns a raw document of the Python original into a sealed one. */
export function addAdoptCommand(program: Command, context: Context): void {
  const command = program
    .command('adopt')
    .argument('[name]', 'Secret or ConfigMap that holds the raw ciphertext')
    .description('turn a raw document, as the Python original writes it, into a sealed one')
    .option('--from-transit-key <name>', 'Transit key that it is under now (default: the same)')
    .option(
      '--files <paths...>',
      'seal the documents in these files and directories of manifests, in place',
    )
    .option('--yes', 'do not ask; needed where nobody can be asked')
    .option('--dry-run', 'do everything but write')
    .option('--json', 'report what was done as JSON')
  addConfigFlags(addDefinitionFlags(command)).addHelpText('after', MORE)
  command.action((name: string | undefined, values: FlagValues) => run(name, values, context))
}

/** In lines for narrow terminals: commander does not break them. */
const MORE = `
A document is sealed under a key that is derived, which that of the
Python original is not: name the new one with --transit-key, the old one
with --from-transit-key. Once it is sealed, readers with a raw
definition (secretdef.json, the original itself) cannot read it.
With --files and without NAME every raw document in them is meant;
the cluster is neither read nor changed.

Examples:
  secretmanager adopt matrix-secrets --key secrets.json \\
    --transit-key matrix --from-transit-key aes256-key \\
    --config secretcfg.json --dry-run
  secretmanager adopt --transit-key matrix \\
    --from-transit-key aes256-key --files deploy`

async function run(name: string | undefined, values: FlagValues, context: Context): Promise<void> {
  if (values['format'] === 'raw') throw rawAfterwards()
  const mustAsk = values['yes'] !== true && values['dryRun'] !== true
  const input = context.input ?? processInput(process)
  // Before any call: a job that cannot end must not begin.
  if (mustAsk && !input.isTerminal) throw nobodyToAsk()
  const ask = async (question: string): Promise<void> => {
    // Not within a call: a person may take longer than any of them.
    const isAgreed = !mustAsk || (await input.confirm(question, 'no', context.interrupt))
    if (!isAgreed) throw declined()
  }
  if (Array.isArray(values['files'])) return adoptFiles(name, values, context, ask)
  // Where the definition is the original's, it says what there is, and not what there is to be.
  const settings = await settingsOf(name, { ...values, format: 'sealed' }, context.runtime)
  await withCore(settings, context, async (core, definition) => {
    const { calls } = core
    const signal = context.interrupt
    const found = await calls.run({ signal }, (it) => findRaw(core, it, definition))
    if (found.isSealed) return report(found.document, false, values, context)
    paragraph(context.output.notes, warning(found), 0)
    await ask('seal it?')
    const written = await perform({ core, definition, found, values, signal })
    report(written, true, values, context)
  })
}

interface Job {
  readonly core: Core
  readonly definition: Definition
  readonly found: Extract<Found, { isSealed: false }>
  readonly values: FlagValues
  readonly signal: AbortSignal
}

function perform({ core, definition, found, values, signal }: Job): Promise<Encrypted> {
  const from = values['fromTransitKey']
  const options = {
    fromTransitKey: typeof from === 'string' ? from : definition.transitKey,
    dryRun: values['dryRun'] === true,
  }
  return core.calls.run({ signal }, (it) => adopt(core, it, definition, found, options))
}

function warning({ target }: Job['found']): string {
  return `${describe(target.place)} is raw. Once it is sealed, readers with a raw definition (the Python original, secretdef.json) cannot read it any more; deploy the native definition with it.`
}

function report(
  { place, revision, keyVersion }: Encrypted,
  isAdopted: boolean,
  values: FlagValues,
  { output }: Context,
): void {
  const dryRun = values['dryRun'] === true
  const where = describe(place)
  const now = `revision ${revision}, key ${place.transitKey} version ${keyVersion}`
  if (!isAdopted) output.notes.line(`${where} is already sealed, revision ${revision}`)
  else if (dryRun) output.notes.line(`would seal ${where}: ${now}; nothing was written`)
  else output.notes.line(`sealed ${where}: ${now}`)
  if (values['json'] !== true) return
  const adopted = isAdopted && !dryRun
  output.data.line(JSON.stringify({ ...place, adopted, revision, keyVersion }))
}

function rawAfterwards(): SecretManagerError {
  return new SecretManagerError('SM_CONFIG_INVALID', 'an adopted document is sealed, not raw', {
    hint: 'leave --format out',
  })
}

function nobodyToAsk(): SecretManagerError {
  return new SecretManagerError(
    'SM_CONFIG_INVALID',
    'readers with a raw definition cannot read a sealed document, and nobody is here to be asked',
    { hint: '--yes, once they are ready for it; --dry-run shows whether it can be done' },
  )
}

function declined(): SecretManagerError {
  return new SecretManagerError('SM_ABORTED', 'nothing was written', {
    hint: 'run it again once the readers have a native definition',
  })
}
