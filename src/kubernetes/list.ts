/**
 * Secrets and ConfigMaps by pages, so that no cluster is too large to be looked through.
 *
 * @see https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
 */
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import { TOO_LARGE } from '../http/backend.ts'
import type { Allowance } from '../http/budget.ts'
import { badResponse, type Answer, type Backend } from '../http/call.ts'
import { isRecord } from '../lib/record.ts'
import { pathOf, RESOURCES, type KubernetesClient } from './client.ts'
import { readObject, type Kind, type KubernetesObject } from './objects.ts'

/** What to list, and how much of it at once. */
export interface ListRequest extends PageRequest {
  readonly kind: Kind
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined
}

/** Which part of a list. */
export interface PageRequest {
  /** Most objects of one page. */
  readonly limit: number
  /** `continue` of the page before. */
  readonly continue?: string | undefined
  /** Such as `type!=helm.sh/release.v1`. */
  readonly fieldSelector?: string | undefined
}

/** Some objects of a list, in the order of namespace and name. */
export interface Page<Item> {
  readonly items: readonly Item[]
  /** What to ask the next page with; absent on the last one. */
  readonly continue: string | undefined
  /** How many objects are on later pages; only where the server counts them. */
  readonly remaining: number | undefined
  /**
   * The version that the whole list is of. Opaque: equality only. Another than that of the pages before where the
   * server had forgotten it (etcd keeps five minutes): objects that came or went since may be missing or be there.
   */
  readonly resourceVersion: string
}

/** A page of Secrets or ConfigMaps. */
export type ObjectPage = Page<KubernetesObject>

/**
 * Lists one page. What it shows is the state when the first page was asked for: an object may have
 * changed since, and a change by its version meets a conflict then.
 *
 * @throws {@link SecretManagerError} SM_K8S_DENIED, SM_K8S_*; {@link isTooLarge} where a page is too large
 */
export async function listPage(
  client: KubernetesClient,
  allowance: Allowance,
  request: ListRequest,
): Promise<ObjectPage> {
  const { kind, namespace } = request
  const resource = RESOURCES[kind]
  const path = pathOf({ resource, namespace })
  return pageOf(client, allowance, { path, resource, namespace, read: readObject }, request)
}

/** A list of the API, and how one of its objects is read. */
export interface Collection<Item> {
  /** Without a query. */
  readonly path: string
  /** With its group, as refusals name it. */
  readonly resource: string
  readonly namespace?: string | undefined
  readonly read: (
    backend: Pick<Backend, 'name' | 'url'>,
    answer: Pick<Answer, 'status' | 'json'>,
  ) => Item
}

/** Lists one page of any collection. @throws as {@link listPage} */
export async function pageOf<Item>(
  client: KubernetesClient,
  allowance: Allowance,
  collection: Collection<Item>,
  request: PageRequest,
): Promise<Page<Item>> {
  const backend = { name: 'kubernetes', url: client.access.server } as const
  const first = await ask(client, allowance, collection, request)
  if (first.status !== 410) return readPage(backend, first, collection)
  const token = metadataOf(first)['continue']
  if (typeof token !== 'string' || token === '') throw expired(backend)
  const second = await ask(client, allowance, collection, { ...request, continue: token })
  if (second.status === 410) throw expired(backend)
  return readPage(backend, second, collection)
}

/**
 * Refuses a namespace that is not there: an API server lists nothing in it, as in one that is empty. Who may not ask
 * that is not told.
 *
 * @throws {@link SecretManagerError} SM_K8S_NOT_FOUND, SM_K8S_*
 */
export async function refuseAbsentNamespace(
  client: KubernetesClient,
  allowance: Allowance,
  namespace: string,
): Promise<void> {
  const place = { resource: 'namespaces', name: namespace } as const
  const operation = { verb: 'get', ...place } as const
  const path = pathOf(place)
  try {
    await client.request(allowance, operation, { method: 'GET', path, headers: {} })
  } catch (error) {
    if (!isSecretManagerError(error) || error.code !== 'SM_K8S_DENIED') throw error
  }
}

/** Whether an answer was above the transport's limit of 8 MiB: ask for fewer objects at once. */
export function isTooLarge(error: unknown): boolean {
  return isSecretManagerError(error) && error.causeClass === TOO_LARGE
}

function ask(
  client: KubernetesClient,
  allowance: Allowance,
  {
    path: collection,
    resource,
    namespace,
  }: Pick<Collection<unknown>, 'path' | 'resource' | 'namespace'>,
  request: PageRequest,
): Promise<Answer> {
  const operation = { verb: 'list', resource, namespace } as const
  const path = `${collection}?${queryOf(request)}`
  return client.request(allowance, operation, { method: 'GET', path, headers: {} })
}

function queryOf({ limit, continue: token, fieldSelector }: PageRequest): string {
  const query = { limit: String(limit), continue: token, fieldSelector }
  const given = Object.entries(query).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  )
  return new URLSearchParams(given).toString()
}

function readPage<Item>(
  backend: Pick<Backend, 'name' | 'url'>,
  answer: Answer,
  { read }: Pick<Collection<Item>, 'read'>,
): Page<Item> {
  const { status, json } = answer
  const items: unknown = isRecord(json) ? json['items'] : undefined
  const { resourceVersion, continue: token, remainingItemCount } = metadataOf(answer)
  if (!Array.isArray(items) || typeof resourceVersion !== 'string')
    throw badResponse(backend, status, 'is not a list of the API')
  return {
    items: items.map((item: unknown) => read(backend, { status, json: item })),
    continue: typeof token === 'string' && token !== '' ? token : undefined,
    remaining: typeof remainingItemCount === 'number' ? remainingItemCount : undefined,
    resourceVersion,
  }
}

function metadataOf({ json }: Answer): Readonly<Record<string, unknown>> {
  return isRecord(json) && isRecord(json['metadata']) ? json['metadata'] : {}
}

function expired({ url }: Pick<Backend, 'url'>): SecretManagerError {
  const what = `the API server at ${url} no longer knows the list that this page continues (410)`
  return new SecretManagerError('SM_K8S_REJECTED', what, {
    hint: 'begin the list again',
    status: 410,
  })
}
