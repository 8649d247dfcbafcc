/** The flags that every command which reaches servers has, and what they say as settings. */
import { Option, type Command } from 'commander'

import { loadConfigAndOrigin, loadDefinition, type LoadedConfig } from '../config/load.ts'
import type {
  SecretCfg,
  SecretDef,
  SecretDefinition,
  SecretManagerConfig,
} from '../config/types.ts'
import { isSecretManagerError, SecretManagerError, withFacts } from '../errors.ts'
import type { Runtime } from '../runtime.ts'
import { CONFIG_FLAGS, DEFINITION_FLAGS, type Flag } from './flags.ts'
import { linesOf } from './output.ts'

/** Values of the flags, as commander gives them. */
export type FlagValues = Readonly<Record<string, unknown>>

/** Adds the flags that say where the servers are. */
export function addConfigFlags(command: Command): Command {
  command.optionsGroup('Where the servers are:')
  command.option('--config <file>', 'configuration (secretcfg.json, or native in JSON or YAML)')
  return add(command, CONFIG_FLAGS)
}

/** Adds the flags that say where the dictionary is. */
export function addDefinitionFlags(command: Command): Command {
  command.optionsGroup('Where the dictionary is:')
  command.option('--def <file>', 'definition (secretdef.json, or native in JSON or YAML)')
  return add(command, DEFINITION_FLAGS)
}

/** Where the servers and the dictionary are. */
export interface Settings {
  readonly config: SecretManagerConfig | SecretCfg
  readonly definition: SecretDefinition | SecretDef
}

/**
 * Flags over environment over the files of `--config` and `--def`.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID with every problem of both, SM_FILE_UNREADABLE
 */
export async function settingsOf(
  secretName: string | undefined,
  values: FlagValues,
  runtime: Runtime,
): Promise<Settings> {
  const loading = loadConfigOf(values, runtime)
  const origin = loading.then(
    ({ isOriginal }) => isOriginal,
    () => false,
  )
  const results = await Promise.allSettled([
    loading,
    origin.then((isOriginal) => definitionOf(secretName, values, isOriginal, runtime)),
  ])
  const [config, definition] = results
  if (config.status === 'fulfilled' && definition.status === 'fulfilled') {
    return { config: config.value.config, definition: definition.value }
  }
  throw together(results.flatMap((each) => (each.status === 'rejected' ? [each.reason] : [])))
}

/**
 * The same of the servers alone, and whether that is the Python original's configuration.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID, SM_FILE_UNREADABLE
 */
export async function configOf(values: FlagValues, runtime: Runtime): Promise<LoadedConfig> {
  try {
    return await loadConfigOf(values, runtime)
  } catch (error) {
    if (!isSecretManagerError(error) || error.code !== 'SM_CONFIG_INVALID') throw error
    const hint = mending(error.message, CONFIG_FLAGS, 'a file that says it with --config')
    throw withFacts(error, { hint: hint ?? error.hint })
  }
}

function loadConfigOf(values: FlagValues, runtime: Runtime): Promise<LoadedConfig> {
  const flags = said(CONFIG_FLAGS, values)
  return loadConfigAndOrigin({ file: text(values['config']), flags }, runtime)
}

function definitionOf(
  secretName: string | undefined,
  values: FlagValues,
  isOriginal: boolean,
  runtime: Runtime,
): Promise<SecretDefinition | SecretDef> {
  const file = text(values['def'])
  const flags = said(DEFINITION_FLAGS, values)
  // A file says its format itself; without one, who has the original's configuration has its documents.
  const format = file === undefined && isOriginal ? 'raw' : undefined
  return loadDefinition({ file, flags: { format, ...flags, secretName } }, runtime)
}

/** One error that says it all: who mends the first problem must not meet the second only then. */
function together(reasons: readonly unknown[]): unknown {
  const errors = reasons.filter(isSecretManagerError)
  const [first] = errors
  if (first === undefined || errors.length < reasons.length) return reasons[0]
  const message = errors.map((error) => error.message).join('; ')
  const invalid = errors.some(({ code }) => code === 'SM_CONFIG_INVALID')
  const code = invalid ? 'SM_CONFIG_INVALID' : first.code
  return new SecretManagerError(code, message, {
    hint: invalid ? mending(message, ALL_FLAGS, FILES) : first.hint,
    causeClass: first.causeClass,
    problems: errors.flatMap((error) => linesOf(error)),
  })
}

/** The flags of the settings that a message names, and the files that say the same. */
function mending(message: string, of: readonly Flag[], files: string): string | undefined {
  const flags = of.filter(
    ({ path, alias = path }) => isNamed(message, path) || isNamed(message, alias),
  )
  if (flags.length === 0) return undefined
  const list = flags.map((each) => each.flags.replace(/^-\w, /, '')).join(', ')
  const others = message.includes('vault.auth.role is required') ? WITHOUT_ROLE : ''
  return `${list}; or name ${files}${others}`
}

const FILES = 'files that say it with --config and --def'
const WITHOUT_ROLE =
  '; or log in without a role: --auth-method token uses VAULT_TOKEN or ~/.vault-token'

/** The one setting that is an argument. */
const NAME_AS_FLAG: Flag = {
  flags: 'NAME',
  says: '',
  path: 'secretName',
  alias: 'secret_name',
}

const ALL_FLAGS: readonly Flag[] = [NAME_AS_FLAG, ...CONFIG_FLAGS, ...DEFINITION_FLAGS]

/** Whether a problem in `message` begins with this setting. */
function isNamed(message: string, setting: string): boolean {
  return message.includes(`: ${setting} `) || message.includes(`; ${setting} `)
}

function add(command: Command, flags: readonly Flag[]): Command {
  for (const { flags: names, says, choices } of flags) {
    const option = new Option(names, says)
    command.addOption(choices ? option.choices(choices) : option)
  }
  return command
}

function said(flags: readonly Flag[], values: FlagValues): Record<string, unknown> {
  const all = flags.map(({ flags: names, path }) => {
    return [path, values[new Option(names).attributeName()]] as const
  })
  return Object.fromEntries(all.filter(([, value]) => value !== undefined))
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
