/** What documents must be, as the flags of `verify` say it. */
import { Option } from 'commander'

import type { Demand, Demands } from '../authoring/verify.ts'
import { definitionOf, type Definition } from '../config/definition.ts'
import { loadDefinition } from '../config/load.ts'
import { SecretManagerError } from '../errors.ts'
import { isPathSegments, isTransitKey } from '../lib/names.ts'
import type { Runtime } from '../runtime.ts'
import type { FlagValues } from './settings.ts'

/** The flags; they demand something of every document, `--def` of the one that it names. */
export const DEMAND_FLAGS: readonly Option[] = [
  new Option(
    '--def <file>',
    'definition that its document must agree with (may come again)',
  ).argParser((file: string, files: readonly string[] | undefined) => [...(files ?? []), file]),
  new Option('--transit-mount <path>', 'mount that documents must name (with --def: transit)'),
  new Option('--transit-key <name>', 'Transit key that documents must name'),
  new Option('--binding <scope>', 'what documents must be bound to').choices([
    'strict',
    'namespace',
    'none',
  ]),
  new Option('--format <name>', 'format that documents must have').choices(['sealed', 'raw']),
]

/**
 * Reads the flags and the definitions they name, and nothing of the environment: a check must say the same everywhere.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID, SM_FILE_UNREADABLE
 */
export async function demandsOf(values: FlagValues, runtime: Runtime): Promise<Demands> {
  const files = Array.isArray(values['def']) ? values['def'].map(String) : []
  const definitions = await Promise.all(
    files.map((file) => loadDefinition({ file, env: {} }, runtime)),
  )
  const mount = mountOf(values['transitMount'], files.length > 0)
  const all: Demand = {
    format: one(['sealed', 'raw'], values['format']),
    binding: one(['strict', 'namespace', 'none'], values['binding']),
    mount,
    transitKey: transitKeyOf(values['transitKey']),
  }
  return { all, definitions: definitions.map((each): Definition => definitionOf(each)) }
}

function mountOf(value: unknown, hasDefinition: boolean): string | undefined {
  if (typeof value !== 'string') return hasDefinition ? 'transit' : undefined
  const mount = value.replaceAll(/^\/|\/$/g, '')
  if (isPathSegments(mount)) return mount
  throw new SecretManagerError('SM_CONFIG_INVALID', '--transit-mount is not the path of a mount')
}

function transitKeyOf(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  if (isTransitKey(value)) return value
  throw new SecretManagerError(
    'SM_CONFIG_INVALID',
    '--transit-key is not the name of a Transit key',
  )
}

function one<T extends string>(choices: readonly T[], value: unknown): T | undefined {
  return choices.find((choice) => choice === value)
}
