/** Get and list of stored objects. */
import type { Answer } from './answer.ts'
import type { Cluster } from './cluster.ts'
import type { KubernetesObject, Resource } from './objects.ts'
import { continueAfter, startOf } from './pages.ts'
import type { ResourceRequest } from './request.ts'
import { type Matches, fieldSelector, labelSelector } from './selectors.ts'
import { badRequest, notFound } from './status.ts'
import { pathSegment } from './validation.ts'

/** GET of an object: 200 or 404. */
export function get<T extends KubernetesObject>(
  { store }: Cluster,
  resource: Resource<T>,
  { namespace, name }: ResourceRequest,
): Answer {
  const [wrong] = pathSegment(name)
  if (wrong !== undefined)
    throw badRequest(`Name parameter invalid: ${JSON.stringify(name)}: ${wrong}`)
  const object = store.get(resource, namespace, name)
  if (object === undefined) throw notFound(resource, name)
  return { status: 200, body: object }
}

/** GET of a collection: 200 with a list, in pages when `limit` is given. */
export function list<T extends KubernetesObject>(
  cluster: Cluster,
  resource: Resource<T>,
  { namespace, query }: ResourceRequest,
): Answer {
  const { states, store, clock } = cluster
  const selects = selectorOf(resource, query)
  const [limit, start] = [limitOf(query), startOf(query)]
  const collection = {
    path: `${resource.group}/${resource.name}/${namespace}`,
    version: store.resourceVersion,
    read: () => store.list(resource, namespace),
  }
  const state = states.at(collection, start, clock())
  const { objects, version } = state
  const from = firstFrom(objects, start?.key ?? '', namespace)
  const { items, next } = pageOf(objects, from, limit, selects)
  const last = items.at(-1)
  const hasMore = last !== undefined && next < objects.length
  if (hasMore) states.keep(collection.path, state, clock())
  const metadata = {
    resourceVersion: version,
    ...(hasMore && { continue: continueAfter(keyOf(last, namespace), version) }),
    ...(hasMore && !isSelective(query) && { remainingItemCount: objects.length - next }),
  }
  return { status: 200, body: { ...listType(resource), metadata, items: items.map(item) } }
}

/** The objects of a page, and where the first one is that would be on the next. */
function pageOf(
  objects: readonly KubernetesObject[],
  from: number,
  limit: number,
  selects: Matches,
): { items: KubernetesObject[]; next: number } {
  const items: KubernetesObject[] = []
  let next = from
  for (const object of objects.slice(from)) {
    if (selects(object)) {
      if (limit > 0 && items.length === limit) break
      items.push(object)
    }
    next += 1
  }
  return { items, next }
}

/** The first object whose key is not below `key`: they are in the order of their keys. */
function firstFrom(objects: readonly KubernetesObject[], key: string, namespace: string): number {
  let [low, high] = [0, objects.length]
  while (low < high) {
    const middle = (low + high) >> 1
    const object = objects[middle]
    if (object !== undefined && keyOf(object, namespace) < key) low = middle + 1
    else high = middle
  }
  return low
}

/** What tells an object of a list from the others: in the list of one namespace, its name. */
function keyOf({ metadata }: KubernetesObject, namespace: string): string {
  const { namespace: own = '', name = '' } = metadata
  return namespace === own ? name : `${own}/${name}`
}

/** DELETE of a collection: 200 with a list of what was deleted. */
export function removeAll<T extends KubernetesObject>(
  cluster: Cluster,
  resource: Resource<T>,
  request: ResourceRequest,
): Answer {
  const selects = selectorOf(resource, request.query)
  const found = cluster.store.list(resource, request.namespace).filter(selects)
  for (const object of found) cluster.store.remove(resource, object)
  const metadata = { resourceVersion: cluster.store.resourceVersion }
  return { status: 200, body: { ...listType(resource), metadata, items: found.map(item) } }
}

function selectorOf<T extends KubernetesObject>(
  resource: Resource<T>,
  query: URLSearchParams,
): Matches {
  const tests: Matches[] = [
    fieldSelector(query.get('fieldSelector') ?? '', resource),
    labelSelector(query.get('labelSelector') ?? ''),
  ]
  return (object) => tests.every((test) => test(object))
}

/** Then the rest is not counted: the real server would have to read it. */
function isSelective(query: URLSearchParams): boolean {
  return ['fieldSelector', 'labelSelector'].some((selector) => (query.get(selector) ?? '') !== '')
}

function limitOf(query: URLSearchParams): number {
  const text = query.get('limit') ?? '0'
  if (!/^-?\d+$/.test(text))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
  return Math.max(Number(text), 0)
}

function listType<T extends KubernetesObject>({ group, version, kind }: Resource<T>): object {
  return { kind: `${kind}List`, apiVersion: group === '' ? version : `${group}/${version}` }
}

/** Items of a list do not repeat kind and apiVersion. */
function item({ kind: _kind, apiVersion: _apiVersion, ...rest }: KubernetesObject): object {
  return rest
}
