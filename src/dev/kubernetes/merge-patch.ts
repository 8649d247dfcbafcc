/**
 * JSON merge patch of an object: null deletes, objects merge, everything else replaces.
 *
 * https://www.rfc-editor.org/rfc/rfc7386
 */
export function mergePatch(target: object, patch: object): object {
  const merged = new Map<string, unknown>(Object.entries(target))
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key)
    else merged.set(key, merge(merged.get(key), value))
  }
  return Object.fromEntries(merged)
}

function merge(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  return mergePatch(isObject(target) ? target : {}, patch)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
