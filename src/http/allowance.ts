/** What one call may still spend of the {@link Budget}: time, and turns at the gates of the servers. */
import { inContext, SecretManagerError } from '../errors.ts'
import { aborted, untilAborted } from '../lib/abort.ts'
import { backoffMs } from '../lib/backoff.ts'
import type { Runtime } from '../runtime.ts'
import type { BackendName } from '../telemetry.ts'
import { LONGEST_BLOCK_MS, type Gate } from './gate.ts'
import { pass, type Wait } from './pass.ts'

/** Time limits, in milliseconds. */
export interface BudgetSettings {
  /** Limit of calls before the first success. */
  readonly startupWaitMs: number
  /** Limits of one attempt. */
  readonly attempt: { readonly connectTimeoutMs: number; readonly timeoutMs: number }
}

/** One per server. */
export type Gates = Readonly<Record<BackendName, Gate>>

/** A shorter attempt would end in a timeout that hides what the attempts before it met. */
const SHORTEST_ATTEMPT_MS = 1000

/** How long a call lives. */
export interface Life {
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
  readonly #gates: Gates
  readonly #startedAt: number
  readonly #endsAt: number
  /** Servers that were asked before it was this call's turn, as they served others. */
  readonly #woken = new Set<BackendName>()

  constructor(
    runtime: Runtime,
    settings: BudgetSettings,
    gates: Gates,
    limitMs: number,
    { signal, end }: Life,
  ) {
    this.#runtime = runtime
    this.#settings = settings
    this.#gates = gates
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

  /** An attempt was served: the backend is well. */
  worked(backend: BackendName): void {
    this.#gates[backend].worked()
  }

  /** An attempt was not served, as the backend cannot serve now. */
  failed(backend: BackendName, error: SecretManagerError): void {
    this.#gates[backend].failed(error, this.#runtime.now(), this.#runtime.random())
  }

  /**
   * Waits for the first attempt of a call. While the backend is well there is nothing to wait for.
   *
   * @throws {@link SecretManagerError} what the backend failed with last, when the time ends before; SM_ABORTED
   */
  async enter(backend: BackendName): Promise<void> {
    const gate = this.#gates[backend]
    if (!gate.isNarrow(this.#runtime.now())) return
    const { reason } = gate
    const wait = { leastMs: 0, leftMs: this.#remainingMs(), wakes: true }
    if (await this.#pass(backend, wait)) return
    throw tooLate(backend, gate.reason ?? reason)
  }

  /**
   * Waits until one more attempt at `backend` may start.
   *
   * @param failures - attempts that failed so far, from 1
   * @param retryAfterMs - what the server asked for; a wait beyond the call's limit is not begun
   * @param onWait - told how long at most, before a wait is begun
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
    if (leftMs < 0) return false
    const jittered = backoffMs(failures, this.elapsedMs(), this.#runtime.random())
    const askedMs = Math.min(retryAfterMs, LONGEST_BLOCK_MS)
    const leastMs = Math.max(askedMs, Math.min(jittered, leftMs))
    // That others were served did not help this call once: from then on it waits for its turn.
    const wakes = !this.#woken.has(backend)
    return this.#pass(backend, { leastMs, leftMs, wakes, onWait })
  }

  /**
   * Waits for the backend's next free token, also while it is well: for logins after one was refused.
   *
   * @param after - the failure that makes this a retry
   * @throws {@link SecretManagerError} that failure when the call ends before; SM_ABORTED
   */
  async admit(backend: BackendName, after: SecretManagerError): Promise<void> {
    const wait = { leastMs: 0, leftMs: this.#remainingMs(), wakes: false }
    if (await this.#pass(backend, wait)) return
    throw tooLate(backend, after)
  }

  /**
   * Waits for what takes no attempts at a server and knows no limit of its own, as long as the call may last.
   *
   * @param what - said of it when it takes too long
   * @throws {@link SecretManagerError} SM_TIMEOUT, SM_ABORTED
   */
  async within<T>(promise: Promise<T>, what: string): Promise<T> {
    const limitMs = Math.max(this.#remainingMs(), this.#settings.attempt.timeoutMs)
    const late = (): SecretManagerError =>
      new SecretManagerError('SM_TIMEOUT', `${what} took too long`)
    return this.#until(promise, limitMs, late)
  }

  /**
   * Waits for what runs on an allowance of its own, as long as this call may last. What begins when the call
   * has no time left still may make its two requests.
   *
   * @param what - said of it when it takes too long
   * @param before - what an earlier one failed with, after all its time: then there is no more than what is left
   * @throws {@link SecretManagerError} what it rejects with; where the time ends before: `before`, what a
   * server failed with last, or SM_TIMEOUT; SM_ABORTED
   */
  async join<T>(
    promise: Promise<T>,
    what: string,
    before: SecretManagerError | undefined,
  ): Promise<T> {
    const leastMs = before ? 0 : 2 * this.#settings.attempt.timeoutMs
    const late = (): SecretManagerError =>
      before ?? this.#lastTrouble() ?? new SecretManagerError('SM_TIMEOUT', `${what} took too long`)
    return this.#until(promise, Math.max(leastMs, this.#remainingMs()), late)
  }

  /** Whether another attempt could still be made. */
  hasTime(): boolean {
    return this.#remainingMs() >= this.#shortestMs()
  }

  /** Whether what failed did so for want of time: the last attempt is made a little before the end. */
  ranOut(): boolean {
    return this.#remainingMs() < 2 * this.#shortestMs()
  }

  #until<T>(promise: Promise<T>, limitMs: number, late: () => SecretManagerError): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.#runtime.after(limitMs, () => reject(late()), true)
      untilAborted(promise, this.signal).then(resolve, reject).finally(cancel)
    })
  }

  #lastTrouble(): SecretManagerError | undefined {
    const troubles = Object.values(this.#gates).flatMap(({ trouble }) => trouble ?? [])
    return troubles.toSorted((a, b) => b.at - a.at)[0]?.error
  }

  #remainingMs(): number {
    return this.#endsAt - this.#runtime.now()
  }

  #shortestMs(): number {
    return Math.min(SHORTEST_ATTEMPT_MS, this.#settings.attempt.timeoutMs)
  }

  async #pass(backend: BackendName, wait: Wait): Promise<boolean> {
    const passage = await pass(this.#gates[backend], wait, this.#runtime, this.signal)
    if (passage === 'served') this.#woken.add(backend)
    return passage !== 'late'
  }
}

function tooLate(backend: BackendName, error: SecretManagerError | undefined): SecretManagerError {
  const what = `${backend} was not asked again in time`
  if (!error) return new SecretManagerError('SM_TIMEOUT', what)
  return error.message.startsWith(what) ? error : inContext(error, what)
}
