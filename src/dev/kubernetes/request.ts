/** A request as the API server understands it: who wants what, in terms of resources or of a path. */
import type { User } from './authentication.ts'
import type { Attributes, ResourceAttributes } from './rbac.ts'
import { selectedName } from './selectors.ts'

/** What every handler of a resource gets. */
export interface ResourceRequest extends ResourceAttributes {
  readonly user: User
  readonly query: URLSearchParams
  readonly contentType: string
  readonly body: string
  /** Whom its changes are ascribed to. */
  readonly manager: string
}

/** Whether nothing may be stored. */
export function isDryRun({ query }: ResourceRequest): boolean {
  return query.get('dryRun') === 'All'
}

/** Whether unknown fields are refused rather than warned about. */
export function isStrict({ query }: ResourceRequest): boolean {
  return query.get('fieldValidation') === 'Strict'
}

const VERBS: ReadonlyMap<string, string> = new Map([
  ['GET', 'get'],
  ['HEAD', 'get'],
  ['POST', 'create'],
  ['PUT', 'update'],
  ['PATCH', 'patch'],
  ['DELETE', 'delete'],
])

/** Reads method, path and query as kube-apiserver's RequestInfoResolver does. */
export function attributesOf(method: string, url: URL): Attributes {
  const parts = segmentsOf(url)
  const [prefix, ...rest] = parts
  const pathAttributes = { path: url.pathname, verb: method.toLowerCase() }
  if (prefix === 'api' && rest.length >= 2) return resourceOf(method, url, '', rest.slice(1))
  const [group = '', , ...inGroup] = rest
  if (prefix === 'apis' && inGroup.length > 0) return resourceOf(method, url, group, inGroup)
  return pathAttributes
}

/** Group and version in the path, such as `v1` or `rbac.authorization.k8s.io/v1`. */
export function groupVersionOf(url: URL): string {
  const [prefix, ...rest] = segmentsOf(url)
  return rest.slice(0, prefix === 'api' ? 1 : 2).join('/')
}

function resourceOf(method: string, url: URL, group: string, parts: string[]): ResourceAttributes {
  const { namespace, own } = takeNamespace(parts)
  const [resource = '', name = '', ...more] = own
  const verb = VERBS.get(method) ?? ''
  const attributes = { group, namespace, resource, subresource: more.join('/') }
  if (name !== '') return { ...attributes, verb, name }
  if (verb === 'delete') return { ...attributes, verb: 'deletecollection', name }
  if (verb !== 'get') return { ...attributes, verb, name }
  // As Go reads booleans in queries: anything but these is true, even nothing.
  const isWatch = !['false', '0'].includes(url.searchParams.get('watch') ?? 'false')
  const selected = selectedName(url.searchParams.get('fieldSelector') ?? '')
  return { ...attributes, verb: isWatch ? 'watch' : 'list', name: selected }
}

/** `namespaces/N/secrets/S` is a secret in N; `namespaces/N` and its subresources are N itself, in N. */
function takeNamespace(parts: string[]): { namespace: string; own: string[] } {
  const [first, namespace, third] = parts
  if (first !== 'namespaces' || namespace === undefined) return { namespace: '', own: parts }
  const isItself = third === undefined || third === 'status' || third === 'finalize'
  return { namespace, own: isItself ? parts : parts.slice(2) }
}

/** Escaped slashes separate too: the server splits the decoded path. */
function segmentsOf(url: URL): string[] {
  return decodedPath(url)
    .split('/')
    .filter((part) => part !== '')
}

function decodedPath({ pathname }: URL): string {
  try {
    return decodeURIComponent(pathname)
  } catch {
    // Not UTF-8: no object has such a name, so it is compared as it came.
    return pathname
  }
}
