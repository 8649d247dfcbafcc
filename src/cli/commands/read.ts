import type { Command } from 'commander'

import { SecretManagerError } from '../../errors.ts'
import { SecretManager } from '../../manager.ts'
import { names, type SecretValues } from '../../values.ts'
import type { Output } from '../output.ts'
import type { Context } from '../context.ts'
import { addConfigFlags, addDefinitionFlags, settingsOf, type FlagValues } from '../settings.ts'
import { shownName, shownValue } from '../shown.ts'
import { announceWaits } from '../waiting.ts'

/** Adds `secretmanager read`: reads a dictionary as a service would. */
export function addReadCommand(program: Command, context: Context): void {
  const command = program
    .command('read')
    .argument('[name]', 'Secret or ConfigMap that holds the ciphertext')
    .description('read a dictionary as a service would: names, or values when asked for')
    .option('--reveal', 'print the values, too')
    .option('--json', 'print the document as it was stored, into a pipe or with --reveal')
  addConfigFlags(addDefinitionFlags(command)).addHelpText('after', MORE)
  command.action((name: string | undefined, values: FlagValues) => read(name, values, context))
}

/** In lines for narrow terminals: commander does not break them. */
const MORE = `
Flags win over the environment (VAULT_ADDR, VAULT_CACERT,
VAULT_NAMESPACE, …), and the environment over files.

Examples:
  secretmanager read app --key secrets.json \\
    --transit-key app --config secretcfg.json
  secretmanager read --config secretcfg.json \\
    --def secretdef.json --json | jq`

async function read(name: string | undefined, values: FlagValues, context: Context): Promise<void> {
  const { runtime, output, interrupt } = context
  const isJson = values['json'] === true
  const isRevealed = values['reveal'] === true
  // Before any call: nobody should wait for a refusal.
  if (isJson && output.data.isTerminal && !isRevealed) throw plaintextToTerminal()
  const { config, definition } = await settingsOf(name, values, runtime)
  await using manager = new SecretManager(config, { runtime })
  const document = await announced(context, () =>
    manager.readBytes(definition, { signal: interrupt }),
  )
  const secrets = manager.loadJsonSecrets(document)
  if (isJson) printDocument(document, output)
  else printEntries(secrets, isRevealed, output)
}

async function announced<T>({ output, runtime }: Context, work: () => Promise<T>): Promise<T> {
  const quiet = announceWaits(output, runtime)
  try {
    return await work()
  } finally {
    quiet()
  }
}

/** Byte for byte: numbers beyond a double's precision survive only so. */
function printDocument(document: Uint8Array, { data }: Output): void {
  data.bytes(document)
  if (data.isTerminal) data.line('')
}

function printEntries(secrets: SecretValues, isRevealed: boolean, { data, notes }: Output): void {
  for (const name of names(secrets)) {
    const value = isRevealed ? ` = ${shownValue(secrets[name] ?? null)}` : ''
    data.line(shownName(name) + value)
  }
  const count = names(secrets).length
  const rest = isRevealed ? '' : '; --reveal prints the values'
  notes.line(`${count} ${count === 1 ? 'entry' : 'entries'}${rest}`)
}

function plaintextToTerminal(): SecretManagerError {
  return new SecretManagerError(
    'SM_CONFIG_INVALID',
    'plaintext is not printed to a terminal unasked',
    { hint: 'add --reveal, or send the output of --json into a pipe or a file of yours' },
  )
}
