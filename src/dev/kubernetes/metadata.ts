/** What happens to `metadata` on its way into the store. */
import { type Cluster, randomUuid, timestamp } from './cluster.ts'
import { type ObjectMeta, arrangeMeta } from './objects.ts'
import { badRequest } from './status.ts'

const SUFFIX_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789'
const SUFFIX_LENGTH = 5

/** The namespace of an object: that of the URL. @throws Refusal 400 when the object names another */
export function inNamespace(metadata: ObjectMeta, namespace: string): ObjectMeta {
  const given = metadata.namespace ?? ''
  if (given === '' || given === namespace) return { ...metadata, namespace }
  throw badRequest(
    'the namespace of the provided object does not match the namespace sent on the request',
  )
}

/** With a name made from `generateName` where there is none. */
export function named({ randomBytes }: Cluster, metadata: ObjectMeta): ObjectMeta {
  const { name = '', generateName = '' } = metadata
  if (name !== '' || generateName === '') return metadata
  const suffix = Array.from(randomBytes(SUFFIX_LENGTH), (byte) =>
    SUFFIX_ALPHABET.charAt(byte % SUFFIX_ALPHABET.length),
  )
  return { ...metadata, name: generateName + suffix.join('') }
}

/** `metadata` of a new object: what the server decides is not taken from the request. */
export function birth(cluster: Cluster, metadata: ObjectMeta): ObjectMeta {
  const { name, generateName, namespace, labels, annotations, finalizers } = metadata
  const uid = randomUuid(cluster)
  const creationTimestamp = timestamp(cluster.clock())
  const given = { name, generateName, namespace, uid, creationTimestamp }
  return arrangeMeta({ ...given, labels, annotations, finalizers })
}

/** `metadata` of a changed object: labels, annotations and finalizers are the client's, the rest is kept. */
export function successor(current: ObjectMeta, next: ObjectMeta): ObjectMeta {
  const { labels, annotations, finalizers } = next
  return arrangeMeta({ ...current, labels, annotations, finalizers })
}

/** The name in a body must be that of the URL. @throws Refusal 400 */
export function refuseOtherName({ name: given = '' }: ObjectMeta, name: string): void {
  if (given === name) return
  if (given === '') {
    const text = `(${name} based on URL) was undeterminable: name must be provided`
    throw badRequest(`the name of the object ${text}`)
  }
  throw badRequest(`the name of the object (${given}) does not match the name on the URL (${name})`)
}
