/** The calls of one SecretManager: what each may be told, what it may spend, and how all of them end. */
import { isSecretManagerError } from './errors.ts'
import { Budget, type Allowance, type BudgetSettings } from './http/budget.ts'
import { aborted, closed } from './lib/abort.ts'
import { isRecord } from './lib/record.ts'
import type { Runtime } from './runtime.ts'

/** Options of every call that waits. */
export interface CallOptions {
  /** Ends the call early, with SM_ABORTED. */
  readonly signal?: AbortSignal | undefined
}

/** Options of a read. */
export interface ReadOptions extends CallOptions {
  /** Asks the servers, however fresh what is kept; rejects where they cannot be asked. Default `false`. */
  readonly fresh?: boolean | undefined
}

/** Opens and ends calls. */
export class Calls {
  readonly budget: Budget
  readonly #closing = new AbortController()

  constructor(runtime: Runtime, settings: BudgetSettings) {
    this.budget = new Budget(runtime, settings, this.#closing.signal)
  }

  get isClosed(): boolean {
    return this.#closing.signal.aborted
  }

  /**
   * Performs `work` with an allowance of its own.
   *
   * @throws {@link SecretManagerError} what `work` rejects with, SM_ABORTED, SM_CLOSED
   */
  async run<T>(options: unknown, work: (allowance: Allowance) => Promise<T>): Promise<T> {
    if (this.isClosed) throw closed()
    const allowance = this.budget.begin(signalOf(options))
    try {
      if (allowance.signal.aborted) throw aborted()
      return await work(allowance)
    } catch (error) {
      throw this.isClosed && isSecretManagerError(error) ? closed() : error
    } finally {
      allowance.end()
    }
  }

  /** Ends every call under way, and refuses further ones. */
  close(): void {
    // With a reason, as Node makes an error with a stack where there is none.
    this.#closing.abort('closed')
  }
}

/** Whether only what is read from now on will do. */
export function isFresh(options: unknown): boolean {
  return isRecord(options) && options['fresh'] === true
}

/** A signal in the place of the options would be ignored without a word. */
function signalOf(options: unknown): AbortSignal | undefined {
  if (options === undefined) return undefined
  const signal = isRecord(options) && !(options instanceof AbortSignal) ? options['signal'] : null
  if (signal === undefined || signal instanceof AbortSignal) return signal
  throw new TypeError('options must be { signal?: AbortSignal, fresh?: boolean }')
}
