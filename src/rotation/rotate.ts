/**
 * Rotates a key and brings its documents to the new version. The journal is written before each step, so
 * that a run which begins after a crash goes on where the last one ended, with at most one version more.
 */
import { aborted } from '../lib/abort.ts'
import { askOnce, isRefusal, type AskParts } from './ask-once.ts'
import { beginningOf, type KeyVersions } from './beginning.ts'
import { emptyJournal, withStocks, type Journal } from './journal-text.ts'
import { otherRun, type JournalState, type JournalStore } from './journal.ts'
import { stocksOf, tour, type Listeners } from './look.ts'
import type { Mode } from './outcome.ts'
import type { Recrypt } from './recrypt.ts'
import type { Site } from './site.ts'
import type { Stock } from './stock.ts'

/** What a rotation works with. */
export interface RotationParts extends AskParts {
  readonly journal: JournalStore
  /** Everywhere that documents of the key lie. */
  readonly sites: readonly Site[]
  /** Asks for the versions of the key. */
  readonly facts: (signal: AbortSignal) => Promise<KeyVersions>
  /** Brings ciphertexts to at least this version. */
  readonly recryptTo: (latest: number) => Recrypt
  /** How long another run is waited for that may be about to rotate: longer than `askMs`. */
  readonly patienceMs: number
  /** Checks every right that is needed, before anything is changed. @throws with what is missing */
  readonly preflight: (signal: AbortSignal) => Promise<void>
}

/** How a rotation goes, told as it goes. */
export interface RotationOptions extends Listeners {
  readonly signal: AbortSignal
  /** A key that was rotated less than so many milliseconds ago, by whomever, is not rotated again. */
  readonly minAgeMs: number
  /** Whether each document is proven to open after the rewrap. */
  readonly verify: boolean
  readonly onStep: (step: RotationStep) => void
}

/** A step that begins, or what one came to. */
export type RotationStep =
  | { readonly step: 'preflight' | 'rotate' }
  /** An earlier run did not come to its end. */
  | { readonly step: 'resume'; readonly journal: Journal; readonly isRotated: boolean }
  /** Somebody else may be about to rotate. */
  | { readonly step: 'wait'; readonly ms: number }
  | { readonly step: 'young'; readonly ageMs: number }
  | { readonly step: 'rotated'; readonly from: number; readonly to: number }
  | { readonly step: 'rewrap' | 'verify'; readonly site: string }

/** What a rotation came to. */
export interface Rotation {
  /** Latest version before; that of `to` where nothing was rotated. */
  readonly from: number
  readonly to: number
  readonly stocks: readonly Stock[]
  /** Whether all documents that could be written are at `to`. */
  readonly isDone: boolean
}

/**
 * Rotates, rewraps and verifies. It ends there: no version is retired.
 *
 * @throws {@link SecretManagerError} before anything is changed where a right is missing; SM_K8S_CONFLICT where another run
 * rotates; SM_ROLLBACK_REFUSED where the key has lost a version that the journal has; SM_VAULT_*, SM_K8S_*. Run again, it goes on.
 */
export async function rotate(parts: RotationParts, options: RotationOptions): Promise<Rotation> {
  const { signal, onStep, verify } = options
  onStep({ step: 'preflight' })
  await parts.preflight(signal)
  const run = new RotationRun(parts, options)
  const { from, to } = await run.version()
  const written = await run.rewrap(to)
  const stocks = verify ? await run.verify(to) : written
  // What could not be written is no more than behind when it is looked at again.
  const isDone = [...written, ...stocks].every(({ isComplete }) => isComplete)
  await run.end(stocks, isDone)
  return { from, to, stocks, isDone }
}

type Versions = Pick<Rotation, 'from' | 'to'>

class RotationRun {
  readonly #parts: RotationParts
  readonly #options: RotationOptions
  readonly #run: string
  #state: JournalState = { journal: undefined, resourceVersion: undefined }

  constructor(parts: RotationParts, options: RotationOptions) {
    this.#parts = parts
    this.#options = options
    this.#run = parts.runtime.randomId()
  }

  /** Sees to it that there is a new version, whatever became of an earlier run. */
  async version(): Promise<Versions> {
    const { journal: store, facts, runtime } = this.#parts
    const { signal, onStep, minAgeMs } = this.#options
    this.#state = await store.read(signal)
    const key = await facts(signal)
    const { latestVersion: now } = key
    const nowUnixMs = runtime.wallClock()
    const { journal: last } = this.#state
    const { where } = store
    const beginning = beginningOf({ journal: last, where, key, minAgeMs, nowUnixMs })
    switch (beginning.begin) {
      case 'rotate': {
        const begunAt = new Date(nowUnixMs).toISOString()
        return this.#ask(now, { from: now, begunAt, doneAt: undefined })
      }
      case 'young':
        onStep({ step: 'young', ageMs: beginning.ageMs })
        return { from: now, to: now }
      case 'resume': {
        const { journal, isRotated } = beginning
        onStep({ step: 'resume', journal, isRotated })
        return isRotated ? this.#rotated(journal.from, now) : this.#resume(journal)
      }
    }
  }

  /**
   * The journal says that a version was to be added, and there is none: the run that wrote it was ended
   * before, or is about to ask. Its request cannot take longer than its limit.
   */
  async #resume(journal: Journal): Promise<Versions> {
    const { journal: store, facts, patienceMs, runtime } = this.#parts
    const { signal, onStep } = this.#options
    onStep({ step: 'wait', ms: patienceMs })
    await runtime.sleep(patienceMs, signal)
    if (signal.aborted) throw aborted()
    const later = await store.read(signal)
    const isSame = later.resourceVersion === this.#state.resourceVersion
    const { latestVersion: version } = await facts(signal)
    this.#state = later
    if (version > journal.from) return this.#rotated(journal.from, version)
    if (!isSame) throw otherRun(store.where)
    return this.#ask(version, { from: version })
  }

  /** V15: where no answer came, the key itself says whether it was rotated. It is never asked twice. */
  async #ask(from: number, changes: Partial<Journal>): Promise<Versions> {
    const { facts, runtime } = this.#parts
    const { signal, onStep } = this.#options
    const before = this.#state.journal
    const notedAt = runtime.now()
    await this.#write({ ...changes, phase: 'rotating' })
    onStep({ step: 'rotate' })
    const answer = await askOnce(this.#parts, { notedAt, from, signal })
    if (typeof answer === 'number') return this.#rotated(from, answer)
    if (signal.aborted) throw answer
    const { latestVersion: now } = await facts(signal)
    if (now > from) return this.#rotated(from, now)
    // Nothing is under way any more.
    if (isRefusal(answer)) await this.#takeBack(before)
    throw answer
  }

  /** What was refused was no rotation: the last one is still the last. */
  async #takeBack(before: Journal | undefined): Promise<void> {
    const { from = 0, begunAt = '', doneAt } = before ?? {}
    const isResumed = before !== undefined && before.phase !== 'done'
    await this.#write({ phase: 'done', ...(!isResumed && { from, begunAt, doneAt }) })
  }

  async #rotated(from: number, to: number): Promise<Versions> {
    // Another run may have come to its end while this one waited for it.
    if (this.#state.journal?.phase !== 'done') await this.#write({ phase: 'rewrapping' })
    this.#options.onStep({ step: 'rotated', from, to })
    return { from, to }
  }

  rewrap(to: number): Promise<readonly Stock[]> {
    return this.#tour(to, 'rewrap')
  }

  /** Looks at everything anew, and has Transit prove that each document opens, without its plaintext. */
  verify(to: number): Promise<readonly Stock[]> {
    return this.#tour(to, 'prove')
  }

  async end(stocks: readonly Stock[], isDone: boolean): Promise<void> {
    const sites = withStocks(this.#state.journal?.sites ?? {}, stocks)
    const doneAt = new Date(this.#parts.runtime.wallClock()).toISOString()
    // One that had come to its end, and was not begun anew, ended when it did.
    const isEnd = isDone && this.#state.journal?.phase !== 'done'
    await this.#write(isEnd ? { phase: 'done', doneAt, sites } : { sites })
  }

  async #tour(latest: number, mode: Mode): Promise<readonly Stock[]> {
    const { sites, runtime, recryptTo } = this.#parts
    const taken: Stock[] = []
    for (const site of sites) {
      this.#options.onStep({ step: mode === 'prove' ? 'verify' : 'rewrap', site: site.name })
      const parts = { ...this.#options, runtime, mode, latest, recrypt: recryptTo(latest) }
      taken.push(...stocksOf(await tour([site], parts)))
    }
    return taken
  }

  /** The rest stays as it was read; where nothing was, these are all. */
  async #write(changes: Partial<Journal>): Promise<void> {
    const { journal: store } = this.#parts
    const { journal } = this.#state
    const before = journal ?? emptyJournal(store.key, 0)
    const now: Journal = { ...before, ...changes, run: this.#run }
    this.#state = await store.write(now, this.#state, this.#options.signal)
  }
}
