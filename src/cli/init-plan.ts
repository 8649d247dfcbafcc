/** The flags of `--init`, and what they ask for. */
import { readFile } from 'node:fs/promises'

import type { Command } from 'commander'

import { SecretManagerError, systemCode } from '../errors.ts'
import { textsOf } from '../lib/record.ts'
import type { Sharing } from '../provision/init-once.ts'
import { publicKeyIn } from '../provision/pgp.ts'
import type { Runtime } from '../runtime.ts'
import { durationOf } from './duration.ts'
import type { FlagValues } from './settings.ts'
import { misused } from './usage.ts'

/** What is asked for, checked as far as it can be without a call. */
export interface InitPlan {
  /** Path of the file for the keys; `-`: stdout. */
  readonly keys: string
  readonly sharing: Sharing
  /** Whether the shares are given to Vault, too. */
  readonly unseals: boolean
  readonly unsealWaitMs: number
  /** Whether something is done afterwards that takes an unsealed Vault. */
  readonly goesOn: boolean
}

/** Adds `--init` and its parts; a part without `--init` is refused before the command runs. */
export function addInitFlags(command: Command): Command {
  command.optionsGroup('A new Vault:')
  for (const [flags, says] of FLAGS) command.option(flags, says)
  return command.hook('preAction', (own) => refuseParts(own.opts()))
}

const FLAGS: readonly (readonly [string, string])[] = [
  ['--init', 'initialise a new Vault first; its keys are written once, to --keys'],
  ['--keys <file>', 'with --init: new file for shares and root token, mode 0600; -: stdout'],
  ['--shares <n>', 'shares of the key (default: 5, or one for each PGP key)'],
  ['--threshold <n>', 'how many shares are needed (default: 3, or all of fewer)'],
  ['--pgp-keys <files...>', 'public keys that the shares are encrypted with, one each'],
  ['--root-pgp-key <file>', 'public key that the root token is encrypted with'],
  ['--unseal', 'give Vault its shares, too'],
  ['--unseal-wait <duration>', 'how long to wait until Vault is unsealed (default: 2m)'],
  ['--revoke-root', 'revoke the root token in the end (default: ask at a terminal)'],
]

const PARTS = FLAGS.slice(1).map(([flags]) => flags.replace(/ .*/, ''))

function refuseParts(values: FlagValues): void {
  if (values['init'] === true) return
  const part = PARTS.find((flag) => values[nameOf(flag)] !== undefined)
  if (part !== undefined) throw misused(`${part} is a part of --init`, `--init ${part}`)
}

/** As commander calls the value of a flag. */
function nameOf(flag: string): string {
  return flag.slice(2).replaceAll(/-(\w)/g, (_dash, letter: string) => letter.toUpperCase())
}

/**
 * Reads the flags, and the PGP keys that they name.
 *
 * @param provisions - whether something is set up afterwards, with the root token
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID, SM_FILE_UNREADABLE
 */
export async function initPlanOf(
  values: FlagValues,
  provisions: boolean,
  runtime: Runtime,
): Promise<InitPlan> {
  const contradiction = contradictionIn(values, provisions)
  if (contradiction) throw misused(...contradiction)
  const paths = textsOf(values['pgpKeys'])
  const { shares, threshold } = sharesOf(values, paths.length)
  const rootPath = values['rootPgpKey']
  const pgpKeys: string[] = []
  for (const path of paths) pgpKeys.push(await publicKey(path, runtime))
  const rootPgpKey = typeof rootPath === 'string' ? await publicKey(rootPath, runtime) : undefined
  return {
    keys: String(values['keys']),
    sharing: { shares, threshold, pgpKeys, rootPgpKey },
    unseals: values['unseal'] === true,
    unsealWaitMs: durationOf(values['unsealWait'], '--unseal-wait') ?? UNSEAL_WAIT_MS,
    goesOn: provisions || values['revokeRoot'] === true,
  }
}

const UNSEAL_WAIT_MS = 120_000

type Contradiction = readonly [message: string, hint: string]

/** Before any call: keys that come once must not come to somebody who meant something else. */
function contradictionIn(values: FlagValues, provisions: boolean): Contradiction | undefined {
  const { keys, json, pgpKeys, rootPgpKey, unseal, revokeRoot } = values
  const other = ['dryRun', 'destroy', 'output'].find((name) => has(values, name))
  const checks: readonly (readonly [boolean, ...Contradiction])[] = [
    [!isText(keys), 'it is not said where the keys of the new Vault are written', '--keys FILE'],
    [other !== undefined, `--init initialises, which ${FLAG_OF[other ?? '']} does not`, '--init'],
    [keys === '-' && json === true, 'stdout takes the keys or the report', '--keys FILE --json'],
    [
      unseal === true && pgpKeys !== undefined,
      'shares that are encrypted with PGP keys can only be given by those who can decrypt them',
      'leave --unseal out; they unseal it with vault operator unseal',
    ],
    [
      rootPgpKey !== undefined && (provisions || revokeRoot === true),
      'a root token that is encrypted with a PGP key cannot be used by this command',
      'leave --root-pgp-key out; or initialise alone, and provision later with VAULT_TOKEN',
    ],
  ]
  const [, message, hint] = checks.find(([isMet]) => isMet) ?? []
  return message === undefined || hint === undefined ? undefined : [message, hint]
}

const FLAG_OF: Readonly<Record<string, string>> = {
  dryRun: '--dry-run',
  destroy: '--destroy',
  output: '-o',
}

function has(values: FlagValues, name: string): boolean {
  return values[name] !== undefined && values[name] !== false
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

/** @see https://developer.hashicorp.com/vault/api-docs/system/init for the limits, which Vault has, too */
function sharesOf(
  values: FlagValues,
  pgpKeys: number,
): { readonly shares: number; readonly threshold: number } {
  const shares = countOf(values['shares'], '--shares') ?? (pgpKeys || 5)
  const threshold = countOf(values['threshold'], '--threshold') ?? Math.min(3, shares)
  if (pgpKeys > 0 && pgpKeys !== shares) {
    const message = `there are ${shares} shares and ${pgpKeys} PGP keys: each share is for one`
    throw misused(message, `--shares ${pgpKeys}, or ${shares} files behind --pgp-keys`)
  }
  if (threshold > shares) {
    throw misused(`${threshold} of ${shares} shares can never be given`, '--threshold, --shares')
  }
  if (threshold === 1 && shares > 1) {
    throw misused('where any of several shares is enough, they are copies', '--threshold 2')
  }
  return { shares, threshold }
}

function countOf(value: unknown, flag: string): number | undefined {
  if (value === undefined) return undefined
  const count = typeof value === 'string' && /^\d{1,3}$/.test(value) ? Number(value) : 0
  if (count >= 1 && count <= 255) return count
  throw misused(`${flag} must be a number from 1 to 255`, `${flag} 3`)
}

async function publicKey(path: string, runtime: Runtime): Promise<string> {
  const what = `the PGP key ${JSON.stringify(path)}`
  const bytes = await readFile(path).catch((error: unknown) => {
    const causeClass = systemCode(error)
    throw new SecretManagerError('SM_FILE_UNREADABLE', `${what} cannot be read`, { causeClass })
  })
  return publicKeyIn(bytes, what, runtime.wallClock())
}
