/**
 * What a process knows of one server, and when it may ask it again.
 *
 * While a server serves, calls pass freely. From its first failure until it serves again every attempt
 * takes a token: three at once, then one per second, whatever the process's own load. A `Retry-After`
 * closes the gate for all. Who waits here is let through as soon as anybody is served.
 */
import type { SecretManagerError } from '../errors.ts'

/** Attempts that a failing server takes at once, before it is left one per second. */
const BURST = 3
const REFILL_MS = 1000
/** A server that asks for more patience is asked again after this, in milliseconds. */
export const LONGEST_BLOCK_MS = 30_000

/** A failure that nobody was served after. */
export interface GateTrouble {
  readonly error: SecretManagerError
  /** Monotonic time. */
  readonly at: number
}

/** A token that was taken. */
export type Turn = number

/** A token bucket that may be overdrawn (who overdraws it waits), and what opens and closes it. */
export class Gate {
  #tokens = BURST
  /** When {@link #tokens} was right; later than now while the gate is blocked. */
  #at = 0
  #blockedUntil = 0
  #blockedBy: SecretManagerError | undefined
  /** How often the gate was blocked: turns that were taken before are void. */
  #blocks = 0
  #trouble: GateTrouble | undefined
  #asked = false
  readonly #waiting = new Set<() => void>()

  /** The failure that makes every attempt take a token; none while the server serves. */
  get trouble(): GateTrouble | undefined {
    return this.#trouble
  }

  get asked(): boolean {
    return this.#asked
  }

  /** Why an attempt has to wait, at the time when it has to. */
  get reason(): SecretManagerError | undefined {
    return this.#trouble?.error ?? this.#blockedBy
  }

  /** The server served somebody: all who wait for that go on. */
  worked(): void {
    this.#asked = true
    this.#trouble = undefined
    for (const wake of this.#waiting) wake()
  }

  /**
   * The server did not serve.
   *
   * @param random - a number in [0, 1); spreads what many processes were asked to wait for
   */
  failed(error: SecretManagerError, now: number, random: number): void {
    this.#asked = true
    this.#trouble = { error, at: now }
    const { retryAfterMs = 0 } = error
    if (retryAfterMs <= 0) return
    const blockMs = Math.min(retryAfterMs * (1 + random / 10), LONGEST_BLOCK_MS)
    if (now + blockMs <= this.#blockedUntil) return
    this.#blockedUntil = now + blockMs
    this.#blockedBy = error
    this.#blocks += 1
    // One attempt when it opens; who waits for a turn before that has lost it.
    this.#tokens = 1
    this.#at = this.#blockedUntil
  }

  /** Whether an attempt takes a token. */
  isNarrow(now: number): boolean {
    return this.#trouble !== undefined || this.blockedMs(now) > 0
  }

  /** Time until the server wants to be asked again, in milliseconds. */
  blockedMs(now: number): number {
    return Math.max(0, this.#blockedUntil - now)
  }

  /** Time until a token is free, in milliseconds. */
  waitMs(now: number): number {
    this.#refill(now)
    const shortMs = this.#tokens >= 1 ? 0 : (1 - this.#tokens) * REFILL_MS
    return Math.max(0, this.#at - now) + shortMs
  }

  /** Takes a token before the wait for it, so that concurrent calls queue behind each other. */
  take(now: number): Turn {
    this.#refill(now)
    this.#tokens -= 1
    return this.#blocks
  }

  /** Whether what was taken still counts after the wait. */
  holds(turn: Turn | undefined): boolean {
    return turn === this.#blocks
  }

  /** Gives back a token that was taken and not used: who gave up must not keep others waiting. */
  giveBack(turn: Turn | undefined, now: number): void {
    if (!this.holds(turn)) return
    this.#refill(now)
    this.#tokens = Math.min(BURST, this.#tokens + 1)
  }

  /** Calls `wake` when the server serves, until the function that it gives is called. */
  onWorked(wake: () => void): () => void {
    this.#waiting.add(wake)
    return () => void this.#waiting.delete(wake)
  }

  #refill(now: number): void {
    if (now <= this.#at) return
    this.#tokens = Math.min(BURST, this.#tokens + (now - this.#at) / REFILL_MS)
    this.#at = now
  }
}
