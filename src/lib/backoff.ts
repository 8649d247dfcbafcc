/** Longest wait between two attempts, in milliseconds. */
const CAP_MS = 10_000
/** So long it may be after however short a time. */
const LEAST_CAP_MS = 2500
const BASE_MS = 250

/**
 * Wait before the next attempt: full jitter over an exponentially growing window, so that a fleet
 * that failed together does not come back together. The window is never longer than half of the time
 * that it has failed for: a server that is back after seconds is asked within seconds.
 *
 * @param failures - attempts that failed so far, from 1
 * @param elapsedMs - since the first of them began
 * @param random - a number in [0, 1)
 * @returns milliseconds in [0, 10 000)
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function backoffMs(failures: number, elapsedMs: number, random: number): number {
  const capMs = Math.min(CAP_MS, Math.max(LEAST_CAP_MS, elapsedMs / 2))
  return Math.min(capMs, BASE_MS * 2 ** Math.min(failures, 30)) * random
}

/**
 * Reads a `Retry-After` header: seconds, or an HTTP date.
 *
 * @returns milliseconds from `wallClockMs`, never negative; `undefined` for anything else
 * @see RFC 9110 §10.2.3
 */
export function retryAfterMs(header: string | undefined, wallClockMs: number): number | undefined {
  if (header === undefined) return undefined
  if (/^\d+$/.test(header.trim())) return Number(header) * 1000
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, date - wallClockMs)
}
