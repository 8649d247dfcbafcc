/** An object of a cluster: what its entries hold, and how some of them are changed. */
import { annotationsOf } from '../kubernetes/metadata.ts'
import { stringMap, type KubernetesObject, type ObjectBody } from '../kubernetes/objects.ts'
import { recordIn } from '../lib/record.ts'
import { storedIn, valueOf } from '../sources/place.ts'
import type { Address } from './address.ts'
import type { StoredEntry } from './documents.ts'

/** What its entries hold, and what the source held that was applied last. */
export function entriesOf(address: Address, object: KubernetesObject): readonly StoredEntry[] {
  const source = appliedOf(object)
  const keys = [...object.data.keys(), ...object.binaryData.keys()]
  return keys.map((dataKey) => {
    const place = { ...address, dataKey }
    const applied = source && (source.asText.get(dataKey) ?? storedIn(place, source))
    return { place, text: storedIn(place, object), applied }
  })
}

/** A change of these entries alone, refused where the object was changed since. */
export function patchOf(
  address: Address,
  { resourceVersion, data }: KubernetesObject,
  texts: ReadonlyMap<string, string>,
): ObjectBody {
  const { kind, name } = address
  const inData: Record<string, string> = {}
  const inBinaryData: Record<string, string> = {}
  for (const [dataKey, text] of texts) {
    if (data.has(dataKey)) inData[dataKey] = valueOf({ kind }, text)
    else inBinaryData[dataKey] = Buffer.from(text).toString('base64')
  }
  return {
    metadata: { name, resourceVersion },
    ...(Object.keys(inData).length > 0 && { data: inData }),
    ...(Object.keys(inBinaryData).length > 0 && { binaryData: inBinaryData }),
  }
}

/**
 * The copy of the source that `kubectl apply` keeps: it is compared with at the next apply, and mostly
 * put back.
 *
 * @see https://kubernetes.io/docs/reference/labels-annotations-taints/#kubectl-kubernetes-io-last-applied-configuration
 */
function appliedOf(object: KubernetesObject): Source | undefined {
  const text = annotationsOf(object).get('kubectl.kubernetes.io/last-applied-configuration')
  // Anybody who may write the object may have written there.
  const source = text === undefined ? undefined : recordIn(text)
  if (source === undefined) return undefined
  const { data, binaryData, stringData } = source
  return {
    ...object,
    data: stringMap(data),
    binaryData: stringMap(binaryData),
    asText: stringMap(stringData),
  }
}

/** Of a Secret, what was written as text, too. */
type Source = KubernetesObject & { readonly asText: ReadonlyMap<string, string> }
