/** What one look at a site came to: how many documents of the key there are, and under which versions. */
import type { Outcome } from './outcome.ts'
import type { Entry } from './rewrap.ts'
import { covers, scopeText, WHOLE, type Scope } from './scope.ts'
import type { Site } from './site.ts'

/** The result of a look, as the journal keeps it. */
export interface Stock {
  /** As the journal keeps it: another for each part of a site. */
  readonly site: string
  /** Name of the site, and how much of it was looked at. */
  readonly where: string
  readonly scope: Scope
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
  readonly #site: Pick<Site, 'name' | 'scope'>
  readonly #at: number
  readonly #counts = new Map<Outcome['state'], number>()
  #unread = 0
  #oldest = Infinity
  #newest = -Infinity

  /** @param nowUnixMs - when the look begins */
  constructor(site: Pick<Site, 'name' | 'scope'>, nowUnixMs: number) {
    this.#site = site
    this.#at = nowUnixMs
  }

  add({ outcome, document }: Entry): void {
    this.#counts.set(outcome.state, this.count(outcome.state) + 1)
    if (document === undefined || outcome.state === 'foreign') return
    this.#newest = Math.max(this.#newest, document.keyVersion)
    const { keyVersion, appliedVersion = Infinity } = document
    const now = outcome.state === 'rewrapped' ? outcome.to : keyVersion
    if (!IS_ELSEWHERE.has(outcome.state)) this.#oldest = Math.min(this.#oldest, now, appliedVersion)
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
    const { name, scope } = this.#site
    const isWhole = covers(scope, WHOLE)
    return {
      site: isWhole ? name : `${name}, ${scopeText(scope)}`,
      where: name,
      scope,
      at: new Date(this.#at).toISOString(),
      isComplete: this.#unread === 0 && this.count('failed') === 0,
      documents: states.reduce((sum, state) => sum + this.count(state), 0),
      oldest: finite(this.#oldest),
      newest: finite(this.#newest),
    }
  }
}

/** What somebody else wrote meanwhile is current; what nobody knows the key of is current, or opens no more. */
const IS_ELSEWHERE: ReadonlySet<Outcome['state']> = new Set(['overtaken', 'unknown'])

/** `null` where there was none. */
function finite(version: number): number | null {
  return Number.isFinite(version) ? version : null
}
