/** I21: why nothing may be retired, by what was looked at and what the journal knows. Pure. */
import { unseen, type Journal } from './journal-text.ts'
import type { Stock } from './stock.ts'

/** What a look is held against. */
export interface Known {
  /** Oldest version that is to stay. */
  readonly to: number
  readonly latest: number
  readonly nowUnixMs: number
  readonly journal: Journal | undefined
}

/** An inventory that is older is none. */
const FRESH_MS = 24 * 3600 * 1000
/** How much the clocks of two hosts may differ. */
const SKEW_MS = 600 * 1000

/** Says why nothing may be retired. What was looked at elsewhere counts as long as it is fresh. */
export function reasonsAgainst(
  stocks: readonly Stock[],
  { to, latest, nowUnixMs, journal }: Known,
): readonly string[] {
  const elsewhere = unseen(journal?.sites ?? {}, stocks)
  const isUnfinished = journal !== undefined && journal.phase !== 'done'
  return [
    ...(isUnfinished ? ['a rotation is not finished: secretmanager rotate'] : []),
    ...elsewhere.flatMap((stock) => agedReason(stock, nowUnixMs)),
    ...[...stocks, ...elsewhere].flatMap((stock) => reasonsOf(stock, to, latest)),
  ]
}

function agedReason({ site, at }: Stock, nowUnixMs: number): readonly string[] {
  const age = nowUnixMs - Date.parse(at)
  const mend = 'name it in --inventory, or --forget it'
  // A time that is none, or that clocks cannot differ by.
  if (!(age > -SKEW_MS)) return [`it is not known when ${site} was looked at: ${mend}`]
  if (age <= FRESH_MS) return []
  const hours = Math.floor(age / 3_600_000)
  return [`${site} was not looked at for ${hours} hours: ${mend}`]
}

function reasonsOf(
  { site, isComplete, oldest, newest }: Stock,
  to: number,
  latest: number,
): readonly string[] {
  return [
    ...(isComplete ? [] : [`${site} was not looked at completely`]),
    ...(oldest !== null && oldest < to
      ? [`${site} has documents under version ${oldest}, before ${to}: secretmanager rewrap`]
      : []),
    ...(newest !== null && newest > latest
      ? [`${site} has documents under version ${newest}, after the latest: was Vault restored?`]
      : []),
  ]
}
