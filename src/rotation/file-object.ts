/** An object in a file of manifests: which of its entries are documents of a key, and where they are bound to. */
import type { Manifest, ManifestEntry } from '../authoring/manifests.ts'
import { isDefined, objectName, stringData } from '../authoring/verify.ts'
import type { Definition } from '../config/definition.ts'
import { SecretManagerError } from '../errors.ts'
import { isDataKey, isDnsLabel, isDnsSubdomain } from '../lib/names.ts'
import { documentsIn, type Found, type StoredEntry } from './documents.ts'
import { textIn } from './file-writer.ts'
import type { KeyName, Problem, StoredDocument } from './site.ts'

/** What files are looked through for. */
export interface Sought {
  readonly key: KeyName
  /** Of manifests that leave it open. */
  readonly namespace: string | undefined
  /** Documents that are known by name, under this key. */
  readonly definitions: readonly Definition[]
}

/** What an object in a file holds of the key. */
export interface FoundInManifest extends Found {
  /** As reports name it, without the file. */
  readonly name: string
}

/** Finds the documents of one object. What a definition names and the file does not have may be elsewhere. */
export function foundIn(manifest: Manifest, sought: Sought): FoundInManifest {
  const { definitions, namespace } = placed(manifest, sought)
  const name = objectName({ ...manifest, namespace })
  const [stored, asText] = [false, true].map((isText) => {
    const entries = manifest.entries.filter(({ field }) => (field === 'stringData') === isText)
    const keys = new Set(entries.map(({ key }) => key))
    const named = definitions.filter(({ readKey }) => keys.has(readKey))
    return documentsIn(entries.map(storedEntry(manifest, namespace)), sought.key, named)
  })
  if (stored === undefined || asText === undefined) return { name, documents: [], problems: [] }
  const unbound = stored.documents.flatMap((document): Problem[] => {
    const error = misplaced(document, name, namespace)
    return error ? [{ dataKey: document.place.dataKey, error }] : []
  })
  const misfits = new Set(unbound.map(({ dataKey }) => dataKey))
  return {
    name,
    documents: stored.documents.filter(({ place }) => !misfits.has(place.dataKey)),
    problems: [
      ...stored.problems,
      ...unbound,
      ...asText.problems,
      ...asText.documents.map(({ place: { dataKey } }) => ({
        dataKey,
        error: stringData(`${dataKey} of ${name}`),
      })),
    ],
  }
}

/** Which definitions are of this object; where all of them are of one namespace, it is in that. */
function placed(
  manifest: Manifest,
  sought: Sought,
): { readonly definitions: readonly Definition[]; readonly namespace: string | undefined } {
  const own = manifest.namespace ?? sought.namespace
  const definitions = sought.definitions.filter((each) =>
    isDefined({ ...manifest, namespace: own }, each),
  )
  const [only, ...more] = new Set(definitions.map(({ namespace }) => namespace))
  return { definitions, namespace: own ?? (more.length === 0 ? only : undefined) }
}

function storedEntry(
  manifest: Manifest,
  namespace: string | undefined,
): (entry: ManifestEntry) => StoredEntry {
  const { kind, name } = manifest
  return (entry) => ({
    // Without a namespace only what is not bound to one is left, in the end.
    place: { kind, namespace: namespace ?? '', name, dataKey: entry.key },
    text: textIn(manifest, entry),
  })
}

/** Says that nobody can tell from the file what the document is bound to: Vault would only say that it does not open. */
function misplaced(
  { claims, place }: StoredDocument,
  name: string,
  namespace: string | undefined,
): SecretManagerError | undefined {
  if (claims === undefined || claims.scope === 'none') return undefined
  if (namespace === undefined) {
    return new SecretManagerError(
      'SM_CONFIG_INVALID',
      `${name} has no namespace in the file, and ${place.dataKey} is bound to one`,
      { hint: 'name the namespace that the file is applied to: -n NAMESPACE' },
    )
  }
  const isStrict = claims.scope === 'strict'
  const isPlace = isDnsSubdomain(place.name) && isDataKey(place.dataKey)
  if (isDnsLabel(namespace) && (isPlace || !isStrict)) return undefined
  return new SecretManagerError(
    'SM_CONFIG_INVALID',
    `${name} is no object yet: the file leaves parts of its name open, and ${place.dataKey} is bound to it`,
    { hint: 'rewrap what the template is made from, or the rendered manifest' },
  )
}
