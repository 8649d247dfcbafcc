/** The flags of `provision`, and which of them do not go together. */
import { Option, type Command } from 'commander'

import { processInput } from './input.ts'
import type { Context } from './context.ts'
import type { FlagValues } from './settings.ts'
import { misused } from './usage.ts'

/** Adds what is not of a new Vault, nor of how servers are reached. */
export function addFlags(command: Command): Command {
  return command
    .option('--dry-run', 'show what differs, and change nothing')
    .option('--exit-code', 'with --dry-run: exit with 8 where something differs')
    .option('--no-prove', 'do not try afterwards what must work and what must be refused')
    .option('--destroy', 'take away what was set up; keys, mounts and namespaces stay')
    .option('--destroy-keys', 'with --destroy: the keys, too, and so every document under them')
    .addOption(
      new Option(
        '--renew-reviewer',
        'renew what Vault reviews tokens by, once half of its life is over, and do nothing else',
      ).conflicts(['destroy', 'dryRun']),
    )
    .option('--yes', 'do not ask before --destroy; needed where nobody can be asked')
    .addOption(
      new Option(
        '-o, --output <format>',
        'print the manifests for Kubernetes instead; no server is asked',
      ).choices(['yaml']),
    )
    .option('--json', 'report as JSON')
}

/**
 * Refuses flags that contradict one another, before any call.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID
 */
export function refuseContradictions(
  values: FlagValues,
  { input = processInput(process) }: Context,
): void {
  const { destroy: isDestroy, destroyKeys, dryRun, yes, exitCode } = values
  if (destroyKeys === true && isDestroy !== true) {
    throw misused('--destroy-keys is a part of --destroy', '--destroy --destroy-keys')
  }
  if (exitCode === true && dryRun !== true) {
    throw misused('--exit-code is a part of --dry-run', '--dry-run --exit-code')
  }
  // Before any call: a job that cannot end must not begin.
  if (isDestroy === true && dryRun !== true && yes !== true && !input.isTerminal) {
    throw misused('what is taken away is gone, and nobody is here to be asked', '--yes; --dry-run')
  }
}
