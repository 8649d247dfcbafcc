/** Objects of which we know a part: the API server completes them, and others add to them. */
import { isRecord } from '../lib/record.ts'
import type { FieldChange } from './change.ts'
import { differing } from './compare.ts'

/**
 * Finds the wanted settings that are otherwise, by their paths; what is there besides does not count. Lists of
 * one length are compared item by item.
 */
export function differingIn(
  wanted: unknown,
  actual: unknown,
  path: string,
): readonly FieldChange[] {
  // Where nothing is set, Kubernetes does not always take it for false.
  if (actual === undefined) return [{ field: path }]
  const parts = partsOf(wanted, actual)
  if (parts === undefined) return differing({ [path]: wanted }, { [path]: actual })
  return parts.flatMap(([key, inner, there]) =>
    differingIn(inner, there, typeof key === 'number' ? `${path}[${key}]` : `${path}.${key}`),
  )
}

/** Gives what is there, with the wanted settings in it. */
export function overlaid(wanted: unknown, actual: unknown): unknown {
  const parts = partsOf(wanted, actual)
  if (parts === undefined) return wanted
  const own = parts.map(([key, inner, there]) => [key, overlaid(inner, there)] as const)
  if (Array.isArray(wanted)) return own.map(([, inner]) => inner)
  return { ...(isRecord(actual) && actual), ...Object.fromEntries(own) }
}

type Part = readonly [key: string | number, wanted: unknown, actual: unknown]

/** What can be compared part by part; `undefined` where it is a whole. */
function partsOf(wanted: unknown, actual: unknown): readonly Part[] | undefined {
  if (Array.isArray(wanted) && Array.isArray(actual)) {
    if (wanted.length !== actual.length) return undefined
    return wanted.map((inner: unknown, at) => [at, inner, likeIt(inner, actual[at])])
  }
  if (!isRecord(wanted) || !isRecord(actual)) return undefined
  return Object.entries(wanted).map(([key, inner]) => [key, inner, actual[key]])
}

/** A volume that has another source would have two of them, and be refused: such an item is no part of ours. */
function likeIt(wanted: unknown, actual: unknown): unknown {
  if (!isRecord(wanted)) return actual
  const isLike =
    isRecord(actual) &&
    wanted['name'] === actual['name'] &&
    Object.keys(wanted).every((key) => key in actual)
  return isLike ? actual : undefined
}
