/** What a rotation begins with: decided from the journal and the key, the same for a run and its rehearsal. Pure. */
import type { KeyFacts } from '../vault/keyring.ts'
import type { Journal } from './journal-text.ts'
import { refuseLost } from './lost-version.ts'

/** What comes first. */
export type Beginning =
  /** A version is added to the latest one. */
  | { readonly begin: 'rotate'; readonly last: Journal | undefined }
  /** The latest version is too young for another; documents are rewrapped. */
  | { readonly begin: 'young'; readonly ageMs: number }
  /** An earlier run did not come to its end; `isRotated`: the key has the version that it asked for. */
  | { readonly begin: 'resume'; readonly journal: Journal; readonly isRotated: boolean }

/** What is known of the key. */
export type KeyVersions = Pick<KeyFacts, 'latestVersion' | 'createdAt'>

/** What a rotation is decided by. */
export interface Situation {
  readonly journal: Journal | undefined
  /** The journal, as messages name it. */
  readonly where: string
  readonly key: KeyVersions
  /** Younger keys are not rotated. */
  readonly minAgeMs: number
  readonly nowUnixMs: number
}

/**
 * Says what a rotation begins with.
 *
 * @throws {@link SecretManagerError} SM_ROLLBACK_REFUSED where the journal has a version that the key has lost
 */
export function beginningOf({ journal, where, key, minAgeMs, nowUnixMs }: Situation): Beginning {
  refuseLost(journal, key.latestVersion, where)
  if (journal !== undefined && journal.phase !== 'done') {
    return { begin: 'resume', journal, isRotated: key.latestVersion > journal.from }
  }
  const ages = [journal && Date.parse(journal.begunAt), madeAt(key)]
    .map((time = NaN) => nowUnixMs - time)
    // Clocks differ: what began a little later than now is young, and what is far ahead tells nothing.
    .filter((ageMs) => Math.abs(ageMs) < minAgeMs)
  if (ages.length > 0) return { begin: 'young', ageMs: Math.min(...ages) }
  return { begin: 'rotate', last: journal }
}

/** The latest version once such a run is at its end. */
export function versionAfter(beginning: Beginning, { latestVersion }: KeyVersions): number {
  switch (beginning.begin) {
    case 'rotate':
      return latestVersion + 1
    case 'young':
      return latestVersion
    case 'resume':
      return Math.max(latestVersion, beginning.journal.from + 1)
  }
}

/** When somebody, or Transit itself, rotated last; a first version comes of no rotation. */
function madeAt({ latestVersion, createdAt }: KeyVersions): number | undefined {
  return latestVersion > 1 ? createdAt.get(latestVersion) : undefined
}
