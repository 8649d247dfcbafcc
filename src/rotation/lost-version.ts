/** A key that has gone back behind what its journal knows: Vault was restored from an older snapshot. */
import { SecretManagerError } from '../errors.ts'
import type { Journal } from './journal-text.ts'

/** The latest version that the key certainly had: a rotation that is not known to have come to one counts for nothing. */
export function latestKnown({ phase, from, doneAt, retirement }: Journal): number {
  const isRotated = phase === 'rewrapping' || (phase === 'done' && doneAt !== undefined)
  return Math.max(isRotated ? from + 1 : from, retirement?.to ?? 0)
}

/** What to do about documents under versions that the key has lost, the first of which may be made again. */
export function restoreNewer(lostVersion: number): string {
  return `neither rotate nor rewrap now: a rotation makes another key with the number of a lost one, and hides the loss; restore a snapshot of Vault that has v${lostVersion} (vault operator raft snapshot restore); where there is none, what is under lost versions is lost: see secretmanager status (ahead), seal each of those anew (secretmanager encrypt), delete the journal where there is one (kubectl delete configmap), and rotate only then`
}

/**
 * Refuses to add a version that the key had before: documents under the lost one would never open again, and nobody
 * would be told.
 *
 * @param where - the journal, as messages name it
 * @throws {@link SecretManagerError} SM_ROLLBACK_REFUSED
 */
export function refuseLost(journal: Journal | undefined, latest: number, where: string): void {
  const known = journal ? latestKnown(journal) : 0
  if (known <= latest) return
  const message = `the key has gone back: ${where} has v${known} of it, and Vault v${latest}; Vault was restored from an older snapshot, or the key was made anew`
  throw new SecretManagerError('SM_ROLLBACK_REFUSED', message, { hint: restoreNewer(known) })
}
