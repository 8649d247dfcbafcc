/** A document as a manifest for a repository: ciphertext is fit to be committed. */
import { SecretManagerError } from '../errors.ts'
import { LABELS } from '../sources/target.ts'
import { describe, valueOf, type Place } from '../sources/place.ts'
import { withDocuments } from './manifest-values.ts'
import { readManifests, type Manifest, type ManifestEntry } from './manifests.ts'

/** Gives the manifest of the object that holds `text` at `place` and nothing else; it ends with a line feed. */
export async function manifestText(
  place: Place,
  text: string,
  format: 'yaml' | 'json',
): Promise<string> {
  const { kind, name, namespace, dataKey } = place
  const metadata = { name, namespace, labels: LABELS }
  const manifest = { apiVersion: 'v1', kind, metadata, data: { [dataKey]: valueOf(place, text) } }
  if (format === 'json') return `${JSON.stringify(manifest, undefined, 2)}\n`
  // Loaded on use: it costs more than all else of a command.
  const { stringify } = await import('yaml')
  // A ciphertext in several lines is hard to find and to compare.
  return stringify(manifest, { lineWidth: 0 })
}

/** A file of manifests, and the place in it where a document stands. */
export interface ManifestFile {
  /** The document that stands there. */
  readonly stored: string
  /**
   * The file with another document there; every other byte stays.
   *
   * @throws {@link SecretManagerError} SM_CONFIG_INVALID where the value is written in a way that cannot be replaced
   */
  readonly holding: (text: string) => Promise<string>
}

/**
 * Finds the document in a file of manifests.
 *
 * @param where - names the file in errors
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID, never with a word of the file
 */
export async function manifestFile(
  bytes: Uint8Array,
  place: Place,
  where: string,
): Promise<ManifestFile> {
  const file = Buffer.from(bytes).toString()
  if (file.trim() === '') throw emptied(where)
  const manifests = await readManifests(file, where)
  const entry = entryIn(manifests, place, where)
  const { bytes: stored } = entry
  if (stored === undefined) throw unusable(`${describe(place)} in ${where} is not base64`)
  const holding = async (text: string): Promise<string> => {
    const changed = await withDocuments(file, manifests, new Map([[entry, text]]))
    if (changed !== undefined) return changed.text
    throw unusable(`${describe(place)} in ${where} is written in a way that cannot be replaced`)
  }
  return { stored: stored.toString('latin1'), holding }
}

function entryIn(manifests: readonly Manifest[], place: Place, where: string): ManifestEntry {
  const { kind, name, namespace, dataKey } = place
  const ours = manifests.filter(
    // One without a namespace is applied to that which is chosen then.
    (each) =>
      each.kind === kind && each.name === name && (each.namespace ?? namespace) === namespace,
  )
  const entries = ours.flatMap((each) => each.entries.filter(({ key }) => key === dataKey))
  const [entry, second] = entries
  if (entry === undefined) throw unusable(`${where} has no ${describe(place)}`)
  if (second !== undefined) throw unusable(`${where} has ${describe(place)} more than once`)
  if (entry.field === 'data') return entry
  throw unusable(`${where} has ${describe(place)} in ${entry.field}`, 'move it to data')
}

/** The shell empties `> FILE` before we are started. */
function emptied(where: string): SecretManagerError {
  return unusable(
    `${where} is empty`,
    'a shell empties "> FILE" before it can be read: write to another file, and rename that',
  )
}

const MEND = 'name a file with a manifest of this document; print a new one with -o yaml'

function unusable(message: string, hint: string = MEND): SecretManagerError {
  return new SecretManagerError('SM_CONFIG_INVALID', message, { hint })
}
