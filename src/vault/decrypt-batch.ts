/**
 * Batches of Transit's decrypt and rewrap: what fits into one request, and which result belongs to
 * which item.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/secret/transit#decrypt-data
 * @see https://developer.hashicorp.com/vault/api-docs/secret/transit#rewrap-data
 */
import { isRecord } from '../lib/record.ts'
import { recordField, type VaultReply } from './client.ts'

/**
 * What Transit decrypts or rewraps, in its own field names. Items of one batch have the same fields: where one has
 * a context and another has none, Transit refuses all.
 */
export interface BatchItem {
  readonly ciphertext: string
  /** Base64. */
  readonly context?: string
}

/**
 * OpenBao takes so many JSON strings in a request, keys included (`max_request_json_strings`, since 2.4.1).
 * Vault has no such limit.
 */
const MAX_STRINGS = 1000
/**
 * No batch is bigger than the largest document alone, so it needs no more time on a slow line, and two
 * in flight need little memory. Both servers take 32 MiB, and Vault 1 MiB in one string.
 */
const MAX_BYTES = 1 << 20

/**
 * How many of the first items go into the next request: at least one, which then may be of any size.
 *
 * @param most - a limit of the server's own
 */
export function batchLength(items: Iterable<BatchItem>, most: number): number {
  let count = 0
  // The key of the list is one.
  let strings = 1
  let bytes = 0
  for (const item of items) {
    const values = Object.values(item)
    strings += 2 * (values.length + 1)
    bytes += values.reduce((sum, value) => sum + Buffer.byteLength(value), 0)
    const fits = count < most && strings <= MAX_STRINGS && bytes <= MAX_BYTES
    if (count > 0 && !fits) return count
    count += 1
  }
  return count
}

/** The body of a batch. Each item carries its place, which the server repeats. */
export function batchBody(items: readonly BatchItem[]): object {
  return { batch_input: items.map((item, index) => ({ ...item, reference: String(index) })) }
}

/**
 * The results of a batch in the order of its items.
 *
 * @param count - how many items were sent
 * @returns `undefined` unless there is exactly one for each: nobody may get what belongs to another
 */
export function batchResults(reply: VaultReply, count: number): readonly VaultReply[] | undefined {
  const found: unknown = recordField(reply, 'data')['batch_results']
  if (!Array.isArray(found) || found.length !== count) return undefined
  const results = found.filter((result) => isRecord(result))
  if (results.length !== count) return undefined
  // Vault before 1.13 knows no references; that it keeps the order is documented.
  const areNamed = results.some((result) => Object.hasOwn(result, 'reference'))
  const match = !areNamed || results.every(({ reference }, index) => reference === String(index))
  return match ? results : undefined
}
