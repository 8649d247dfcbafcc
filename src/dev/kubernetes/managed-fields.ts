/**
 * `metadata.managedFields`: which client set which field, kept through creates, updates and patches.
 *
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/#managers
 */
import { type Cluster, timestamp } from './cluster.ts'
import { type KubernetesObject, type ManagedFields, type Resource, arrangeMeta } from './objects.ts'
import type { ResourceRequest } from './request.ts'

/** Longest name of a manager, in characters. */
const MAX_MANAGER = 128

/** The name that a request's changes are kept under: `fieldManager`, else the product that sent it. */
export function managerOf(query: URLSearchParams, userAgent: string): string {
  const given = query.get('fieldManager') ?? ''
  if (given !== '') return given
  const [product = ''] = userAgent.split('/')
  return product.slice(0, MAX_MANAGER) || 'unknown'
}

/** `next` with what the request's manager has set since `current`; other managers lose that. */
export function managed<T extends KubernetesObject>(
  cluster: Cluster,
  resource: Resource<T>,
  { manager }: ResourceRequest,
  next: T,
  current?: T,
): T {
  if (resource.managesFields !== true) return next
  const [before, after] = [valuesOf(current), valuesOf(next)]
  const set = [...after.keys()].filter((path) => after.get(path) !== before.get(path))
  const isLost = (path: string): boolean => after.get(path) !== before.get(path)
  const entries = current?.metadata.managedFields ?? []
  const kept = entries.map((entry) => ({
    entry,
    paths: pathsOf(entry.fieldsV1).filter((path) => !isLost(path)),
  }))
  const mine = kept.find(({ entry }) => entry.manager === manager)?.paths ?? []
  const time = timestamp(cluster.clock())
  const others = kept.filter(({ entry }) => set.length === 0 || entry.manager !== manager)
  const all = [
    ...others.map(({ entry, paths }) => entryOf(resource, entry.manager, entry.time, paths)),
    ...(set.length === 0 ? [] : [entryOf(resource, manager, time, [...mine, ...set])]),
  ]
  const managedFields = inOrder(all.filter(({ fieldsV1 }) => Object.keys(fieldsV1).length > 0))
  return { ...next, metadata: arrangeMeta({ ...next.metadata, managedFields }) }
}

function entryOf<T extends KubernetesObject>(
  { group, version }: Resource<T>,
  manager: string,
  time: string,
  paths: readonly string[],
): ManagedFields {
  const apiVersion = group === '' ? version : `${group}/${version}`
  const fieldsV1 = treeOf(paths)
  return { manager, operation: 'Update', apiVersion, time, fieldsType: 'FieldsV1', fieldsV1 }
}

function inOrder(entries: readonly ManagedFields[]): ManagedFields[] {
  const keyOf = ({ time, manager }: ManagedFields): string => `${time} ${manager}`
  return entries.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}

/** Between the steps of a path; no key and no label holds it. */
const STEP = '\0'

const UNMANAGED: ReadonlySet<string> = new Set(['kind', 'apiVersion', 'metadata'])

/** Every field that somebody can own, by its path, with its value as JSON. */
function valuesOf(object: KubernetesObject | undefined): ReadonlyMap<string, string> {
  if (object === undefined) return new Map()
  const { labels, annotations, finalizers = [] } = object.metadata
  const own = Object.entries(object).filter(([field]) => !UNMANAGED.has(field))
  const members = Object.fromEntries(finalizers.map((one) => [JSON.stringify(one), '']))
  return new Map([
    ...own.flatMap(([field, value]) => fieldsIn(`f:${field}`, value, 'f:')),
    ...fieldsIn(`f:metadata${STEP}f:labels`, labels, 'f:'),
    ...fieldsIn(`f:metadata${STEP}f:annotations`, annotations, 'f:'),
    ...fieldsIn(`f:metadata${STEP}f:finalizers`, members, 'v:'),
  ])
}

/** A scalar is one field; a map is one itself, and one for each entry; nothing is none. */
function fieldsIn(path: string, value: unknown, prefix: string): [string, string][] {
  if (typeof value !== 'object' || value === null)
    return value === undefined ? [] : [[path, JSON.stringify(value)]]
  const entries = Object.entries(value)
  if (entries.length === 0) return []
  return [
    [`${path}${STEP}.`, ''],
    ...entries.map(([key, one]): [string, string] => [
      `${path}${STEP}${prefix}${key}`,
      JSON.stringify(one),
    ]),
  ]
}

type Tree = ManagedFields['fieldsV1']

function pathsOf(tree: Tree): string[] {
  return Object.entries(tree).flatMap(([step, below]) => {
    const paths = pathsOf(below)
    return paths.length === 0 ? [step] : paths.map((path) => `${step}${STEP}${path}`)
  })
}

function treeOf(paths: readonly string[]): Tree {
  const tree: Tree = {}
  for (const path of [...new Set(paths)].toSorted()) {
    let at = tree
    for (const step of path.split(STEP)) at = at[step] ??= {}
  }
  return tree
}
