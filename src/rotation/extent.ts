/** How much of a place is looked at: all of it, some namespaces, some objects. */
import { createHash } from 'node:crypto'

import type { Address } from './address.ts'

/** Its parts: `*` is all, `namespace NAME`, an object as it is named in messages, an absolute path. */
export type Extent = readonly string[]

/** All of a place. */
export const WHOLE: Extent = ['*']

/** Gives the extent of these objects, and of the namespaces that are looked through. */
export function extentOf(objects: readonly Address[], scan: true | readonly string[]): Extent {
  if (scan === true) return WHOLE
  const named = objects
    .filter(({ namespace }) => !scan.includes(namespace))
    .map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`)
  return [...new Set([...scan.map((namespace) => `namespace ${namespace}`), ...named])].toSorted()
}

/** Gives the extent of files and directories. @param places - absolute paths, one for each */
export function extentOfPaths(places: readonly string[]): Extent {
  // Extents are told as lists: the name of one path is not that of two.
  const names = places.map((path) => (/[,"\p{C}]/u.test(path) ? JSON.stringify(path) : path))
  return [...new Set(names)].toSorted()
}

/** Whether everything of `part` is in `whole`. */
export function covers(whole: Extent, part: Extent): boolean {
  const parts = new Set(whole)
  if (parts.has('*')) return true
  return part.every((each) => parts.has(each) || isWithin(parts, each))
}

/** Most parts that are named one by one. */
const FEW = 3

/** The way an extent is told of: short, and another for each. */
export function extentText(extent: Extent): string {
  if (extent.length <= FEW) return extent.join(', ')
  const digest = createHash('sha256').update(extent.join('\n')).digest('hex').slice(0, 8)
  return `${extent.length} parts, ${digest}`
}

/** Whether an object lies in one of the namespaces. */
function isWithin(parts: ReadonlySet<string>, object: string): boolean {
  const namespace = /^\w+ ([^/]+)\//.exec(object)?.[1]
  return namespace !== undefined && parts.has(`namespace ${namespace}`)
}
