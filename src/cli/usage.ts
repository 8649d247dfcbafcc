import type { Command, CommanderError } from 'commander'

import { SecretManagerError } from '../errors.ts'
import { closest } from '../lib/closest.ts'
import { printUsageError, type Output } from './output.ts'

/** Prints what is wrong with the arguments, with the flag or command that was probably meant. */
export function explainUsage(
  { message, code }: CommanderError,
  args: readonly string[],
  program: Command,
  output: Output,
): void {
  const command = program.commands.find((each) => each.name() === args[0])
  const help = [program.name(), command?.name(), '--help'].filter(Boolean).join(' ')
  const meant = suggestion(code, message, command ?? program)
  printUsageError(output, sentence(message), meant === undefined ? help : `${meant}, or ${help}`)
}

/** Flags and arguments that do not go together, or not without another. */
export function misused(message: string, hint: string): SecretManagerError {
  return new SecretManagerError('SM_CONFIG_INVALID', message, { hint })
}

function suggestion(code: string, message: string, command: Command): string | undefined {
  const word = /'([^'=]*)/.exec(message)?.[1] ?? ''
  if (code === 'commander.unknownCommand') return closest(word, command.commands.map(nameOf))
  if (code !== 'commander.unknownOption') return undefined
  return closest(word, [...command.options.flatMap(({ long }) => long ?? []), '--help'])
}

function nameOf(command: Command): string {
  return command.name()
}

/** In our form; of `--flag=value` the flag alone, because the value may be a secret. */
function sentence(message: string): string {
  return message
    .replace(/^error: /, '')
    .replace(/(unknown option '[^'=]*)=.*'$/s, "$1'")
    .replaceAll(/\. (\w)/g, (_dot, letter: string) => `; ${letter.toLowerCase()}`)
    .replace(/\.$/, '')
}
