/** Get and list of stored objects. */
import type { Answer } from './answer.ts'
import type { Cluster } from './cluster.ts'
import type { KubernetesObject, Resource } from './objects.ts'
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
  request: ResourceRequest,
): Answer {
  const found = selected(cluster, resource, request)
  const start = startOf(request.query)
  const limit = limitOf(request.query)
  const rest = found.filter(({ metadata }) => keyOf(metadata) >= start)
  const page = limit === 0 ? rest : rest.slice(0, limit)
  const next = rest[page.length]
  const version = cluster.store.resourceVersion
  const metadata = {
    resourceVersion: version,
    ...(next === undefined ? {} : { continue: continueAt(keyOf(next.metadata), version) }),
    ...(next === undefined ? {} : { remainingItemCount: rest.length - page.length }),
  }
  return { status: 200, body: { ...listType(resource), metadata, items: page.map(item) } }
}

/** DELETE of a collection: 200 with a list of what was deleted. */
export function removeAll<T extends KubernetesObject>(
  cluster: Cluster,
  resource: Resource<T>,
  request: ResourceRequest,
): Answer {
  const found = selected(cluster, resource, request)
  for (const object of found) cluster.store.remove(resource, object)
  const metadata = { resourceVersion: cluster.store.resourceVersion }
  return { status: 200, body: { ...listType(resource), metadata, items: found.map(item) } }
}

function selected<T extends KubernetesObject>(
  { store }: Cluster,
  resource: Resource<T>,
  { namespace, query }: ResourceRequest,
): T[] {
  const tests: Matches[] = [
    fieldSelector(query.get('fieldSelector') ?? '', resource),
    labelSelector(query.get('labelSelector') ?? ''),
  ]
  const all = store.list(resource, namespace)
  return all.filter((object) => tests.every((test) => test(object)))
}

function limitOf(query: URLSearchParams): number {
  const text = query.get('limit') ?? '0'
  if (!/^-?\d+$/.test(text))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
  return Math.max(Number(text), 0)
}

function startOf(query: URLSearchParams): string {
  const token = query.get('continue') ?? ''
  if (token === '') return ''
  const start = /"start":"([^"]*)"/.exec(Buffer.from(token, 'base64url').toString())?.[1]
  if (start === undefined) throw badRequest('invalid continue token: continue key is not valid')
  return start
}

function continueAt(start: string, version: string): string {
  const token = { v: 'meta.k8s.io/v1', rv: Number(version), start }
  return Buffer.from(JSON.stringify(token)).toString('base64url')
}

function keyOf({ namespace = '', name = '' }: KubernetesObject['metadata']): string {
  return `${namespace}/${name}`
}

function listType<T extends KubernetesObject>({ group, version, kind }: Resource<T>): object {
  return { kind: `${kind}List`, apiVersion: group === '' ? version : `${group}/${version}` }
}

/** Items of a list do not repeat kind and apiVersion. */
function item({ kind: _kind, apiVersion: _apiVersion, ...rest }: KubernetesObject): object {
  return rest
}
