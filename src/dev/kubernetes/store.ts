/**
 * Where objects are kept: a map for each resource, and one counter as etcd has one revision.
 *
 * Every change moves the counter and is told to the listeners in order, which is what a watch needs.
 */
import { type KubernetesObject, type ObjectMeta, type Resource, arrangeMeta } from './objects.ts'

/** One change; the object is the state after it or, for DELETED, the last one, at the new version. */
export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly group: string
  readonly resource: string
  readonly object: KubernetesObject
}

/** Hears changes. */
export type StoreListener = (event: StoreEvent) => void

/** Keeps objects by resource, namespace and name. Stored objects are never changed in place. */
export class Store {
  #revision = 0
  readonly #resources = new Map<string, Map<string, KubernetesObject>>()
  readonly #listeners = new Set<StoreListener>()

  /** The counter, as `metadata.resourceVersion` of a list. */
  get resourceVersion(): string {
    return String(this.#revision)
  }

  get<T extends KubernetesObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
  ): T | undefined {
    return this.#objects(resource).get(keyOf({ namespace, name }))
  }

  /** Objects of one namespace or, with an empty one, of all, in the order of their keys. */
  list<T extends KubernetesObject>(resource: Resource<T>, namespace: string): T[] {
    const prefix = namespace === '' ? '' : keyOf({ namespace, name: '' })
    const found = [...this.#objects(resource)].filter(([key]) => key.startsWith(prefix))
    return found.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object)
  }

  /** Stores an object, new or changed, under the next version, and gives it as stored. */
  put<T extends KubernetesObject>(resource: Resource<T>, object: T): T {
    const objects = this.#objects(resource)
    const key = keyOf(object.metadata)
    const type = objects.has(key) ? 'MODIFIED' : 'ADDED'
    const stored = this.#atNextVersion(object)
    objects.set(key, stored)
    this.#tell({ type, group: resource.group, resource: resource.name, object: stored })
    return stored
  }

  remove<T extends KubernetesObject>(resource: Resource<T>, object: T): void {
    this.#objects(resource).delete(keyOf(object.metadata))
    const { group, name } = resource
    this.#tell({ type: 'DELETED', group, resource: name, object: this.#atNextVersion(object) })
  }

  /** Tells `listener` of every later change; gives the function that ends it. */
  subscribe(listener: StoreListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #objects<T extends KubernetesObject>({ group, name }: Resource<T>): Map<string, T> {
    const key = `${group}/${name}`
    const objects = this.#resources.get(key) ?? new Map<string, KubernetesObject>()
    this.#resources.set(key, objects)
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only objects of the resource get here
    return objects as Map<string, T>
  }

  #atNextVersion<T extends KubernetesObject>(object: T): T {
    this.#revision += 1
    const { resourceVersion } = this
    return { ...object, metadata: arrangeMeta({ ...object.metadata, resourceVersion }) }
  }

  #tell(event: StoreEvent): void {
    for (const listener of this.#listeners) listener(event)
  }
}

function keyOf({ namespace = '', name = '' }: ObjectMeta): string {
  return namespace === '' ? name : `${namespace}/${name}`
}
