/**
 * What `metadata` of an object says, read where it is asked for: the read path never does.
 *
 * @see https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/
 */
import { isRecord, textOf } from '../lib/record.ts'
import { stringMap, type KubernetesObject } from './objects.ts'

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
 * Tells from `metadata.managedFields` who wrote fields of it that nobody else wrote since: such as
 * `kubectl-client-side-apply`, `argocd-controller`, `helm`; a client may choose any name.
 *
 * @see https://kubernetes.io/docs/reference/using-api/server-side-apply/#managers
 */
export function managersOf({ metadata }: HasMetadata): ReadonlySet<string> {
  const fields = metadata['managedFields']
  if (!Array.isArray(fields)) return new Set()
  return new Set(fields.filter(isRecord).map(({ manager }) => textOf(manager)))
}
