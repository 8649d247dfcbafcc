/** From a request to its answer: authenticate, authorize, find the handler. */
import type { Answer } from './answer.ts'
import { type User, authenticate } from './authentication.ts'
import { type Cluster, RESOURCES } from './cluster.ts'
import { remove } from './deletes.ts'
import { managerOf } from './managed-fields.ts'
import type { KubernetesObject, Resource } from './objects.ts'
import { NOTHING, servePath } from './paths.ts'
import { type Attributes, authorize } from './rbac.ts'
import { get, list, removeAll } from './reads.ts'
import { type ResourceRequest, attributesOf, groupVersionOf } from './request.ts'
import {
  reviewAnyAccess,
  reviewOwnAccess,
  reviewOwnRules,
  reviewSelf,
  reviewToken,
} from './reviews.ts'
import { Refusal, forbidden, methodNotAllowed, unauthorized, unknownResource } from './status.ts'
import { requestToken } from './token-request.ts'
import { create, finalize, patch, update } from './writes.ts'

const MAX_BODY = 3 * 1024 * 1024

const GROUP_VERSIONS: ReadonlySet<string> = new Set([
  'v1',
  'batch/v1',
  'rbac.authorization.k8s.io/v1',
  'authentication.k8s.io/v1',
  'authorization.k8s.io/v1',
])

/** Resources that are not stored objects, by group, name and subresource, with the one verb they take. */
const ACTIONS: ReadonlyMap<
  string,
  { verb: string; act: (cluster: Cluster, request: ResourceRequest) => Answer }
> = new Map([
  ['/serviceaccounts/token', { verb: 'create', act: requestToken }],
  ['/namespaces/finalize', { verb: 'update', act: finalize }],
  ['authentication.k8s.io/tokenreviews/', { verb: 'create', act: reviewToken }],
  ['authentication.k8s.io/selfsubjectreviews/', { verb: 'create', act: reviewSelf }],
  ['authorization.k8s.io/selfsubjectaccessreviews/', { verb: 'create', act: reviewOwnAccess }],
  ['authorization.k8s.io/selfsubjectrulesreviews/', { verb: 'create', act: reviewOwnRules }],
  ['authorization.k8s.io/subjectaccessreviews/', { verb: 'create', act: reviewAnyAccess }],
])

/** Answers one request. @throws Refusal */
export async function route(cluster: Cluster, request: Request): Promise<Answer> {
  const url = new URL(request.url)
  const user = userOf(cluster, request.headers.get('authorization') ?? '')
  const attributes = attributesOf(request.method, url)
  refuseForbidden(cluster, user, attributes)
  if ('path' in attributes) return servePath(cluster, attributes, url.origin)
  if (!GROUP_VERSIONS.has(groupVersionOf(url))) return NOTHING
  const contentType = request.headers.get('content-type') ?? ''
  const body = await bodyOf(request)
  const { searchParams: query } = url
  const manager = managerOf(query, request.headers.get('user-agent') ?? '')
  const wanted = { ...attributes, user, query, contentType, body, manager }
  return dispatch(cluster, wanted, request.method === 'HEAD')
}

async function bodyOf(request: Request): Promise<string> {
  const body = await request.text()
  if (Buffer.byteLength(body) <= MAX_BODY) return body
  const message = `Request entity too large: limit is ${MAX_BODY}`
  throw new Refusal(413, 'RequestEntityTooLarge', message)
}

function userOf(cluster: Cluster, authorization: string): User {
  const token = /^bearer +(.+)$/i.exec(authorization)?.[1] ?? ''
  const verdict = authenticate(cluster, token)
  if ('error' in verdict) throw unauthorized()
  return verdict.user
}

function refuseForbidden(cluster: Cluster, user: User, attributes: Attributes): void {
  const { allowed, reason } = authorize(cluster, user, attributes)
  if (allowed) return
  const because = reason === '' ? '' : `: ${reason}`
  const who = `User "${user.username}" cannot ${attributes.verb}`
  if ('path' in attributes) {
    const text = `forbidden: ${who} path ${JSON.stringify(attributes.path)}${because}`
    throw new Refusal(403, 'Forbidden', text, {})
  }
  const { group, resource, subresource, namespace, name } = attributes
  const what = subresource === '' ? resource : `${resource}/${subresource}`
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace "${namespace}"`
  const text = `${who} resource "${what}" in API group "${group}" ${where}${because}`
  throw forbidden({ group, name: resource }, name, text)
}

function dispatch(cluster: Cluster, request: ResourceRequest, isHead: boolean): Answer {
  const { group, resource: name, subresource } = request
  const action = ACTIONS.get(`${group}/${name}/${subresource}`)
  if (action !== undefined) {
    if (request.verb !== action.verb) throw methodNotAllowed()
    return action.act(cluster, request)
  }
  const resource = RESOURCES.get(`${group}/${name}`)
  if (resource === undefined || subresource !== '') throw unknownResource()
  refuseMisplaced(resource, request)
  if (isHead) throw methodNotAllowed()
  const own = resource.namespaced ? request : { ...request, namespace: '' }
  return serveResource(cluster, resource, own)
}

/** Objects of namespaces are listed across all of them, and objects of the cluster are in none. */
function refuseMisplaced(
  { namespaced }: Resource<KubernetesObject>,
  { resource, namespace, name, verb }: ResourceRequest,
): void {
  // The request for a Namespace names it as its namespace too.
  const isOwn = resource === 'namespaces' && name === namespace
  if (!namespaced && namespace !== '' && !isOwn) throw unknownResource()
  if (!namespaced || namespace !== '' || verb === 'list' || verb === 'watch') return
  throw name === '' ? methodNotAllowed() : unknownResource()
}

function serveResource(
  cluster: Cluster,
  resource: Resource<KubernetesObject>,
  request: ResourceRequest,
): Answer {
  const handler = request.name === '' || request.verb === 'list' ? ON_COLLECTION : ON_OBJECT
  // A watch will be a verb of collections, served from the events of the store.
  const handle = handler.get(request.verb)
  if (handle === undefined) throw methodNotAllowed()
  return handle(cluster, resource, request)
}

type Handle = (
  cluster: Cluster,
  resource: Resource<KubernetesObject>,
  request: ResourceRequest,
) => Answer

const ON_COLLECTION: ReadonlyMap<string, Handle> = new Map<string, Handle>([
  ['create', create],
  ['list', list],
  ['deletecollection', removeAll],
])

const ON_OBJECT: ReadonlyMap<string, Handle> = new Map<string, Handle>([
  ['get', get],
  ['update', update],
  ['patch', patch],
  ['delete', remove],
])
