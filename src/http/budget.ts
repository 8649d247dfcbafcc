/**
 * What calls may spend: time, retries and rates, from one Budget per SecretManager.
 *
 * Each backend has a {@link Gate} for retries, for logins after a failure, and for every attempt while
 * it fails: three at once, then one per second. A backend that is down therefore sees no storm,
 * whatever the process's own load.
 */
import { onAbort } from '../lib/abort.ts'
import type { Runtime } from '../runtime.ts'
import { troubleOf, type BackendStatus } from '../status.ts'
import type { BackendName } from '../telemetry.ts'
import { Allowance, type BudgetSettings, type Gates, type Life } from './allowance.ts'
import { Gate } from './gate.ts'

export type { Allowance, BudgetSettings } from './allowance.ts'
export type { BackendName } from '../telemetry.ts'

/** Limit of a call once any has succeeded. */
const CALL_LIMIT_MS = 15_000
/** Limit of the revocation on close: the token expires by itself. */
const LAST_LIMIT_MS = 1000

/** One per SecretManager. */
export class Budget {
  readonly #runtime: Runtime
  readonly #settings: BudgetSettings
  readonly #gates: Gates
  readonly #closing: AbortSignal
  /** Calls that have not ended. */
  readonly #open = new Set<AbortController>()
  #started = false

  /** @param closing - ends every call and every wait */
  constructor(runtime: Runtime, settings: BudgetSettings, closing: AbortSignal) {
    this.#runtime = runtime
    this.#settings = settings
    this.#closing = closing
    this.#gates = { vault: new Gate(), kubernetes: new Gate(), google: new Gate() }
    closing.addEventListener('abort', () => {
      for (const call of this.#open) call.abort()
    })
  }

  /** Opens the allowance of one call, which its {@link Allowance.end} must end. */
  begin(signal?: AbortSignal): Allowance {
    const limitMs = this.#started ? CALL_LIMIT_MS : this.#settings.startupWaitMs
    const call = new AbortController()
    const abort = (): void => call.abort('given up')
    if (this.#closing.aborted || signal?.aborted) abort()
    this.#open.add(call)
    const forget = signal && onAbort(signal, abort)
    const life: Life = {
      signal: call.signal,
      end: () => {
        this.#open.delete(call)
        forget?.()
        // With a reason, as Node makes an error with a stack where there is none.
        call.abort('the call has ended')
      },
    }
    return new Allowance(this.#runtime, this.#settings, this.#gates, limitMs, life)
  }

  /** Opens the allowance of the one call that is made while everything else ends. */
  last(): Allowance {
    const limitMs = Math.min(this.#settings.attempt.timeoutMs, LAST_LIMIT_MS)
    const attempt = { connectTimeoutMs: limitMs, timeoutMs: limitMs }
    return new Allowance(this.#runtime, { ...this.#settings, attempt }, this.#gates, 0, {
      signal: new AbortController().signal,
      end: () => undefined,
    })
  }

  /** What is known of a backend. */
  status(backend: BackendName): BackendStatus {
    const gate = this.#gates[backend]
    const now = this.#runtime.now()
    const trouble = gate.trouble && troubleOf(gate.trouble.error, now - gate.trouble.at)
    const nextAttemptInMs = gate.isNarrow(now) ? Math.ceil(gate.waitMs(now)) : 0
    const state = trouble ? 'failing' : gate.asked ? 'ok' : 'unknown'
    return { state, nextAttemptInMs, trouble }
  }

  /** The first load is done: from now on calls have the shorter limit. */
  started(): void {
    this.#started = true
  }
}
