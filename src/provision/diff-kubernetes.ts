/** Compares the objects of a cluster with those that it should hold. */
import { isRecord } from '../lib/record.ts'
import { changed, joined, verdict, type FieldChange, type Verdict } from './change.ts'
import { isDeepStrictEqual } from 'node:util'
import { LABELS } from './names.ts'
import type { Fields } from './items.ts'
import { identityOf, type Manifest } from './manifest.ts'
import { differingIn, overlaid } from './overlay.ts'

/** What a cluster was read to hold, by {@link identityOf}; absent where there is nothing. */
export type ClusterActual = ReadonlyMap<string, Fields>

/** Compares the objects of one cluster. */
export function diffCluster(
  cluster: string,
  manifests: readonly Manifest[],
  actual: ClusterActual,
): Verdict {
  return joined(
    manifests.map((manifest) => diffObject(cluster, manifest, actual.get(identityOf(manifest)))),
  )
}

function diffObject(cluster: string, manifest: Manifest, there: Fields | undefined): Verdict {
  const where = `cluster ${cluster}`
  const what = identityOf(manifest)
  const create = { target: 'kubernetes', cluster, verb: 'create', manifest } as const
  if (there === undefined) return changed(where, what, 'create', [], [create])
  const { kind } = manifest
  // Whoever made these, they serve.
  if (kind === 'Namespace' || kind === 'ServiceAccount') return changed(where, what, 'same')
  const fields = differences(manifest, there)
  if (fields.length === 0) return changed(where, what, 'same')
  if (!isOurs(there)) {
    return verdict({
      conflicts: [`${where}: ${what} is there and not of provision: rename or delete it`],
    })
  }
  // The API server lets nobody change what a binding gives.
  if (fields.some(({ field }) => field === 'roleRef')) {
    const remove = { target: 'kubernetes', cluster, verb: 'delete', manifest } as const
    return changed(where, what, 'replace', fields, [remove, create])
  }
  const patch = patchOf(manifest, there)
  const write = { target: 'kubernetes', cluster, verb: 'patch', manifest, patch } as const
  return changed(where, what, 'update', fields, [write])
}

/** Whether an object may be changed and removed. */
export function isOurs(there: Fields): boolean {
  const { labels } = metadataOf(there)
  return Object.entries(LABELS).every(([name, value]) => isRecord(labels) && labels[name] === value)
}

function metadataOf(object: Fields): Fields {
  return isRecord(object['metadata']) ? object['metadata'] : {}
}

/** What decides who may do what is ours as a whole. */
const WHOLE = ['rules', 'roleRef', 'subjects'] as const
/** The API server completes these, and others may add to them. */
const PARTLY = ['data', 'spec'] as const

function differences(manifest: Manifest, there: Fields): readonly FieldChange[] {
  return [
    ...WHOLE.filter((field) => {
      const wanted = manifest[field]
      return wanted !== undefined && !isDeepStrictEqual(plain(wanted), plain(there[field]))
    }).map((field) => ({ field })),
    ...PARTLY.flatMap((field) => {
      const wanted = manifest[field]
      return wanted === undefined ? [] : differingIn(wanted, there[field] ?? {}, field)
    }),
  ]
}

/** As JSON has it: without prototypes, and with the keys in order. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (!isRecord(value)) return value
  return Object.entries(value)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => [key, plain(inner)])
}

/** A merge patch replaces lists, so what others have added to their items goes along. */
function patchOf(manifest: Manifest, there: Fields): object {
  const { name } = manifest.metadata
  const { resourceVersion } = metadataOf(there)
  const whole = WHOLE.flatMap((field) => {
    const wanted = manifest[field]
    return wanted === undefined ? [] : [[field, wanted] as const]
  })
  const partly = PARTLY.flatMap((field) => {
    const wanted = manifest[field]
    return wanted === undefined ? [] : [[field, overlaid(wanted, there[field])] as const]
  })
  return { metadata: { name, resourceVersion }, ...Object.fromEntries([...whole, ...partly]) }
}
