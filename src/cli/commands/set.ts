import type { Command } from 'commander'

import { setEntry, type SetOutcome } from '../../authoring/entries.ts'
import { SecretManagerError } from '../../errors.ts'
import { withCore } from '../core.ts'
import type { Context } from '../context.ts'
import { addConfigFlags, addDefinitionFlags, settingsOf, type FlagValues } from '../settings.ts'
import { shownName } from '../shown.ts'
import { readValue } from '../value.ts'

/** Adds `secretmanager set`: gives one entry a value. */
export function addSetCommand(program: Command, context: Context): void {
  const command = program
    .command('set')
    .argument('<name>', 'Secret or ConfigMap that holds the ciphertext')
    .argument('<entry>', 'entry of the dictionary, at its top level')
    .argument('[-]', 'read the value from stdin, as is done anyway in a pipe')
    .description('give one entry a value, from stdin, a file or a hidden question')
    // Told by refuseValues, with the reason.
    .allowExcessArguments()
    .option('--from <file>', 'read the value from a file (-: stdin)')
    .option('--json', 'the value is JSON, such as a number or a list (default: a string)')
    .option('--exact', 'keep the line end behind a value of one line')
    .option('--create', 'make the dictionary, and the object, if there is none')
    .option('--dry-run', 'say what would be done, and write nothing')
  addConfigFlags(addDefinitionFlags(command)).addHelpText('after', MORE)
  command.action((name: string, entry: string, _source: unknown, values: FlagValues) =>
    set(name, entry, command.args.slice(2), values, context),
  )
}

const MORE = `
A value is never an argument: others see those in the list of
processes, and the shell keeps them. Everything else of the
dictionary stays as it is, byte for byte.

Examples:
  secretmanager set app db_password
  pwgen -s 32 1 | secretmanager set app db_password
  secretmanager set app tls_key --from tls.key
  echo 5432 | secretmanager set app port --json`

async function set(
  name: string,
  entry: string,
  rest: readonly string[],
  values: FlagValues,
  context: Context,
): Promise<void> {
  refuseValues(entry, rest, values['from'])
  const settings = await settingsOf(name, values, context.runtime)
  const json = await readValue(
    {
      from: rest[0] ?? text(values['from']),
      isJson: values['json'] === true,
      isExact: values['exact'] === true,
    },
    context,
  )
  const dryRun = values['dryRun'] === true
  await withCore(settings, context, async (core, definition) => {
    const options = { create: values['create'] === true, dryRun, signal: context.interrupt }
    const outcome = await setEntry(core, definition, entry, json, options)
    const where = `${definition.readKey} of ${definition.secretName}`
    context.output.notes.line(told(outcome, dryRun, shownName(entry), where))
  })
}

/** None of them is repeated: the terminal has it already, a log need not. */
function refuseValues(entry: string, rest: readonly string[], from: unknown): void {
  const isStdin = rest.length === 0 || (rest.length === 1 && rest[0] === '-')
  if (entry.includes('=') || !isStdin) throw valueAsArgument()
  if (rest.length > 0 && from !== undefined && from !== '-') {
    throw new SecretManagerError('SM_CONFIG_INVALID', 'the value is to come from two places', {
      hint: 'choose - for stdin or --from for a file',
    })
  }
  if (entry !== '' && entry !== '-') return
  throw new SecretManagerError('SM_CONFIG_INVALID', 'the entry has no name', {
    hint: 'secretmanager set NAME ENTRY',
  })
}

function valueAsArgument(): SecretManagerError {
  return new SecretManagerError(
    'SM_CONFIG_INVALID',
    'a value is never an argument: it is in the list of processes and in the history of the shell by now',
    {
      hint: 'choose another value, and send it through a pipe, or give --from FILE, or neither to be asked for it; an entry with "=" in its name is for secretmanager edit',
    },
  )
}

function told(outcome: SetOutcome, dryRun: boolean, entry: string, where: string): string {
  if (outcome === 'unchanged')
    return `${entry} in ${where} has this value already; nothing was written`
  if (!dryRun) return `${outcome} ${entry} in ${where}`
  return `would have ${outcome} ${entry} in ${where}; nothing was written`
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
