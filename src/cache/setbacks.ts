import type { SecretManagerError } from '../errors.ts'
import { backoffMs } from '../lib/backoff.ts'

/** Between attempts that are refused, and between any after some that failed; in milliseconds. */
const DENIED_WAIT_MS = 60_000
const LEAST_WAIT_MS = 1000
const FREE_FAILURES = 3

/** How the last reads of a definition failed, and when to try again. Times are of the cache's clock. */
export class Setbacks {
  #last: { readonly error: SecretManagerError; readonly at: number } | undefined
  #count = 0
  #notBefore = 0

  /** Why it could not be read last; none where it could. */
  get last(): { readonly error: SecretManagerError; readonly at: number } | undefined {
    return this.#last
  }

  /** @param random - a number in [0, 1) */
  add(error: SecretManagerError, now: number, random: number): void {
    this.#count += 1
    this.#last = { error, at: now }
    const waitMs = Math.max(LEAST_WAIT_MS, backoffMs(this.#count, Infinity, random))
    this.#notBefore = now + (isDenial(error) ? DENIED_WAIT_MS : waitMs)
  }

  clear(): void {
    this.#last = undefined
    this.#count = 0
    this.#notBefore = 0
  }

  /** Whether a refresh that nobody needs at once may begin. */
  mayRefresh(now: number): boolean {
    return now >= this.#notBefore
  }

  /** Whether the servers are believed to be still away, so that waiting for them is idle. */
  isOutage(now: number, refreshAfterMs: number): boolean {
    if (!this.#last) return false
    return now < Math.max(this.#notBefore, this.#last.at + refreshAfterMs)
  }

  /** Readers that come again and again after a failure wait: nothing mends many times in a second. */
  turnMs(now: number): number {
    if (!this.#last || this.#count < FREE_FAILURES) return 0
    return Math.max(0, this.#last.at + LEAST_WAIT_MS - now)
  }
}

/** Somebody refused, or what was asked for is gone; and not merely for now. */
export function isDenial({ exitCode, retryable }: SecretManagerError): boolean {
  return !retryable && (exitCode === 3 || exitCode === 4)
}
