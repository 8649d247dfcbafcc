/** The object that is to be written to: found as it is now, and changed only as long as it is still that. */
import type { Definition } from '../config/definition.ts'
import type { Settings } from '../config/schema.ts'
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import type { KubernetesClient } from '../kubernetes/client.ts'
import type { KubernetesObject } from '../kubernetes/objects.ts'
import type { Connections } from './connections.ts'
import { placeOf, storedIn, valueOf, type Place } from './place.ts'

/** Of every object that is written here. */
export const LABELS: Readonly<Record<string, string>> = {
  'app.kubernetes.io/managed-by': 'secretmanager',
  'kubevault.secretmanager/managed': 'true',
}

/** The cluster, and what names places in it. */
export interface ClusterParts {
  readonly settings: Settings
  readonly connections: Connections
}

/** An object, or the place where one will be. */
export interface Target {
  readonly place: Place
  readonly kubernetes: KubernetesClient
  /** The stored document; absent where there is none, or none that can be read. */
  readonly stored: string | undefined
  /** Of the object that was found; absent where there is none. */
  readonly resourceVersion: string | undefined
}

/**
 * Names the place in the cluster. Asks nobody: a namespace that is left open is that of the pod or the context.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID, SM_FILE_UNREADABLE, where the kubeconfig is needed and is none
 */
export async function locate(
  { connections, settings }: ClusterParts,
  allowance: Allowance,
  definition: Definition,
): Promise<Place> {
  const named = definition.namespace ?? settings.kubernetes.namespace
  if (named !== undefined) return placeOf(definition, named)
  const { access } = await connections.kubernetes(allowance)
  return placeOf(definition, access.namespace ?? 'default')
}

/**
 * Finds what is there now.
 *
 * @throws {@link SecretManagerError} SM_K8S_REJECTED for an immutable object, SM_K8S_*
 */
export async function findTarget(
  cluster: ClusterParts,
  allowance: Allowance,
  definition: Definition,
): Promise<Target> {
  const place = await locate(cluster, allowance, definition)
  const kubernetes = await cluster.connections.kubernetes(allowance)
  const found = await findObject(kubernetes, allowance, place)
  if (found?.immutable === true) throw immutable(place)
  const stored = found && storedIn(place, found)
  return { place, kubernetes, stored, resourceVersion: found?.resourceVersion }
}

/**
 * Stores `text`, unless somebody else wrote since the target was found. Siblings, labels, annotations and type stay.
 *
 * @throws {@link SecretManagerError} SM_K8S_CONFLICT, SM_K8S_*
 */
export async function writeTarget(
  { place, kubernetes, resourceVersion }: Target,
  allowance: Allowance,
  text: string,
): Promise<void> {
  const { kind, namespace, name, dataKey } = place
  const value = valueOf(place, text)
  const metadata = { name, labels: LABELS }
  const data = { [dataKey]: value }
  try {
    if (resourceVersion === undefined) {
      return await kubernetes.create(allowance, kind, namespace, { metadata, data })
    }
    const changed = { ...metadata, resourceVersion }
    return await kubernetes.patch(allowance, kind, namespace, { metadata: changed, data })
  } catch (error) {
    if (!isConflictOfRepetition(error)) throw error
    const now = await findObject(kubernetes, allowance, place)
    if (now?.data.get(dataKey) !== value) throw error
  }
}

async function findObject(
  kubernetes: KubernetesClient,
  allowance: Allowance,
  { kind, namespace, name }: Place,
): Promise<KubernetesObject | undefined> {
  try {
    return await kubernetes.get(allowance, kind, namespace, name)
  } catch (error) {
    if (isSecretManagerError(error) && error.code === 'SM_K8S_NOT_FOUND') return undefined
    throw error
  }
}

/** A write whose answer was lost is repeated, and then may meet itself. No two ciphertexts are equal. */
function isConflictOfRepetition(error: unknown): boolean {
  return isSecretManagerError(error) && error.code === 'SM_K8S_CONFLICT' && error.attempts > 1
}

function immutable({ kind, namespace, name }: Place): SecretManagerError {
  return new SecretManagerError('SM_K8S_REJECTED', `${kind} ${namespace}/${name} is immutable`, {
    hint: 'delete it and create it again, or write to another name',
  })
}
