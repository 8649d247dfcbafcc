/**
 * What calls may spend: time, retries and rates, from one Budget per SecretManager.
 *
 * Each backend has a token bucket for retries and for logins after a failure: three at once, then one
 * per second. A backend that is down therefore sees no storm of repetitions, whatever the process's own
 * load; the first attempt of a call is the caller's own and not limited here.
 */
import { SecretManagerError } from '../errors.ts'
import { aborted } from '../lib/abort.ts'
import { backoffMs } from '../lib/backoff.ts'
import type { Runtime } from '../runtime.ts'

/** A server with limits of its own. */
export type BackendName = 'vault' | 'kubernetes'

/** Time limits, in milliseconds. */
export interface BudgetSettings {
  /** Limit of calls before the first success. */
  readonly startupWaitMs: number
  /** Limits of one attempt. */
  readonly attempt: { readonly connectTimeoutMs: number; readonly timeoutMs: number }
}

/** Retries a backend takes at once, before it is left one per second. */
const BURST = 3
const REFILL_MS = 1000
/** Limit of a call once any has succeeded. */
const CALL_LIMIT_MS = 15_000
/** Limit of the revocation on close: the token expires by itself. */
const LAST_LIMIT_MS = 1000
/** A shorter attempt would end in a timeout that hides what the attempts before it met. */
const SHORTEST_ATTEMPT_MS = 1000

/** One per SecretManager. */
export class Budget {
  readonly #runtime: Runtime
  readonly #settings: BudgetSettings
  readonly #buckets: Readonly<Record<BackendName, Bucket>>
  readonly #closing: AbortSignal
  /** Calls that have not ended. */
  readonly #open = new Set<AbortController>()
  #started = false

  /** @param closing - ends every call and every wait */
  constructor(runtime: Runtime, settings: BudgetSettings, closing: AbortSignal) {
    this.#runtime = runtime
    this.#settings = settings
    this.#closing = closing
    this.#buckets = { vault: new Bucket(), kubernetes: new Bucket() }
    closing.addEventListener('abort', () => {
      for (const call of this.#open) call.abort()
    })
  }

  /** Opens the allowance of one call, which its {@link Allowance.end} must end. */
  begin(signal?: AbortSignal): Allowance {
    const limitMs = this.#started ? CALL_LIMIT_MS : this.#settings.startupWaitMs
    // Not derived from `closing`: Node 20 never forgets what was derived from a signal that lives on.
    const call = new AbortController()
    if (this.#closing.aborted) call.abort()
    this.#open.add(call)
    const life: Life = {
      signal: signal ? AbortSignal.any([signal, call.signal]) : call.signal,
      end: () => {
        this.#open.delete(call)
        // With a reason, as Node makes an error with a stack where there is none.
        call.abort('the call has ended')
      },
    }
    return new Allowance(this.#runtime, this.#settings, this.#buckets, limitMs, life)
  }

  /** Opens the allowance of the one call that is made while everything else ends. */
  last(): Allowance {
    const limitMs = Math.min(this.#settings.attempt.timeoutMs, LAST_LIMIT_MS)
    const attempt = { connectTimeoutMs: limitMs, timeoutMs: limitMs }
    return new Allowance(this.#runtime, { ...this.#settings, attempt }, this.#buckets, 0, {
      signal: new AbortController().signal,
      end: () => undefined,
    })
  }

  /** The first load is done: from now on calls have the shorter limit. */
  started(): void {
    this.#started = true
  }
}

/** How long a call lives. */
interface Life {
  /** Aborts when the caller gives up, when everything is closed, and when the call has ended. */
  readonly signal: AbortSignal
  readonly end: () => void
}

/** What one call may still spend. Every line that waits takes it as an argument. */
export class Allowance {
  readonly signal: AbortSignal
  /** Ends the call, and with it what it left behind: a half whose other half failed does not try on. */
  readonly end: () => void
  readonly #runtime: Runtime
  readonly #settings: BudgetSettings
  readonly #buckets: Readonly<Record<BackendName, Bucket>>
  readonly #startedAt: number
  readonly #endsAt: number

  constructor(
    runtime: Runtime,
    settings: BudgetSettings,
    buckets: Readonly<Record<BackendName, Bucket>>,
    limitMs: number,
    { signal, end }: Life,
  ) {
    this.#runtime = runtime
    this.#settings = settings
    this.#buckets = buckets
    this.#startedAt = runtime.now()
    this.#endsAt = this.#startedAt + limitMs
    this.signal = signal
    this.end = end
  }

  elapsedMs(): number {
    return Math.round(this.#runtime.now() - this.#startedAt)
  }

  /**
   * Limits of the next attempt: the first always has its full time, later ones what is left.
   *
   * @throws {@link SecretManagerError} SM_ABORTED
   */
  attempt(number: number): { connectTimeoutMs: number; timeoutMs: number } {
    if (this.signal.aborted) throw aborted()
    const { connectTimeoutMs, timeoutMs } = this.#settings.attempt
    const leftMs = Math.max(this.#remainingMs(), this.#shortestMs())
    if (number === 1) return { connectTimeoutMs, timeoutMs }
    return {
      connectTimeoutMs: Math.min(connectTimeoutMs, leftMs),
      timeoutMs: Math.min(timeoutMs, leftMs),
    }
  }

  /**
   * Waits until one more attempt at `backend` may start.
   *
   * @param failures - attempts that failed so far, from 1
   * @param retryAfterMs - what the server asked for; a wait beyond the call's limit is not begun
   * @param onWait - told how long, before a wait is begun
   * @returns whether it may; `false` when the time does not allow it
   * @throws {@link SecretManagerError} SM_ABORTED
   */
  async retry(
    backend: BackendName,
    failures: number,
    retryAfterMs = 0,
    onWait?: (waitMs: number) => void,
  ): Promise<boolean> {
    const leftMs = this.#remainingMs() - this.#shortestMs()
    const floorMs = Math.max(retryAfterMs, this.#buckets[backend].waitMs(this.#runtime.now()))
    if (floorMs > leftMs) return false
    // The last wait is cut to what is left, so that the final attempt comes at the end, not before it.
    const waitMs = Math.min(Math.max(floorMs, backoffMs(failures, this.#runtime.random())), leftMs)
    onWait?.(waitMs)
    await this.#spend(backend, waitMs)
    return true
  }

  /**
   * Waits for the backend's next free token, without counting a failure: for logins after one failed.
   *
   * @param after - the failure that makes this a retry
   * @throws {@link SecretManagerError} SM_TIMEOUT with that failure as its cause when the call ends before, SM_ABORTED
   */
  async admit(backend: BackendName, after: SecretManagerError): Promise<void> {
    const waitMs = this.#buckets[backend].waitMs(this.#runtime.now())
    if (waitMs > 0 && waitMs > this.#remainingMs()) {
      const elapsedMs = this.elapsedMs()
      throw new SecretManagerError(
        'SM_TIMEOUT',
        `no attempt at ${backend} was free in time after: ${after.message}`,
        {
          elapsedMs,
          hint: after.hint,
          cause: after,
        },
      )
    }
    await this.#spend(backend, waitMs)
  }

  #remainingMs(): number {
    return this.#endsAt - this.#runtime.now()
  }

  #shortestMs(): number {
    return Math.min(SHORTEST_ATTEMPT_MS, this.#settings.attempt.timeoutMs)
  }

  async #spend(backend: BackendName, waitMs: number): Promise<void> {
    // Taken before the wait, so that concurrent calls queue behind each other.
    this.#buckets[backend].take(this.#runtime.now())
    if (waitMs > 0) await this.#runtime.sleep(waitMs, this.signal)
    if (this.signal.aborted) throw aborted()
  }
}

/** A token bucket that may be overdrawn: who overdraws it waits. */
class Bucket {
  #tokens = BURST
  #at: number | undefined

  /** Time until a token is free, in milliseconds. */
  waitMs(now: number): number {
    this.#refill(now)
    return this.#tokens >= 1 ? 0 : (1 - this.#tokens) * REFILL_MS
  }

  take(now: number): void {
    this.#refill(now)
    this.#tokens -= 1
  }

  #refill(now: number): void {
    this.#tokens = Math.min(BURST, this.#tokens + (now - (this.#at ?? now)) / REFILL_MS)
    this.#at = now
  }
}
