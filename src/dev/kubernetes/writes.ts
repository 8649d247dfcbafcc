/** Create, update and patch of stored objects, in the order of kube-apiserver's checks. */
import type { Answer } from './answer.ts'
import { type Expected, type Read, parseJson, readBody, readPatched } from './body.ts'
import type { Cluster } from './cluster.ts'
import { NAMESPACES } from './core-kinds.ts'
import { jsonKind } from './decode.ts'
import { refuseEscalation } from './escalation.ts'
import { mergePatch } from './merge-patch.ts'
import { managed } from './managed-fields.ts'
import { birth, inNamespace, named, refuseOtherName, successor } from './metadata.ts'
import type { KubernetesObject, Resource } from './objects.ts'
import { type ResourceRequest, isDryRun, isStrict } from './request.ts'
import {
  type FieldError,
  alreadyExists,
  badRequest,
  conflict,
  forbidden,
  internal,
  invalid,
  invalidValue,
  notFound,
  unsupportedPatch,
} from './status.ts'
import { validateMeta } from './validation.ts'

const MODIFIED =
  'the object has been modified; please apply your changes to the latest version and try again'

/** POST to a collection: 201 with the object. */
export function create<T extends KubernetesObject>(
  cluster: Cluster,
  resource: Resource<T>,
  request: ResourceRequest,
): Answer {
  const { object, warnings } = readObject(resource, request)
  const given = at(object, resource, request.namespace)
  const { resourceVersion = '' } = given.metadata
  if (resource.namespaced) refuseClosedNamespace(cluster, resource, request.namespace, given)
  const fresh = resource.complete({ ...given, metadata: named(cluster, given.metadata) })
  check(resource, fresh, [
    ...validateMeta(fresh.metadata, resource.validateName),
    ...resource.validate(fresh),
  ])
  refuseEscalation(cluster, request, fresh)
  if (resourceVersion !== '') {
    throw internal('resourceVersion should not be set on objects to be created')
  }
  refuseExisting(cluster, resource, fresh)
  const bare = { ...fresh, metadata: birth(cluster, fresh.metadata) }
  const born = managed(cluster, resource, request, bare)
  const body = isDryRun(request) ? born : cluster.store.put(resource, born)
  return { status: 201, body, warnings }
}

/** PUT of an object: 200 with the object as it is now. */
export function update<T extends KubernetesObject>(
  cluster: Cluster,
  resource: Resource<T>,
  request: ResourceRequest,
): Answer {
  const { object, warnings } = readObject(resource, request)
  refuseOtherName(object.metadata, request.name)
  const given = at(object, resource, request.namespace)
  const current = existing(cluster, resource, request)
  refuseOtherUid(resource, current, given)
  return { status: 200, body: change(cluster, resource, request, current, given), warnings }
}

/** PATCH in JSON merge patch, or strategic merge patch, which does the same to these kinds: 200. */
export function patch<T extends KubernetesObject>(
  cluster: Cluster,
  resource: Resource<T>,
  request: ResourceRequest,
): Answer {
  const body = patchOf(request)
  const current = existing(cluster, resource, request)
  const patched = mergePatch(current, body)
  const { object, warnings } = readPatched(patched, expected(resource), isStrict(request))
  refuseOtherName(object.metadata, request.name)
  const given = at(object, resource, request.namespace)
  return { status: 200, body: change(cluster, resource, request, current, given), warnings }
}

/** PUT of `namespaces/N/finalize`: what a controller does last; without finalizers the Namespace ends. */
export function finalize(cluster: Cluster, request: ResourceRequest): Answer {
  const { object } = readObject(NAMESPACES, request)
  const current = existing(cluster, NAMESPACES, { ...request, namespace: '' })
  const finalizers = object.spec?.finalizers ?? []
  const finalized = { ...current, spec: finalizers.length === 0 ? {} : { finalizers } }
  const isOver = finalizers.length === 0 && current.metadata.deletionTimestamp !== undefined
  if (!isOver) return { status: 200, body: cluster.store.put(NAMESPACES, finalized) }
  cluster.store.remove(NAMESPACES, current)
  return { status: 200, body: finalized }
}

function readObject<T extends KubernetesObject>(
  resource: Resource<T>,
  request: ResourceRequest,
): Read<T> {
  return readBody(request.body, request.contentType, expected(resource), isStrict(request))
}

/** The shape that bodies for a resource must have. */
function expected<T extends KubernetesObject>(resource: Resource<T>): Expected<T> {
  const { group, version, kind, type } = resource
  return { group, version, kind, type }
}

/** The object with the kind and the namespace that the URL says. */
function at<T extends KubernetesObject>(object: T, resource: Resource<T>, namespace: string): T {
  const { group, version, kind, namespaced } = resource
  const apiVersion = group === '' ? version : `${group}/${version}`
  const metadata = namespaced ? inNamespace(object.metadata, namespace) : object.metadata
  return { ...object, kind, apiVersion, metadata }
}

function refuseClosedNamespace<T extends KubernetesObject>(
  { store }: Cluster,
  resource: Resource<T>,
  namespace: string,
  { metadata: { name = '' } }: T,
): void {
  const found = store.get(NAMESPACES, '', namespace)
  if (found === undefined) throw notFound(NAMESPACES, namespace)
  if (found.metadata.deletionTimestamp === undefined) return
  const ends = `namespace ${namespace} because it is being terminated`
  const message = `namespace ${namespace} is being terminated`
  throw forbidden(resource, name, `unable to create new content in ${ends}`, [
    { reason: 'NamespaceTerminating', message, field: 'metadata.namespace' },
  ])
}

function check<T extends KubernetesObject>(
  { group, kind }: Resource<T>,
  { metadata }: T,
  errors: readonly FieldError[],
): void {
  if (errors.length > 0) throw invalid({ group, name: kind }, metadata.name ?? '', errors)
}

function refuseExisting<T extends KubernetesObject>(
  { store }: Cluster,
  resource: Resource<T>,
  { metadata: { namespace = '', name = '' } }: T,
): void {
  if (store.get(resource, namespace, name) !== undefined) throw alreadyExists(resource, name)
}

function existing<T extends KubernetesObject>(
  { store }: Cluster,
  resource: Resource<T>,
  { namespace, name }: ResourceRequest,
): T {
  const found = store.get(resource, namespace, name)
  if (found === undefined) throw notFound(resource, name)
  return found
}

/** Replaces `current`; an object that stays the same keeps its version. */
function change<T extends KubernetesObject>(
  cluster: Cluster,
  resource: Resource<T>,
  request: ResourceRequest,
  current: T,
  given: T,
): T {
  refuseStale(resource, current, given)
  const metadata = successor(current.metadata, given.metadata)
  const next = resource.complete({ ...given, metadata })
  check(resource, next, [
    ...uidErrors(given, current),
    ...validateMeta(metadata, resource.validateName),
    ...(resource.validateChange?.(next, current) ?? []),
    ...resource.validate(next),
  ])
  refuseEscalation(cluster, request, next)
  if (JSON.stringify(next) === JSON.stringify(current)) return current
  const changed = managed(cluster, resource, request, next, current)
  return isDryRun(request) ? changed : cluster.store.put(resource, changed)
}

function refuseStale<T extends KubernetesObject>(
  resource: Resource<T>,
  { metadata: { name = '', resourceVersion: own } }: T,
  { metadata: { resourceVersion: version = '' } }: T,
): void {
  if (version === '' || version === '0') return
  if (!/^\d+$/.test(version)) {
    throw internal(`strconv.ParseUint: parsing ${JSON.stringify(version)}: invalid syntax`)
  }
  if (version !== own) throw conflict(resource, name, MODIFIED)
}

/** A PUT that means another object of the name; a PATCH learns it as a field that cannot change. */
function refuseOtherUid<T extends KubernetesObject>(
  resource: Resource<T>,
  { metadata: { namespace, name = '', uid: own = '' } }: T,
  { metadata: { uid = '' } }: T,
): void {
  if (uid === '' || uid === own) return
  const key = ['/registry', resource.name, namespace, name].filter(Boolean).join('/')
  const text = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${own}`
  const error = `Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: ${text}`
  throw conflict(resource, name, `StorageError: invalid object, ${error}`)
}

function uidErrors<T extends KubernetesObject>(
  { metadata: { uid = '' } }: T,
  current: T,
): FieldError[] {
  const isSame = uid === '' || uid === current.metadata.uid
  return isSame ? [] : [invalidValue('metadata.uid', uid, 'field is immutable')]
}

const PATCH_FORMATS: ReadonlySet<string> = new Set([
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
])

function patchOf({ contentType, body }: ResourceRequest): object {
  if (!PATCH_FORMATS.has(contentType.split(';')[0]?.trim() ?? '')) throw unsupportedPatch()
  const refuse = (text: string): Error => badRequest(`error decoding patch: ${text}`)
  const value = parseJson(body, refuse)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  const into = 'Go value of type map[string]interface {}'
  throw refuse(`json: cannot unmarshal ${jsonKind(value)} into ${into}`)
}
