/** What is kept of one definition, and the one flight that reads it. */
import type { Definition } from '../config/definition.ts'
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { aborted } from '../lib/abort.ts'
import { definitionStatus, troubleOf, type DefinitionStatus } from '../status.ts'
import { publishFreshness, publishRefresh } from './events.ts'
import { Flight } from './flight.ts'
import { freshnessOf, type Age, type Freshness } from './freshness.ts'
import type { EntryParts, Snapshot } from './parts.ts'
import { isDenial, Setbacks } from './setbacks.ts'

interface Kept<T> {
  readonly snapshot: Snapshot<T>
  /** When it was known to be current, by either clock. */
  readonly at: number
  readonly awakeAt: number
  /** When it was opened, by the monotonic clock. */
  readonly openedAt: number
}

/** What nobody asked for so long, and what cannot be read, is of no interest any more; in milliseconds. */
const FORGOTTEN_MS = 300_000

/** One definition. */
export class Entry<T> {
  readonly definition: Definition
  readonly #parts: EntryParts<T>
  #kept: Kept<T> | undefined
  #flight: Flight<Snapshot<T>> | undefined
  readonly #setbacks = new Setbacks()
  /** It was said to be stale, or dropped, and not yet to be fresh again. */
  #isLamented = false
  #usedAt = 0

  constructor(definition: Definition, parts: EntryParts<T>) {
    this.definition = definition
    this.#parts = parts
  }

  /** Whether there is nothing to serve, nothing under way, and nobody who waits for it. */
  get isIdle(): boolean {
    if (this.#flight || this.#freshness() !== 'expired') return false
    return !this.#setbacks.last || this.#parts.clock() - this.#usedAt >= FORGOTTEN_MS
  }

  /** When it was asked for last. */
  get usedAt(): number {
    return this.#usedAt
  }

  /** The value, if it is fresh: no call, no wait. */
  hit(): T | undefined {
    this.#usedAt = this.#parts.clock()
    return this.#freshness() === 'fresh' ? this.#kept?.snapshot.value : undefined
  }

  /** Gives the value, from memory where it is still good enough. */
  async read(allowance: Allowance): Promise<T> {
    const { clock, settings } = this.#parts
    const now = clock()
    this.#usedAt = now
    const freshness = this.#freshness()
    const kept = this.#kept
    if (freshness === 'expired' || !kept) return this.#readNow(allowance)
    if (freshness === 'fresh') return kept.snapshot.value
    const isWorthWaiting = !this.#setbacks.isOutage(now, settings.refreshAfterMs)
    if (freshness === 'overdue' && isWorthWaiting) return this.#readSoon(allowance)
    if (this.#setbacks.mayRefresh(now)) this.#fly().goOnAlone()
    return kept.snapshot.value
  }

  /** Gives the value as it is read from now on: a flight under way may have looked before. */
  async readAnew(allowance: Allowance): Promise<T> {
    this.#usedAt = this.#parts.clock()
    const before = this.#flight
    if (!before) return (await this.#fly(true).wait(allowance)).value
    await allowance.join(before.settled, 'the read before', undefined)
    const late = new SecretManagerError('SM_TIMEOUT', 'the read took too long')
    return (await this.#fly(true).join(allowance, late)).value
  }

  /** Wipes and forgets the value; what a flight under way brings is not kept. */
  drop(): void {
    if (this.#kept) this.#parts.wipe(this.#kept.snapshot.value)
    this.#kept = undefined
    this.#flight = undefined
  }

  status(): DefinitionStatus {
    const kept = this.#freshness() === 'expired' ? undefined : this.#kept
    const failure = this.#setbacks.last
    return definitionStatus(this.definition, {
      kept: kept && { ...kept.snapshot, ageMs: this.#age(kept).totalMs },
      trouble: failure && troubleOf(failure.error, this.#parts.clock() - failure.at),
    })
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
      const isOwn = !this.#flight || this.#flight.isGivenUp
      const flight = this.#fly()
      const isFirst = isOwn && failure === undefined
      try {
        return (await (isFirst ? flight.wait(allowance) : flight.join(allowance, failure))).value
      } catch (error) {
        if (isOwn || !isSecretManagerError(error) || !isForTime(error, flight)) throw error
        if (!allowance.hasTime()) throw error
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

  /**
   * Joins the flight, or starts one.
   *
   * @param isAnew - whether what is kept does not count, even where it is still stored
   */
  #fly(isAnew = false): Flight<Snapshot<T>> {
    if (this.#flight && !this.#flight.isGivenUp) return this.#flight
    const allowance = this.#parts.budget.begin()
    const isCurrent = (): boolean => this.#flight === flight
    const flight: Flight<Snapshot<T>> = new Flight(
      allowance,
      this.#load(allowance, isAnew, isCurrent),
    )
    this.#flight = flight
    void flight.settled.then(() => {
      if (isCurrent()) this.#flight = undefined
    })
    return flight
  }

  async #load(
    allowance: Allowance,
    isAnew: boolean,
    isCurrent: () => boolean,
  ): Promise<Snapshot<T>> {
    const { runtime, wipe } = this.#parts
    const startedAt = runtime.now()
    try {
      const kept = await this.#open(allowance, isAnew)
      if (isCurrent()) this.#loaded(kept, runtime.now() - startedAt)
      else if (kept.snapshot !== this.#kept?.snapshot) wipe(kept.snapshot.value)
      return kept.snapshot
    } catch (caught) {
      const error = isSecretManagerError(caught) ? caught : unforeseen(caught)
      if (isCurrent()) this.#failed(error, runtime.now() - startedAt)
      throw error
    }
  }

  async #open(allowance: Allowance, isAnew: boolean): Promise<Kept<T>> {
    const { clock, runtime, load, wipe } = this.#parts
    await this.#turn(allowance)
    const times = { at: clock(), awakeAt: runtime.now() }
    const known = isAnew ? undefined : this.#known()
    const read = await load(allowance, this.definition, known?.snapshot)
    if (read === known?.snapshot) return { ...times, snapshot: read, openedAt: known.openedAt }
    const snapshot = this.#sameAs(read)
    if (snapshot !== read) wipe(read.value)
    return { ...times, snapshot, openedAt: times.awakeAt }
  }

  /** Readers keep the object that they know as long as the document is the same. */
  #sameAs(read: Snapshot<T>): Snapshot<T> {
    const known = this.#kept?.snapshot
    return known?.stored === read.stored ? known : read
  }

  async #turn(allowance: Allowance): Promise<void> {
    const waitMs = this.#setbacks.turnMs(this.#parts.clock())
    if (waitMs > 0) await this.#parts.runtime.sleep(waitMs, allowance.signal)
    if (allowance.signal.aborted) throw aborted()
  }

  /** What need not be opened again. Now and then it must be all the same: else Vault could never refuse it. */
  #known(): Kept<T> | undefined {
    const { settings, runtime } = this.#parts
    const kept = this.#freshness() === 'expired' ? undefined : this.#kept
    if (!kept || settings.onDenied === 'drop') return undefined
    return runtime.now() - kept.openedAt < settings.keepAtMostMs ? kept : undefined
  }

  #loaded(kept: Kept<T>, durationMs: number): void {
    const { settings, wipe, onServed } = this.#parts
    const known = this.#kept
    const isChanged = known?.snapshot !== kept.snapshot
    this.#kept = settings.keepAtMostMs > 0 ? kept : undefined
    const old = this.#kept ? known : kept
    if (old && isChanged) wipe(old.snapshot.value)
    this.#setbacks.clear()
    onServed()
    const outcome = isChanged ? 'changed' : 'unchanged'
    publishRefresh(this.definition, { outcome, durationMs, error: undefined })
    if (this.#isLamented) publishFreshness('fresh', this.definition, this.#age(kept).totalMs)
    this.#isLamented = false
  }

  #failed(error: SecretManagerError, durationMs: number): void {
    if (error.code === 'SM_ABORTED') return
    const { clock, runtime, settings } = this.#parts
    const wasStale = this.#setbacks.last !== undefined
    this.#setbacks.add(error, clock(), runtime.random())
    publishRefresh(this.definition, { outcome: 'failed', durationMs, error })
    if (!this.#kept) return
    const mayServe = this.#freshness() !== 'expired'
    if (!mayServe || (isDenial(error) && settings.onDenied === 'drop')) {
      this.#tell('dropped', error)
      this.drop()
    } else if (!wasStale) this.#tell('stale', error)
  }

  #tell(name: 'stale' | 'dropped', error: SecretManagerError): void {
    this.#isLamented = true
    const ageMs = this.#kept ? this.#age(this.#kept).totalMs : 0
    publishFreshness(name, this.definition, ageMs, error)
  }
}

/** Whether only more time was wanted. */
function isForTime({ retryable }: SecretManagerError, flight: Flight<unknown>): boolean {
  return retryable && flight.ranOut()
}

/** A bug of ours: its own words may quote what was read, and unnoticed it would be repeated without a pause. */
function unforeseen(caught: unknown): SecretManagerError {
  const name = caught instanceof Error ? caught.constructor.name : typeof caught
  return new SecretManagerError('SM_INTERNAL', `the read met an unexpected ${name}`)
}
