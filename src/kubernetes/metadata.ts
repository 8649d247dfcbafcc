/**
 * What `metadata` of an object says, read where it is asked for: the read path never does.
 *
 * @see https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/
 */
import { isRecord, textOf } from '../lib/record.ts'
import { stringMap, type KubernetesObject } from './objects.ts'

/** Who wrote which entries of an object, by one kind of request. */
export interface Manager {
  /** Such as `kubectl-client-side-apply`, `argocd-controller`, `helm`; a client may choose any. */
  readonly manager: string
  /** `Update` or `Apply`. */
  readonly operation: string
  /** Keys of `data`, `binaryData` and `stringData`. */
  readonly keys: readonly string[]
}

/** What the functions here need of an object. */
type HasMetadata = Pick<KubernetesObject, 'metadata'>

/** Gives `metadata.name`; empty where the answer had none. */
export function nameOf({ metadata }: HasMetadata): string {
  return textOf(metadata['name'])
}

/** Gives `metadata.namespace`; empty where the answer had none. */
export function namespaceOf({ metadata }: HasMetadata): string {
  return textOf(metadata['namespace'])
}

/** Gives the labels. */
export function labelsOf({ metadata }: HasMetadata): ReadonlyMap<string, string> {
  return stringMap(metadata['labels'])
}

/** Gives the annotations. */
export function annotationsOf({ metadata }: HasMetadata): ReadonlyMap<string, string> {
  return stringMap(metadata['annotations'])
}

/**
 * Tells from `metadata.managedFields` who wrote the entries. A manager comes once for each operation
 * and API version that it used; who owns no entry comes with none.
 *
 * @see https://kubernetes.io/docs/reference/using-api/server-side-apply/#managers
 */
export function managersOf({ metadata }: HasMetadata): readonly Manager[] {
  const fields = metadata['managedFields']
  if (!Array.isArray(fields)) return []
  return fields.filter(isRecord).map(({ manager, operation, fieldsV1 }) => ({
    manager: textOf(manager),
    operation: textOf(operation),
    keys: isRecord(fieldsV1) ? KEYED.flatMap((field) => keysOf(fieldsV1[field])) : [],
  }))
}

const KEYED = ['f:data', 'f:binaryData', 'f:stringData'] as const

/** The set of fields below a map: `f:KEY` for an entry, `.` for the map itself. */
function keysOf(set: unknown): string[] {
  const members = Object.keys(isRecord(set) ? set : {})
  return members.filter((member) => member.startsWith('f:')).map((member) => member.slice(2))
}
