/** Values as text that is the same for the same value, however its document spells it. */
import { parseDictionary, type JsonValue } from '../lib/json.ts'

/**
 * Gives each entry at the top level of a document in canonical text: without white space, names in order.
 *
 * @throws {@link SecretManagerError} SM_PAYLOAD_INVALID where it is no dictionary, never with a word of it
 */
export function canonicalEntries(document: Uint8Array): ReadonlyMap<string, string> {
  const entries = Object.entries(parseDictionary(document))
  return new Map(entries.map(([name, value]) => [name, canonical(value)]))
}

function canonical(value: JsonValue): string {
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (isList(value)) return `[${value.map(canonical).join(',')}]`
  const names = Object.keys(value).toSorted()
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name] ?? null)}`).join(',')}}`
}

function isList(value: object): value is readonly JsonValue[] {
  return Array.isArray(value)
}
