/** "Did you mean": the nearest of a few known words. */

/** More than a name ever has; the comparison is quadratic. */
const LONGEST = 64

/**
 * Finds the candidate that `word` was probably meant to be. Case, `-` and `_` do not count; of what
 * is left about a third may differ.
 *
 * @returns `undefined` when none is near
 */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > LONGEST) return undefined
  const wanted = bare(word)
  const near = candidates
    .map((candidate) => ({ candidate, away: distance(wanted, bare(candidate)) }))
    .filter(
      ({ candidate, away }) => away <= Math.floor(Math.min(candidate.length, word.length) / 3),
    )
  return near.reduce<Near | undefined>(
    (best, one) => (best && best.away <= one.away ? best : one),
    undefined,
  )?.candidate
}

interface Near {
  readonly candidate: string
  readonly away: number
}

const bare = (word: string): string => word.toLowerCase().replaceAll(/[-_]/g, '')

/** Levenshtein's distance, two neighbours swapped counting once. */
function distance(a: string, b: string): number {
  const rows: number[][] = []
  for (let row = 0; row <= a.length; row++) {
    const cells: number[] = []
    rows.push(cells)
    for (let at = 0; at <= b.length; at++) cells.push(cost(a, b, rows, row, at))
  }
  return cellOf(rows, a.length, b.length)
}

/** Edits from the first `row` characters of `a` to the first `at` of `b`. */
function cost(a: string, b: string, rows: readonly number[][], row: number, at: number): number {
  if (row === 0 || at === 0) return row + at
  const differs = a[row - 1] === b[at - 1] ? 0 : 1
  const isSwap = a[row - 1] === b[at - 2] && a[row - 2] === b[at - 1]
  return Math.min(
    cellOf(rows, row - 1, at) + 1,
    cellOf(rows, row, at - 1) + 1,
    cellOf(rows, row - 1, at - 1) + differs,
    isSwap ? cellOf(rows, row - 2, at - 2) + 1 : Infinity,
  )
}

const cellOf = (rows: readonly number[][], row: number, at: number): number =>
  rows[row]?.[at] ?? Infinity
