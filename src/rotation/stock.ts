/** What one look at a site came to: how many documents of the key there are, and under which versions. */
import type { Outcome } from './outcome.ts'
import type { Entry } from './rewrap.ts'
import { covers, extentText, WHOLE, type Extent } from './extent.ts'
import type { Site } from './site.ts'

/** The result of a look, as the journal keeps it. */
export interface Stock {
  /** As the journal keeps it: another for each part of a site. */
  readonly site: string
  /** Name of the site, and how much of it was looked at. */
  readonly where: string
  readonly extent: Extent
  /** RFC 3339. */
  readonly at: string
  /** Whether all of the site was looked at, and everything that is named was found and could be read. */
  readonly isComplete: boolean
  /** Documents of the key. */
  readonly documents: number
  /** The lowest version that a document is under, or comes back under from its source; `null` where there is none. */
  readonly oldest: number | null
  /** The highest version that a document is under. */
  readonly newest: number | null
}

/** Counts the entries of one site. */
export class StockTaking {
  readonly #site: Pick<Site, 'name' | 'extent'>
  readonly #at: number
  readonly #counts = new Map<Outcome['state'], number>()
  #unread = 0
  #oldest = Infinity
  #newest = -Infinity

  /** @param nowUnixMs - when the look begins */
  constructor(site: Pick<Site, 'name' | 'extent'>, nowUnixMs: number) {
    this.#site = site
    this.#at = nowUnixMs
  }

  add({ outcome, document }: Entry): void {
    this.#counts.set(outcome.state, this.count(outcome.state) + 1)
    const { state } = outcome
    if (document === undefined || NOT_OURS.has(state)) return
    this.#newest = Math.max(this.#newest, document.keyVersion)
    // What somebody else wrote meanwhile is current.
    if (state === 'overtaken') return
    const { keyVersion, appliedVersion = Infinity } = document
    const now = outcome.state === 'rewrapped' ? outcome.to : keyVersion
    this.#oldest = Math.min(this.#oldest, now, appliedVersion)
  }

  /** A part of the site could not be looked at. */
  addUnread(): void {
    this.#unread += 1
  }

  count(state: Outcome['state']): number {
    return this.#counts.get(state) ?? 0
  }

  /** Parts that could not be looked at. */
  get unread(): number {
    return this.#unread
  }

  result(): Stock {
    const states = ['current', 'rewrapped', 'behind', 'failed'] as const
    const { name, extent } = this.#site
    const isWhole = covers(extent, WHOLE)
    return {
      site: isWhole ? name : `${name}, ${extentText(extent)}`,
      where: name,
      extent,
      at: new Date(this.#at).toISOString(),
      isComplete: this.#unread === 0 && this.count('failed') === 0,
      documents: states.reduce((sum, state) => sum + this.count(state), 0),
      oldest: finite(this.#oldest),
      newest: finite(this.#newest),
    }
  }
}

/** Of another key, or of one that nobody knows: its version is no version of this key, or it opens no more. */
const NOT_OURS: ReadonlySet<Outcome['state']> = new Set(['foreign', 'unknown'])

/** `null` where there was none. */
function finite(version: number): number | null {
  return Number.isFinite(version) ? version : null
}
