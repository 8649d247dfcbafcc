/**
 * Raises the minima of a key, so that what is under its old versions does not open any more. Only when
 * everything was looked at, from every place that is registered, and nothing is under them.
 */
import { aborted } from '../lib/abort.ts'
import type { Runtime } from '../runtime.ts'
import type { KeyFacts, KeyMinima } from '../vault/keyring.ts'
import {
  emptyJournal,
  withoutSites,
  withStocks,
  type Journal,
  type Retirement,
} from './journal-text.ts'
import type { JournalState, JournalStore } from './journal.ts'
import { stocksOf, tour, type Listeners } from './look.ts'
import { reasonsAgainst } from './reasons.ts'
import type { Recrypt } from './recrypt.ts'
import type { Site } from './site.ts'
import type { Stock } from './stock.ts'

/** What a retirement works with. */
export interface RetirementParts {
  readonly runtime: Runtime
  readonly journal: JournalStore
  /** Everywhere that documents of the key lie, as far as it can be looked at from here. */
  readonly sites: readonly Site[]
  readonly facts: (signal: AbortSignal) => Promise<KeyFacts>
  readonly configure: (minima: KeyMinima, signal: AbortSignal) => Promise<void>
  readonly recryptTo: (latest: number) => Recrypt
}

/** How a retirement goes. */
export interface RetirementOptions extends Listeners {
  readonly signal: AbortSignal
  /** Versions before the latest that stay. */
  readonly keep: number
  /** How long whoever applies old sources over and over is waited for, in milliseconds. */
  readonly settleMs: number
  readonly dryRun: boolean
  /** Places of the journal that are gone: they stand in the way of nothing. */
  readonly forget?: readonly string[]
  readonly onStep: (step: RetirementStep) => void
}

/** A step that begins, or what one came to. */
export type RetirementStep =
  | { readonly step: 'look'; readonly nth: 1 | 2 | 3 }
  | { readonly step: 'settle'; readonly ms: number }
  | { readonly step: 'raise' | 'lower'; readonly to: number }
  /** An earlier run was ended before it had looked at everything once more. */
  | { readonly step: 'resume'; readonly retirement: Retirement }

/** What came of it. */
export interface RetirementResult {
  readonly latest: number
  /** `min_decryption_version` before, and now. */
  readonly from: number
  readonly to: number
  readonly stocks: readonly Stock[]
  /** Why nothing was retired; empty where it was, or would be. */
  readonly reasons: readonly string[]
}

/**
 * Retires the old versions of a key.
 *
 * @throws {@link SecretManagerError} SM_VAULT_*, SM_K8S_*. Run again, it goes on.
 */
export async function retire(
  parts: RetirementParts,
  options: RetirementOptions,
): Promise<RetirementResult> {
  const { signal } = options
  const state = await finishEarlier(parts, options, await parts.journal.read(signal))
  return new RetirementRun(parts, options, state, await parts.facts(signal)).perform()
}

/**
 * The minimum that a run begins with: what an earlier one raised, and had not looked at once more when it was ended, is
 * lowered first.
 */
export function beginsWith(
  { minDecryptionVersion: now, minAvailableVersion }: KeyFacts,
  journal: Journal | undefined,
): number {
  const { phase, from = now } = journal?.retirement ?? {}
  // What was destroyed meanwhile cannot open again, and what unretire opened stays so.
  return phase === 'raising' ? Math.min(Math.max(from, minAvailableVersion), now) : now
}

/** What was raised and not looked at is lowered, and all of it done anew. */
async function finishEarlier(
  { journal: store, configure, facts, runtime }: RetirementParts,
  { signal, dryRun, onStep }: RetirementOptions,
  state: JournalState,
): Promise<JournalState> {
  const { journal } = state
  const retirement = journal?.retirement
  if (journal === undefined || retirement?.phase !== 'raising') return state
  onStep({ step: 'resume', retirement })
  if (dryRun) return state
  const key = await facts(signal)
  const to = beginsWith(key, journal)
  if (to < key.minDecryptionVersion) await configure({ minDecryptionVersion: to }, signal)
  const lowered = { ...retirement, phase: 'done', to } as const
  const run = runtime.randomId()
  return store.write({ ...journal, retirement: lowered, run }, state, signal)
}

class RetirementRun {
  readonly #parts: RetirementParts
  readonly #options: RetirementOptions
  readonly #facts: KeyFacts
  /** Oldest version that is to stay. */
  readonly #to: number
  readonly #run: string
  #state: JournalState

  constructor(
    parts: RetirementParts,
    options: RetirementOptions,
    state: JournalState,
    facts: KeyFacts,
  ) {
    this.#parts = parts
    this.#options = options
    this.#state = state
    this.#facts = facts
    this.#run = parts.runtime.randomId()
    const { latestVersion, minDecryptionVersion } = facts
    this.#to = Math.max(latestVersion - options.keep, minDecryptionVersion, 1)
  }

  async perform(): Promise<RetirementResult> {
    const { signal, dryRun, onStep, settleMs } = this.#options
    const first = await this.#look(1)
    if (first.reasons.length > 0 || dryRun || this.#isDone()) return first
    // Nothing more comes into being under an old version, whoever asks for it by number.
    const { latestVersion } = this.#facts
    await this.#parts.configure({ minEncryptionVersion: latestVersion }, signal)
    // That alone closes no version, and is no retirement for the journal.
    if (this.#isClosed()) return first
    onStep({ step: 'settle', ms: settleMs })
    await this.#parts.runtime.sleep(settleMs, signal)
    if (signal.aborted) throw aborted()
    const second = await this.#look(2)
    if (second.reasons.length > 0) return second
    const retirement = await this.#raise()
    return this.#proven(retirement)
  }

  #isDone(): boolean {
    const { minEncryptionVersion, latestVersion } = this.#facts
    return this.#isClosed() && minEncryptionVersion >= latestVersion
  }

  #isClosed(): boolean {
    return this.#facts.minDecryptionVersion >= this.#to
  }

  async #raise(): Promise<Retirement> {
    const { configure, runtime } = this.#parts
    const { onStep, signal } = this.#options
    const at = new Date(runtime.wallClock()).toISOString()
    const from = Math.max(this.#facts.minDecryptionVersion, 1)
    const retirement: Retirement = { phase: 'raising', from, to: this.#to, at }
    await this.#note(retirement, [])
    onStep({ step: 'raise', to: this.#to })
    await configure({ minDecryptionVersion: this.#to }, signal)
    return retirement
  }

  /** Who came with an old document in the last moment gets it back. */
  async #proven(retirement: Retirement): Promise<RetirementResult> {
    const { onStep, signal } = this.#options
    const last = await this.#look(3)
    const isProven = last.reasons.length === 0
    const to = isProven ? this.#to : retirement.from
    if (!isProven) {
      onStep({ step: 'lower', to })
      await this.#parts.configure({ minDecryptionVersion: to }, signal)
    }
    await this.#note({ ...retirement, phase: 'done', to }, last.stocks)
    return { ...last, to }
  }

  async #look(nth: 1 | 2 | 3): Promise<RetirementResult> {
    const { runtime, sites, recryptTo } = this.#parts
    const { latestVersion: latest, minDecryptionVersion: from } = this.#facts
    this.#options.onStep({ step: 'look', nth })
    const recrypt = recryptTo(latest)
    const taken = await tour(sites, { ...this.#options, runtime, mode: 'try', latest, recrypt })
    const stocks = stocksOf(taken)
    const { journal } = this.#state
    const reasons = reasonsAgainst(stocks, {
      journal: journal && withoutSites(journal, this.#options.forget ?? []),
      to: this.#to,
      latest,
      nowUnixMs: runtime.wallClock(),
    })
    return { latest, from, to: from, stocks, reasons }
  }

  async #note(retirement: Retirement, stocks: readonly Stock[]): Promise<void> {
    const { journal: store } = this.#parts
    const journal = this.#state.journal ?? emptyJournal(store.key, this.#facts.latestVersion)
    const sites = withStocks(journal.sites, stocks)
    const { signal } = this.#options
    const now: Journal = { ...journal, retirement, sites, run: this.#run }
    this.#state = await store.write(now, this.#state, signal)
  }
}
