/** The command line as data: its commands and flags, and what a failure exits with. */
import { Command, CommanderError } from 'commander'

import { isSecretManagerError } from '../errors.ts'
import type { Runtime } from '../runtime.ts'
import { addDemoCommand } from './commands/demo.ts'
import { addDevCommand } from './commands/dev.ts'
import { addReadCommand } from './commands/read.ts'
import { printError, type Output } from './output.ts'
import { VERSION } from './version.ts'

/** What a command has of the world. */
export interface Context {
  readonly runtime: Runtime
  readonly output: Output
  /** Aborts when the person asks to stop. */
  readonly interrupt: AbortSignal
}

const INTERNAL = 1
const USAGE = 2

/**
 * Runs one command.
 *
 * @returns the exit code: 0 ok, 1 internal, 2 usage or configuration, 3 denied, 4 not found,
 * 5 unreachable, 6 ciphertext or payload, 7 conflict
 */
export async function runCommandLine(args: readonly string[], context: Context): Promise<number> {
  try {
    await program(context).parseAsync([...args], { from: 'user' })
    return 0
  } catch (error) {
    return exitCode(error, context.output)
  }
}

function program(context: Context): Command {
  const { output } = context
  const command = new Command('secretmanager')
    .description('Secrets for microservices on Kubernetes, by the KUBEVAULT pattern.')
    .version(VERSION)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.data(text.trimEnd()),
      writeErr: (text) => output.note(text.trimEnd()),
    })
    .showHelpAfterError('run with --help for the flags')
    .addHelpText('after', EXIT_CODES)
  for (const add of [addReadCommand, addDevCommand, addDemoCommand]) add(command, context)
  return command
}

const EXIT_CODES = `
Exit codes: 0 ok, 1 internal, 2 usage or configuration, 3 denied, 4 not found,
5 unreachable, 6 ciphertext or payload, 7 conflict.`

function exitCode(error: unknown, output: Output): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE
  if (isSecretManagerError(error)) {
    printError(output, error)
    return error.exitCode
  }
  // A foreign message may quote data: its class is all that is safe to show.
  const name = error instanceof Error ? error.name : typeof error
  output.note(`error: an unexpected ${name}; this is a bug, please report what you ran`)
  return INTERNAL
}
