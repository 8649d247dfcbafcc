/** The key that a job is about, and where its documents are looked for, as flags and environment say it. */
import { Option, type Command } from 'commander'

import { definitionOf, type Definition } from '../config/definition.ts'
import { loadProvisionFile, type ProvisionFile } from '../config/provision-file.ts'
import type { SecretCfg, SecretManagerConfig } from '../config/types.ts'
import { SecretManagerError } from '../errors.ts'
import { isTransitKey } from '../lib/names.ts'
import { onlyKeyOf, type Selection } from '../rotation/sites.ts'
import type { Runtime } from '../runtime.ts'
import {
  addConfigFlags,
  addDefinitionFlags,
  configOf,
  settingsOf,
  type FlagValues,
} from './settings.ts'

/** What a job is about. */
export interface KeyTarget {
  readonly config: SecretManagerConfig | SecretCfg
  readonly transitKey: string
  /** In the configured cluster; absent where a provision file or files say it all. */
  readonly selection: Selection | undefined
  readonly inventory: ProvisionFile | undefined
  /** Files and directories of manifests. */
  readonly files: readonly string[]
  /** Namespace of manifests that name none. */
  readonly namespace: string | undefined
}

/** Adds the flags, and the names of objects as arguments. */
export function addKeyFlags(command: Command): Command {
  command
    .argument('[names...]', 'Secrets or ConfigMaps; none: the namespace is looked through')
    .optionsGroup('What is looked through:')
    .addOption(
      new Option('-A, --all-namespaces', 'the whole cluster, not one namespace').conflicts(
        'inventory',
      ),
    )
    .option('--inventory <file>', 'provision file: its clusters, its documents, its files')
    .option('--files <paths...>', 'manifests in a repository; alone, no document of a cluster')
  return addConfigFlags(addDefinitionFlags(command))
}

/** Adds the flag of what reads or writes the journal. */
export function addJournalFlag(command: Command): Command {
  return command.option(
    '--journal-namespace <name>',
    "namespace of the journal (default: the inventory's, or the context's)",
  )
}

/**
 * Reads them.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID, SM_FILE_UNREADABLE
 */
export async function keyTargetOf(
  names: readonly string[],
  values: FlagValues,
  runtime: Runtime,
): Promise<KeyTarget> {
  const inventory = await inventoryOf(values, runtime)
  const files = [...(inventory?.files ?? []), ...pathsOf(values)]
  const isAll = values['allNamespaces'] === true
  const isElsewhere = inventory !== undefined || files.length > 0 || isAll
  const { config, definitions } = await namedOf(names, values, isElsewhere, runtime)
  const namespace = textOf(values['namespace'])
  return {
    config,
    transitKey: definitions[0]?.transitKey ?? transitKeyOf(values, inventory, runtime),
    selection: selectionOf(definitions, isAll, isElsewhere, namespace),
    inventory,
    files,
    namespace,
  }
}

function selectionOf(
  definitions: readonly Definition[],
  isAll: boolean,
  isElsewhere: boolean,
  namespace: string | undefined,
): Selection | undefined {
  if (isAll) return { definitions, scan: true }
  if (definitions.length > 0) return { definitions, scan: [] }
  if (isElsewhere) return undefined
  return { definitions, scan: namespace === undefined ? 'own' : [namespace] }
}

interface Named {
  readonly config: KeyTarget['config']
  readonly definitions: readonly Definition[]
}

/** The documents of the arguments, of `--def`, or of the original's variables. */
async function namedOf(
  names: readonly string[],
  values: FlagValues,
  isElsewhere: boolean,
  runtime: Runtime,
): Promise<Named> {
  const [first, ...others] = names
  const isVariable = !isElsewhere && runtime.env('SECRET_NAME') !== undefined
  const isNamed = first !== undefined || values['def'] !== undefined || isVariable
  if (!isNamed) return { config: (await configOf(values, runtime)).config, definitions: [] }
  const settings = await settingsOf(first, values, runtime)
  const more = await Promise.all(others.map((name) => settingsOf(name, values, runtime)))
  const definitions = [settings, ...more].map(({ definition }) => definitionOf(definition))
  return { config: settings.config, definitions }
}

async function inventoryOf(
  values: FlagValues,
  runtime: Runtime,
): Promise<ProvisionFile | undefined> {
  const path = textOf(values['inventory'])
  return path === undefined ? undefined : loadProvisionFile(path, runtime)
}

function transitKeyOf(
  values: FlagValues,
  inventory: ProvisionFile | undefined,
  runtime: Runtime,
): string {
  const said =
    textOf(values['transitKey']) ??
    runtime.env('VAULT_TRANSIT_KEY_ID') ??
    runtime.env('TRANSIT_KEY') ??
    (inventory && onlyKeyOf(inventory))
  if (said === undefined)
    throw new SecretManagerError('SM_CONFIG_INVALID', WHICH, { hint: NAME_IT })
  if (isTransitKey(said)) return said
  const message = '--transit-key is not the name of a Transit key'
  throw new SecretManagerError('SM_CONFIG_INVALID', message)
}

const WHICH = 'it is not said which Transit key this is about'
const NAME_IT =
  '--transit-key NAME; or a document of it: NAME --key ENTRY, --def FILE; or --inventory'

function pathsOf(values: FlagValues): readonly string[] {
  const paths = values['files']
  return Array.isArray(paths) ? paths.map(String) : []
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
