/** Which entries of a dictionary differ from the stored one. Names alone. */
import type { CallOptions } from '../calls.ts'
import type { Definition } from '../config/definition.ts'
import type { Core } from '../core.ts'
import { isSecretManagerError } from '../errors.ts'
import { canonicalEntries } from './canonical.ts'

/** Names of entries, in the order of their documents. */
export interface Differences {
  readonly added: readonly string[]
  readonly changed: readonly string[]
  readonly removed: readonly string[]
}

/** Compares entry by entry; another spelling of the same value is no difference. */
export function differencesBetween(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): Differences {
  return {
    added: [...after.keys()].filter((name) => !before.has(name)),
    changed: [...after].flatMap(([name, value]) =>
      before.has(name) && before.get(name) !== value ? [name] : [],
    ),
    removed: [...before.keys()].filter((name) => !after.has(name)),
  }
}

/** Whether nothing differs. */
export function isSame({ added, changed, removed }: Differences): boolean {
  return added.length + changed.length + removed.length === 0
}

/** What would be different, and whether anything is stored yet. */
export interface Comparison extends Differences {
  readonly isNew: boolean
}

/**
 * Compares a document with the one in the cluster: what would be different if it were stored. Where there is none yet,
 * everything is added.
 *
 * @throws {@link SecretManagerError} SM_PAYLOAD_INVALID where one of them is no dictionary, before any call where it is
 * `document`; SM_BINDING_MISMATCH, SM_CT_*, SM_K8S_*, SM_VAULT_*
 */
export function diffDocument(
  { calls, source }: Core,
  definition: Definition,
  document: Uint8Array,
  { signal }: CallOptions = {},
): Promise<Comparison> {
  return calls.run({ signal }, async (allowance) => {
    const after = canonicalEntries(document)
    const place = await source.locate(allowance, definition)
    const stored = await source.fetch(allowance, place).catch(absent)
    if (stored === undefined) return { ...differencesBetween(new Map(), after), isNew: true }
    const current = await source.documents.open(allowance, definition, place, stored)
    const before = canonicalEntries(current.document)
    return { ...differencesBetween(before, after), isNew: false }
  })
}

/** Neither an object without the entry, nor none at all. */
function absent(error: unknown): undefined {
  const isAbsent =
    isSecretManagerError(error) &&
    (error.code === 'SM_K8S_NOT_FOUND' || error.code === 'SM_KEY_MISSING')
  if (!isAbsent) throw error
}
