/** Durations as people write them: milliseconds, or Go's `time.ParseDuration`. */

/** Milliseconds, or a Go duration such as `"10s"` or `"1h30m"`. */
export type Duration = number | string

/** How to write a duration; the end of a sentence that begins with "must be". */
export const DURATION_FORMS = 'milliseconds, or a Go duration such as "10s", "1m30s" or "250ms"'

const LONGEST_MS = 10 * 365 * 24 * 3_600_000

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['μs', 1e-3],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
])

/**
 * Reads a duration as milliseconds: a number, or a Go duration of no sign or `+`. `"0"` needs no unit.
 *
 * @returns `undefined` for everything else, for what is negative, and beyond ten years
 * @see https://pkg.go.dev/time#ParseDuration
 */
export function parseDuration(value: unknown): number | undefined {
  const ms = typeof value === 'string' ? parseText(value) : value
  return typeof ms === 'number' && ms >= 0 && ms <= LONGEST_MS ? ms : undefined
}

function parseText(text: string): number | undefined {
  const unsigned = text.startsWith('+') ? text.slice(1) : text
  if (unsigned === '0') return 0
  // Sticky, so that nothing between two parts is skipped. The dot is in a group of its own because
  // two runs of digits side by side would make a long number quadratic.
  const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y
  let ms = 0
  while (part.lastIndex < unsigned.length) {
    const [, amount, unit] = part.exec(unsigned) ?? []
    if (amount === undefined || unit === undefined) return undefined
    ms += Number(amount) * (UNIT_MS.get(unit) ?? Number.NaN)
  }
  return unsigned === '' ? undefined : ms
}
