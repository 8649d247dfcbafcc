/**
 * Keeps what was read, in memory only: fresh, then stale, then gone.
 *
 * A fresh value is served without a call. One that is older is refreshed in the background while it is
 * served; one that nobody asked for meanwhile is waited for. Where a refresh fails, the old value is
 * served until the end of its time, and status and events say so.
 */
import type { Definition } from '../config/definition.ts'
import type { StandardSchema } from '../config/types.ts'
import type { Allowance } from '../http/budget.ts'
import { wakefulClock } from '../lib/wakeful-clock.ts'
import type { DefinitionStatus } from '../status.ts'
import { Entry } from './entry.ts'
import type { EntryParts } from './parts.ts'

/** Entries from which those that have nothing to serve are thrown out. */
const MANY = 1000
/** No more are kept: those that nobody asked for longest go first. */
const MOST = 10_000

/** Values by definition; definitions that say the same share one. */
export class Cache<T> {
  readonly #parts: EntryParts<T>
  readonly #entries = new Map<string, Entry<T>>()
  #byDefinition = new WeakMap<Definition, Entry<T>>()
  readonly #schemas = new SchemaNumbers()
  #sweepAt = MANY
  #hasServed = false

  constructor(parts: Omit<EntryParts<T>, 'clock' | 'onServed'>) {
    const onServed = (): void => {
      this.#hasServed = true
    }
    this.#parts = { ...parts, onServed, clock: wakefulClock(parts.runtime) }
  }

  /** Whether anything could ever be read. */
  get hasServed(): boolean {
    return this.#hasServed
  }

  /** The value of a definition, if it is fresh: no call, no wait. */
  hit(definition: Definition): T | undefined {
    return this.#byDefinition.get(definition)?.hit()
  }

  /**
   * Gives the value of a definition.
   *
   * @param isFresh - whether only what is read from now on will do
   * @throws {@link SecretManagerError} what reading it rejects with, where there is nothing to serve
   */
  read(allowance: Allowance, definition: Definition, isFresh: boolean): Promise<T> {
    const entry = this.#entry(definition)
    return isFresh ? entry.readAnew(allowance) : entry.read(allowance)
  }

  /** Forgets what is kept of an object, as it was just changed from here: readers see it at once. */
  forget({ secretName, readType }: Definition): void {
    // Whatever the namespace: a definition may leave it to the settings.
    for (const entry of this.#entries.values()) {
      const { definition } = entry
      if (definition.secretName === secretName && definition.readType === readType) entry.drop()
    }
  }

  /** How every definition is that somebody is interested in. */
  status(): readonly DefinitionStatus[] {
    return [...this.#entries.values()]
      .filter(({ isIdle }) => !isIdle)
      .map((entry) => entry.status())
  }

  /** Wipes and forgets everything. */
  clear(): void {
    for (const entry of this.#entries.values()) entry.drop()
    this.#entries.clear()
    this.#byDefinition = new WeakMap()
  }

  #entry(definition: Definition): Entry<T> {
    const known = this.#byDefinition.get(definition)
    if (known) return known
    const key = this.#keyOf(definition)
    const entry = this.#entries.get(key) ?? this.#add(key, definition)
    this.#byDefinition.set(definition, entry)
    return entry
  }

  #add(key: string, definition: Definition): Entry<T> {
    if (this.#entries.size >= this.#sweepAt) this.#sweep()
    const entry = new Entry(definition, this.#parts)
    this.#entries.set(key, entry)
    return entry
  }

  /** Names that come out of requests must not fill the memory. */
  #sweep(): void {
    for (const [key, entry] of this.#entries) if (entry.isIdle) this.#entries.delete(key)
    const byUse = [...this.#entries].toSorted(([, a], [, b]) => a.usedAt - b.usedAt)
    for (const [key, entry] of byUse.slice(0, Math.max(0, byUse.length - MOST * 0.9))) {
      entry.drop()
      this.#entries.delete(key)
    }
    this.#byDefinition = new WeakMap()
    this.#sweepAt = Math.min(MOST, Math.max(MANY, this.#entries.size * 2))
  }

  /** No part of it can hold a slash. */
  #keyOf(definition: Definition): string {
    const { namespace = '', readType, secretName, readKey } = definition
    const { transitKey, format, binding, allowRollback, schema } = definition
    const place = [namespace, readType, secretName, readKey]
    const opening = [transitKey, format, binding, allowRollback]
    return [...place, ...opening, schema === undefined ? 0 : this.#schemas.of(schema)].join('/')
  }
}

/** Schemas are told apart by identity: what they do cannot be compared. */
class SchemaNumbers {
  readonly #numbers = new WeakMap<StandardSchema, number>()
  #last = 0

  of(schema: StandardSchema): number {
    const known = this.#numbers.get(schema)
    if (known !== undefined) return known
    this.#last += 1
    this.#numbers.set(schema, this.#last)
    return this.#last
  }
}
