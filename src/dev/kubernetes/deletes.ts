/** Delete of one stored object. */
import type { Answer } from './answer.ts'
import { type Cluster, timestamp } from './cluster.ts'
import { NAMESPACES, PODS } from './core-kinds.ts'
import type { KubernetesObject, Resource } from './objects.ts'
import { type DeleteOptions, checkPreconditions, deleteOptionsOf } from './delete-options.ts'
import { type ResourceRequest, isDryRun } from './request.ts'
import { forbidden, notFound } from './status.ts'

const PROTECTED: ReadonlySet<string> = new Set(['default', 'kube-system', 'kube-public'])
const DEFAULT_GRACE_SECONDS = 30

/** DELETE of an object: 200 with Success or the object, by kind. */
export function remove<T extends KubernetesObject>(
  cluster: Cluster,
  resource: Resource<T>,
  request: ResourceRequest,
): Answer {
  const options = deleteOptionsOf(request.body)
  const current = cluster.store.get(resource, request.namespace, request.name)
  if (current === undefined) throw notFound(resource, request.name)
  checkPreconditions(options, resource, current)
  const last = isDryRun(request) ? current : end(cluster, resource, current, options)
  return { status: 200, body: resource.deleteGives === 'object' ? last : success(resource, last) }
}

/** Ends an object, or only begins to: gives its last state so far. */
function end<T extends KubernetesObject>(
  cluster: Cluster,
  resource: Resource<T>,
  current: T,
  { gracePeriodSeconds = DEFAULT_GRACE_SECONDS }: DeleteOptions,
): T {
  if (resource.name === NAMESPACES.name) return terminate(cluster, resource, current)
  // The kubelet of the node would remove it after the grace period; there is none here.
  const runs = resource.name === PODS.name && isOnNode(current)
  if (runs && gracePeriodSeconds > 0) return mark(cluster, resource, current, gracePeriodSeconds)
  cluster.store.remove(resource, current)
  return current
}

/** Without a controller a Namespace stays Terminating until something calls finalize. */
function terminate<T extends KubernetesObject>(
  cluster: Cluster,
  resource: Resource<T>,
  current: T,
): T {
  const { name = '', deletionTimestamp } = current.metadata
  if (PROTECTED.has(name)) {
    throw forbidden(resource, name, 'this namespace may not be deleted')
  }
  if (deletionTimestamp !== undefined) return current
  return mark(cluster, resource, { ...current, status: { phase: 'Terminating' } }, 0)
}

function mark<T extends KubernetesObject>(
  cluster: Cluster,
  resource: Resource<T>,
  current: T,
  graceSeconds: number,
): T {
  const deletionTimestamp = timestamp(cluster.clock() + graceSeconds * 1000)
  const metadata = { ...current.metadata, deletionTimestamp }
  return cluster.store.put(resource, { ...current, metadata })
}

function isOnNode(object: KubernetesObject & { spec?: { nodeName?: string } }): boolean {
  return (object.spec?.nodeName ?? '') !== ''
}

function success<T extends KubernetesObject>(
  { group, name }: Resource<T>,
  { metadata }: T,
): object {
  const details = {
    name: metadata.name,
    ...(group === '' ? {} : { group }),
    kind: name,
    uid: metadata.uid,
  }
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details }
}
