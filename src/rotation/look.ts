/** One site looked at, or rewrapped: every document told, and all of them counted. */
import type { SecretManagerError } from '../errors.ts'
import type { Runtime } from '../runtime.ts'
import type { Mode } from './outcome.ts'
import type { Recrypt } from './recrypt.ts'
import { rewrapSite, type Entry } from './rewrap.ts'
import type { Site } from './site.ts'
import { StockTaking, type Stock } from './stock.ts'

/** Who is told. */
export interface Listeners {
  readonly onEntry: (entry: Entry) => void
  /** A page is begun: how many objects it has, and how many there are behind it as far as that is known. */
  readonly onPage: (objects: number, remaining: number | undefined) => void
  /** A part of a site could not be looked at. */
  readonly onUnread: (site: string, error: SecretManagerError) => void
}

/** How sites are gone through. */
export interface Tour extends Listeners {
  readonly runtime: Runtime
  readonly mode: Mode
  readonly latest: number
  readonly recrypt: Recrypt
  readonly signal: AbortSignal
}

/**
 * Goes through sites one after the other.
 *
 * @throws {@link SecretManagerError} what {@link rewrapSite} rejects with
 */
export async function tour(sites: readonly Site[], options: Tour): Promise<readonly StockTaking[]> {
  const taken: StockTaking[] = []
  for (const site of sites) {
    const taking = new StockTaking(site, options.runtime.wallClock())
    taken.push(taking)
    const parts = {
      ...options,
      onEntry: (entry: Entry) => {
        taking.add(entry)
        options.onEntry(entry)
      },
      onUnread: (error: SecretManagerError) => {
        taking.addUnread()
        options.onUnread(site.name, error)
      },
    }
    await rewrapSite(site, parts, options.signal)
  }
  return taken
}

/** What the journal keeps of it. */
export function stocksOf(taken: readonly StockTaking[]): readonly Stock[] {
  return taken.map((each) => each.result())
}
