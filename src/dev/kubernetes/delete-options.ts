/** DeleteOptions; https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/delete-options/ */
import { readBody } from './body.ts'
import { intType, listType, stringType, structType } from './decode.ts'
import type { KubernetesObject, Resource } from './objects.ts'
import { conflict } from './status.ts'

/** What a delete may demand of the object, and how long its end may take. */
export interface DeleteOptions {
  kind?: string
  apiVersion?: string
  gracePeriodSeconds?: number
  propagationPolicy?: string
  dryRun?: string[]
  preconditions?: { uid?: string; resourceVersion?: string }
}

const OPTIONS = structType<DeleteOptions>('DeleteOptions', {
  kind: stringType(),
  apiVersion: stringType(),
  gracePeriodSeconds: intType,
  propagationPolicy: stringType('v1.DeletionPropagation'),
  dryRun: listType(stringType()),
  preconditions: structType<{ uid?: string; resourceVersion?: string }>(
    'Preconditions',
    {
      uid: stringType('types.UID'),
      resourceVersion: stringType(),
    },
    'v1.',
  ),
})

/** Reads the body of a DELETE, which may be empty. @throws Refusal 400 */
export function deleteOptionsOf(body: string): DeleteOptions {
  if (body === '') return {}
  const expected = { group: '', version: 'v1', kind: 'DeleteOptions', type: OPTIONS }
  return readBody(body, '', expected, false).object
}

/** Refuses when the object is not the one that was meant. @throws Refusal 409 */
export function checkPreconditions<T extends KubernetesObject>(
  { preconditions: { uid, resourceVersion } = {} }: DeleteOptions,
  { group, kind }: Resource<T>,
  { metadata }: T,
): void {
  const { name = '', uid: ownUid = '', resourceVersion: ownVersion = '' } = metadata
  if (uid !== undefined && uid !== ownUid) {
    throw conflict({ group, name: kind }, name, uidMismatch('precondition', uid, ownUid))
  }
  if (resourceVersion !== undefined && resourceVersion !== ownVersion) {
    const record = `does not match the ResourceVersion in record (${ownVersion}). The object might have been modified`
    throw conflict(
      { group, name: kind },
      name,
      `the ResourceVersion in the precondition (${resourceVersion}) ${record}`,
    )
  }
}

function uidMismatch(place: string, given: string, own: string): string {
  const record = `does not match the UID in record (${own}). The object might have been deleted and then recreated`
  return `the UID in the ${place} (${given}) ${record}`
}
