/** Where a document is stored: one entry of one object. */
import type { Definition } from '../config/definition.ts'
import { SecretManagerError } from '../errors.ts'
import type { Kind, KubernetesObject } from '../kubernetes/objects.ts'
import { fromBase64 } from '../lib/base64.ts'

/** A definition with its namespace: one entry of one object in one cluster, under one key. */
export interface Place {
  readonly kind: Kind
  readonly namespace: string
  readonly name: string
  readonly dataKey: string
  readonly transitKey: string
}

/** The place of a definition whose namespace is known. */
export function placeOf(
  { secretName: name, readType, readKey: dataKey, transitKey }: Definition,
  namespace: string,
): Place {
  return { kind: kindOf(readType), namespace, name, dataKey, transitKey }
}

/** The kind of object that the word of a definition stands for. */
export function kindOf(readType: Definition['readType']): Kind {
  return readType === 'CONFIG_MAP' ? 'ConfigMap' : 'Secret'
}

/** The way a place is named in messages. */
export function describe({ kind, namespace, name, dataKey }: Omit<Place, 'transitKey'>): string {
  return `${dataKey} of ${kind} ${namespace}/${name}`
}

/**
 * The stored document: what the entry of an object holds.
 *
 * @throws {@link SecretManagerError} SM_KEY_MISSING, SM_CT_FORMAT
 */
export function textOf(place: Place, object: KubernetesObject): string {
  const encoded = encodedIn(place, object)
  if (encoded === undefined) throw keyMissing(place, object)
  if (typeof encoded === 'object') return encoded.text
  const bytes = fromBase64(encoded)
  if (bytes) return bytes.toString('latin1')
  throw new SecretManagerError('SM_CT_FORMAT', `${describe(place)} is not base64`)
}

/** The same of an object that is about to be changed: what is not there, or not readable, is `undefined`. */
export function storedIn(
  place: Omit<Place, 'transitKey'>,
  object: KubernetesObject,
): string | undefined {
  const encoded = encodedIn(place, object)
  if (typeof encoded === 'object') return encoded.text
  return encoded === undefined ? undefined : fromBase64(encoded)?.toString('latin1')
}

/** Base64, or the text itself in a ConfigMap. */
function encodedIn(
  { kind, dataKey }: Pick<Place, 'kind' | 'dataKey'>,
  { data, binaryData }: KubernetesObject,
): string | { readonly text: string } | undefined {
  const value = data.get(dataKey)
  if (kind === 'Secret') return value
  return value === undefined ? binaryData.get(dataKey) : { text: value }
}

function keyMissing(place: Place, object: KubernetesObject): SecretManagerError {
  const found = [...object.data.keys(), ...object.binaryData.keys()].join(', ') || 'nothing'
  const { kind, namespace, name, dataKey } = place
  const message = `${kind} ${namespace}/${name} has no entry "${dataKey}"`
  return new SecretManagerError('SM_KEY_MISSING', message, {
    hint: `check readKey (read_key): the object has ${found}`,
  })
}

/** What an entry of the object must hold for {@link textOf} to give `text`. */
export function valueOf({ kind }: Pick<Place, 'kind'>, text: string): string {
  return kind === 'Secret' ? Buffer.from(text).toString('base64') : text
}
