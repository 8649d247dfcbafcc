/** The command line as data: its commands and flags, and what a failure exits with. */
import { constants } from 'node:os'

import { Command, CommanderError } from 'commander'

import { isSecretManagerError } from '../errors.ts'
import { addAdoptCommand } from './commands/adopt.ts'
import { addDemoCommand } from './commands/demo.ts'
import { addDiffCommand } from './commands/diff.ts'
import { addDevCommand } from './commands/dev.ts'
import { addDoctorCommand } from './commands/doctor.ts'
import { addEncryptCommand } from './commands/encrypt.ts'
import { addEditCommand } from './commands/edit.ts'
import { addInitCommand } from './commands/init.ts'
import { addProvisionCommand } from './commands/provision.ts'
import { addReadCommand } from './commands/read.ts'
import { addRetireCommands } from './commands/retire.ts'
import { addRewrapCommand } from './commands/rewrap.ts'
import { addRotateCommand } from './commands/rotate.ts'
import { addStatusCommand } from './commands/status.ts'
import { addRollbackCommand } from './commands/rollback.ts'
import { addSetCommand } from './commands/set.ts'
import { addTextconvCommand } from './commands/textconv.ts'
import { addUnsetCommand } from './commands/unset.ts'
import { addVerifyCommand } from './commands/verify.ts'
import type { Context } from './context.ts'
import { Findings } from './findings.ts'
import { printError, type Output } from './output.ts'
import { explainUsage } from './usage.ts'
import { VERSION } from './version.ts'

const INTERNAL = 1
const USAGE = 2
const FOUND = 8

/**
 * Runs one command.
 *
 * @returns the exit code: 0 ok, 1 internal, 2 usage or configuration, 3 denied, 4 not found,
 * 5 unreachable, 6 ciphertext or payload, 7 conflict, 8 findings, 128+n interrupted by signal n
 */
export async function runCommandLine(args: readonly string[], context: Context): Promise<number> {
  const program = programFor(context)
  try {
    await program.parseAsync([...args], { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return usageCode(error, args, program, context.output)
    return exitCode(error, context)
  }
}

function programFor(context: Context): Command {
  const { data, notes } = context.output
  const command = new Command('secretmanager')
    .description('Secrets for microservices on Kubernetes, by the KUBEVAULT pattern.')
    .version(VERSION)
    .exitOverride()
    .showSuggestionAfterError(false)
    .configureHelp({ minWidthToWrap: NARROWEST })
    .configureOutput({
      writeOut: (text) => data.line(text.trimEnd()),
      writeErr: (text) => notes.line(text.trimEnd()),
      getOutHelpWidth: () => data.width ?? HELP_WIDTH,
      getErrHelpWidth: () => notes.width ?? HELP_WIDTH,
      // Told by explainUsage, in the form of every other error.
      outputError: () => undefined,
    })
    .addHelpText('after', EXIT_CODES)
  for (const add of [
    addInitCommand,
    addProvisionCommand,
    addReadCommand,
    addEncryptCommand,
    addSetCommand,
    addUnsetCommand,
    addEditCommand,
    addDiffCommand,
    addTextconvCommand,
    addVerifyCommand,
    addRollbackCommand,
    addAdoptCommand,
    addRewrapCommand,
    addRotateCommand,
    addRetireCommands,
    addStatusCommand,
    addDoctorCommand,
    addDevCommand,
    addDemoCommand,
  ]) {
    add(command, context)
  }
  return command
}

const HELP_WIDTH = 80

/** Columns of a description that are still worth breaking lines for; else the terminal breaks within words. */
const NARROWEST = 16

const EXIT_CODES = `
Exit codes: 0 ok, 1 internal, 2 usage or configuration, 3 denied, 4 not found,
5 unreachable, 6 ciphertext or payload, 7 conflict, 8 findings,
128+n ended by signal n.`

function usageCode(
  error: CommanderError,
  args: readonly string[],
  program: Command,
  output: Output,
): number {
  if (error.exitCode === 0) return 0
  // Without a command the help itself is the answer.
  if (error.code !== 'commander.help') explainUsage(error, args, program, output)
  return USAGE
}

function exitCode(error: unknown, { output, interrupt }: Context): number {
  if (interrupt.aborted) return interruptedBy(interrupt.reason, output)
  if (error instanceof Findings) return FOUND
  if (isSecretManagerError(error)) {
    printError(output, error)
    return error.exitCode
  }
  // A foreign message may quote data: its class is all that is safe to show.
  const name = error instanceof Error ? error.name : typeof error
  output.notes.line(`error: an unexpected ${name}; this is a bug, please report what you ran`)
  return INTERNAL
}

/** As a shell reports it. */
function interruptedBy(signal: unknown, output: Output): number {
  output.notes.line('interrupted')
  return 128 + (signal === 'SIGTERM' ? constants.signals.SIGTERM : constants.signals.SIGINT)
}
