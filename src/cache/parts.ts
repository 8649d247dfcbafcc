/** What the entries of a cache work with. */
import type { Definition } from '../config/definition.ts'
import type { CacheSettings } from '../config/settings.ts'
import type { Allowance, Budget } from '../http/budget.ts'
import type { Runtime } from '../runtime.ts'

/** What one definition came to. */
export interface Snapshot<T> {
  /** The stored document, to tell whether it changed. */
  readonly stored: string
  readonly keyVersion: number | undefined
  readonly revision: number | undefined
  readonly value: T
}

/**
 * Reads a definition from the servers.
 *
 * @param known - what is kept; given back as it is where nothing changed
 */
export type Load<T> = (
  allowance: Allowance,
  definition: Definition,
  known: Snapshot<T> | undefined,
) => Promise<Snapshot<T>>

/** What all entries work with. */
export interface EntryParts<T> {
  readonly settings: CacheSettings
  /** Longest time that a read waits for the refresh of a value that it could have, in milliseconds. */
  readonly patienceMs: number
  readonly load: Load<T>
  /** Wipes a value that is kept no longer, when whoever was just given it has looked. */
  readonly wipe: (value: T) => void
  readonly budget: Budget
  readonly runtime: Runtime
  /** Counts what the machine slept through; the runtime's own clock does not. */
  readonly clock: () => number
  /** Called when one could be read. */
  readonly onServed: () => void
}
