import type { Command } from 'commander'

import { SecretManagerError } from '../../errors.ts'
import { SecretManager } from '../../manager.ts'
import { names, reveal, type SecretValues } from '../../values.ts'
import type { Output } from '../output.ts'
import type { Context } from '../program.ts'
import {
  addConfigFlags,
  addDefinitionFlags,
  configOf,
  definitionOf,
  type FlagValues,
} from '../settings.ts'

/** Adds `secretmanager read`: reads a dictionary as a service would. */
export function addReadCommand(program: Command, context: Context): void {
  const command = program
    .command('read')
    .argument('[name]', 'Secret or ConfigMap that holds the ciphertext')
    .description('read a dictionary as a service would: names, or values when asked for')
    .option('--reveal', 'print the values, too')
    .option('--json', 'print the dictionary as JSON, into a pipe or with --reveal')
  addConfigFlags(addDefinitionFlags(command))
  command.action((name: string | undefined, values: FlagValues) => read(name, values, context))
}

async function read(name: string | undefined, values: FlagValues, context: Context): Promise<void> {
  const { runtime, output, interrupt } = context
  const isJson = values['json'] === true
  const isRevealed = values['reveal'] === true
  // Before any call: nobody should wait for a refusal.
  if (isJson && output.isTerminal && !isRevealed) throw plaintextToTerminal()
  const config = await configOf(values, runtime)
  const definition = await definitionOf(name, values, runtime)
  await using manager = new SecretManager(config, { runtime })
  const document = await manager.readBytes(definition, { signal: interrupt })
  const secrets = manager.loadJsonSecrets(document)
  // The document as it is stored: numbers beyond a double's precision survive only so.
  if (isJson) return output.data(new TextDecoder().decode(document).trimEnd())
  print(secrets, isRevealed, output)
}

function print(secrets: SecretValues, isRevealed: boolean, output: Output): void {
  for (const name of names(secrets)) {
    output.data(isRevealed ? `${name} = ${shown(secrets[name] ?? null)}` : name)
  }
  const count = names(secrets).length
  const rest = isRevealed ? '' : '; --reveal prints the values'
  output.note(`${count} ${count === 1 ? 'entry' : 'entries'}${rest}`)
}

/** Text as it is, anything else as JSON. */
function shown(value: SecretValues[string]): string {
  if (typeof value === 'string') return value
  const plain = typeof value === 'object' && value !== null ? reveal(value) : value
  return JSON.stringify(plain, (_key, part: unknown) =>
    typeof part === 'bigint' ? String(part) : part,
  )
}

function plaintextToTerminal(): SecretManagerError {
  return new SecretManagerError(
    'SM_CONFIG_INVALID',
    'plaintext is not printed to a terminal unasked',
    {
      hint: 'add --reveal, or send the output of --json into a pipe or a file of yours',
    },
  )
}
