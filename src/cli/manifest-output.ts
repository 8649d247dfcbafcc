/** A document that goes to stdout as a manifest, for a repository, and not into the cluster. */
import { Option, type Command } from 'commander'

import type { Destination } from '../authoring/encrypt.ts'
import { manifestFile, manifestText } from '../authoring/manifest.ts'
import type { Place } from '../sources/place.ts'
import { readNamed } from './document.ts'
import type { Context } from './context.ts'
import type { FlagValues } from './settings.ts'

/** Adds `--output` and `--onto`. */
export function addManifestFlags(command: Command): Command {
  return command
    .addOption(
      new Option('-o, --output <format>', 'print a manifest, and write nothing to the cluster')
        .choices(['yaml', 'json'])
        .conflicts(['onto', 'json']),
    )
    .addOption(
      new Option(
        '--onto <file>',
        'print this file of manifests with the document in it replaced',
      ).conflicts('json'),
    )
}

/** Whether one of the two was given. */
export function isManifest(values: FlagValues): boolean {
  return values['output'] !== undefined || values['onto'] !== undefined
}

/**
 * What a document is put into: with `--onto` that file, else a manifest of its own.
 *
 * @throws {@link SecretManagerError} SM_FILE_UNREADABLE, SM_CONFIG_INVALID where the file does not have the document
 */
export async function manifestDestination(
  values: FlagValues,
  context: Context,
  place: Place,
): Promise<Destination> {
  const path = values['onto']
  if (typeof path === 'string') {
    return manifestFile(await readNamed(path, context), place, `the file ${JSON.stringify(path)}`)
  }
  const format = values['output'] === 'json' ? 'json' : 'yaml'
  return { stored: undefined, holding: (sealed) => manifestText(place, sealed, format) }
}
