/** What is kept of one definition, and the one flight that reads it. */
import type { Definition } from '../config/definition.ts'
import type { CacheSettings } from '../config/settings.ts'
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { Allowance, Budget } from '../http/budget.ts'
import { aborted, untilAborted } from '../lib/abort.ts'
import { backoffMs } from '../lib/backoff.ts'
import type { Runtime } from '../runtime.ts'
import { troubleOf, type DefinitionStatus } from '../status.ts'
import { publishFreshness, publishRefresh } from './events.ts'
import { Flight } from './flight.ts'
import { freshnessOf, type Age, type Freshness } from './freshness.ts'

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
  /** Wipes a value that is kept no longer. */
  readonly wipe: (value: T) => void
  readonly budget: Budget
  readonly runtime: Runtime
  /** Counts what the machine slept through; the runtime's own clock does not. */
  readonly clock: () => number
}

interface Kept<T> {
  readonly snapshot: Snapshot<T>
  /** When it was known to be current, by either clock. */
  readonly at: number
  readonly awakeAt: number
}

/** Between attempts that are refused, and between any after some that failed; in milliseconds. */
const DENIED_WAIT_MS = 60_000
const LEAST_WAIT_MS = 1000
const FREE_FAILURES = 3

/** One definition. */
export class Entry<T> {
  readonly definition: Definition
  readonly #parts: EntryParts<T>
  #kept: Kept<T> | undefined
  #flight: Flight<Snapshot<T>> | undefined
  /** Why it could not be read last, where it could not. */
  #failure: { readonly error: SecretManagerError; readonly at: number } | undefined
  #failures = 0
  /** No flight begins before. */
  #notBefore = 0

  constructor(definition: Definition, parts: EntryParts<T>) {
    this.definition = definition
    this.#parts = parts
  }

  /** Whether there is nothing to serve and nothing under way. */
  get isIdle(): boolean {
    return this.#freshness() === 'expired' && !this.#flight
  }

  /** The value, if it is fresh: no call, no wait. */
  hit(): T | undefined {
    return this.#freshness() === 'fresh' ? this.#kept?.snapshot.value : undefined
  }

  /** Gives the value, from memory where it is still good enough. */
  async read(allowance: Allowance): Promise<T> {
    const freshness = this.#freshness()
    const kept = this.#kept
    if (freshness === 'expired' || !kept) return this.#readNow(allowance)
    if (freshness === 'fresh') return kept.snapshot.value
    if (freshness === 'overdue' && !this.#failure) return this.#readSoon(allowance)
    if (this.#parts.clock() >= this.#notBefore) this.#fly().goOnAlone()
    return kept.snapshot.value
  }

  /** Gives the value as it is read from now on: a flight under way may have looked before. */
  async readAnew(allowance: Allowance): Promise<T> {
    const before = this.#flight
    if (before) await untilAborted(before.settled, allowance.signal)
    return (await this.#fly().wait(allowance)).value
  }

  /** Wipes and forgets the value; what a flight under way brings is not kept. */
  drop(): void {
    if (this.#kept) this.#parts.wipe(this.#kept.snapshot.value)
    this.#kept = undefined
    this.#flight = undefined
  }

  status(): DefinitionStatus {
    const { secretName, namespace, readType, readKey, transitKey } = this.definition
    const kept = this.#freshness() === 'expired' ? undefined : this.#kept
    const failure = this.#failure
    return {
      secretName,
      namespace,
      readType,
      readKey,
      transitKey,
      freshness: failure ? (kept ? 'stale' : 'failed') : kept ? 'fresh' : 'loading',
      ageMs: kept && Math.round(this.#age(kept).totalMs),
      keyVersion: kept?.snapshot.keyVersion,
      revision: kept?.snapshot.revision,
      trouble: failure && troubleOf(failure.error, this.#parts.clock() - failure.at),
    }
  }

  #age({ at, awakeAt }: Kept<T>): Age {
    const { clock, runtime } = this.#parts
    return { totalMs: clock() - at, awakeMs: runtime.now() - awakeAt }
  }

  #freshness(): Freshness {
    return this.#kept ? freshnessOf(this.#age(this.#kept), this.#parts.settings) : 'expired'
  }

  /** Who joined a flight that ran out of its own time still has the time that is left to them. */
  async #readNow(allowance: Allowance): Promise<T> {
    let failure: SecretManagerError | undefined
    for (;;) {
      const joined = this.#flight?.isGivenUp === false
      const flight = this.#fly()
      try {
        return (await (joined ? flight.join(allowance, failure) : flight.wait(allowance))).value
      } catch (error) {
        if (!joined || !isSecretManagerError(error) || !error.retryable) throw error
        if (!flight.ranOut() || !allowance.hasTime()) throw error
        failure = error
      }
    }
  }

  /** Waits for the refresh, but gives what it has where that fails or takes long. */
  async #readSoon(allowance: Allowance): Promise<T> {
    const flight = this.#fly()
    flight.goOnAlone()
    await flight.settledWithin(this.#parts.patienceMs, allowance, this.#parts.runtime)
    // A refusal may have dropped it: then its error is the answer.
    return this.#kept ? this.#kept.snapshot.value : (await flight.wait(allowance)).value
  }

  /** Joins the flight, or starts one. */
  #fly(): Flight<Snapshot<T>> {
    if (this.#flight && !this.#flight.isGivenUp) return this.#flight
    const allowance = this.#parts.budget.begin()
    const isCurrent = (): boolean => this.#flight === flight
    const flight: Flight<Snapshot<T>> = new Flight(allowance, this.#load(allowance, isCurrent))
    this.#flight = flight
    void flight.settled.then(() => {
      if (isCurrent()) this.#flight = undefined
    })
    return flight
  }

  async #load(allowance: Allowance, isCurrent: () => boolean): Promise<Snapshot<T>> {
    const { clock, runtime, load } = this.#parts
    const startedAt = runtime.now()
    try {
      await this.#turn(allowance)
      const known = this.#freshness() === 'expired' ? undefined : this.#kept?.snapshot
      const times = { at: clock(), awakeAt: runtime.now() }
      const snapshot = await load(allowance, this.definition, known)
      if (isCurrent()) this.#loaded({ snapshot, ...times }, runtime.now() - startedAt)
      return snapshot
    } catch (caught) {
      const error = isSecretManagerError(caught) ? caught : unforeseen()
      if (isCurrent()) this.#failed(error, runtime.now() - startedAt)
      throw error
    }
  }

  /** Readers that come again and again after a failure wait: nothing mends many times in a second. */
  async #turn(allowance: Allowance): Promise<void> {
    if (!this.#failure || this.#failures < FREE_FAILURES) return
    const waitMs = this.#failure.at + LEAST_WAIT_MS - this.#parts.clock()
    if (waitMs > 0) await this.#parts.runtime.sleep(waitMs, allowance.signal)
    if (allowance.signal.aborted) throw aborted()
  }

  #loaded(kept: Kept<T>, durationMs: number): void {
    const known = this.#kept
    const wasStale = known !== undefined && this.#failure !== undefined
    const isChanged = known?.snapshot !== kept.snapshot
    this.#kept = kept
    if (known && isChanged) this.#parts.wipe(known.snapshot.value)
    this.#failure = undefined
    this.#failures = 0
    this.#notBefore = 0
    const outcome = isChanged ? 'changed' : 'unchanged'
    publishRefresh(this.definition, { outcome, durationMs, error: undefined })
    if (wasStale) publishFreshness('fresh', this.definition, this.#age(kept).totalMs)
  }

  #failed(error: SecretManagerError, durationMs: number): void {
    if (error.code === 'SM_ABORTED') return
    const { clock, runtime, settings } = this.#parts
    const wasStale = this.#failure !== undefined
    this.#failures += 1
    this.#failure = { error, at: clock() }
    const waitMs = Math.max(LEAST_WAIT_MS, backoffMs(this.#failures, Infinity, runtime.random()))
    this.#notBefore = clock() + (isDenial(error) ? DENIED_WAIT_MS : waitMs)
    publishRefresh(this.definition, { outcome: 'failed', durationMs, error })
    const isKept = this.#kept && this.#freshness() !== 'expired'
    if (!isKept || (isDenial(error) && settings.onDenied === 'drop')) this.#dropped(error)
    else if (!wasStale) this.#tell('stale', error)
  }

  #dropped(error: SecretManagerError): void {
    if (!this.#kept) return
    this.#tell('dropped', error)
    this.drop()
  }

  #tell(name: 'stale' | 'dropped', error: SecretManagerError): void {
    const ageMs = this.#kept ? this.#age(this.#kept).totalMs : 0
    publishFreshness(name, this.definition, ageMs, error)
  }
}

/** A bug of ours: its own words may quote what was read, and unnoticed it would be repeated without a pause. */
function unforeseen(): SecretManagerError {
  return new SecretManagerError('SM_INTERNAL', 'the read failed in a way that nobody foresaw')
}

/** Somebody refused, or what was asked for is gone; and not merely for now. */
function isDenial({ exitCode, retryable }: SecretManagerError): boolean {
  return !retryable && (exitCode === 3 || exitCode === 4)
}
