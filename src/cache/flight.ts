import type { SecretManagerError } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { aborted, untilAborted } from '../lib/abort.ts'
import type { Runtime } from '../runtime.ts'

/** One run of an operation that several wait for. It ends when it is done, or when all of them gave up. */
export class Flight<T> {
  /** Resolves when the operation has ended, however. */
  readonly settled: Promise<void>
  readonly #allowance: Allowance
  readonly #result: Promise<T>
  #waiting = 0
  #isWanted = false
  #isGivenUp = false

  /** @param allowance - the operation's own; ended here */
  constructor(allowance: Allowance, result: Promise<T>) {
    this.#allowance = allowance
    this.#result = result
    const end = (): void => allowance.end()
    this.settled = result.then(end, end)
  }

  /** Whether it only ends: nobody may join it. */
  get isGivenUp(): boolean {
    return this.#isGivenUp
  }

  /** Lets it go on where nobody waits for it. */
  goOnAlone(): void {
    this.#isWanted = true
  }

  /** Whether it failed for want of time: who has more may try again. */
  ranOut(): boolean {
    return this.#allowance.ranOut()
  }

  /** Waits for the result, as who started it: the operation has the time that the caller has. */
  wait({ signal }: Allowance): Promise<T> {
    return this.#untilGivenUp(untilAborted(this.#result, signal))
  }

  /**
   * Waits for the result of what somebody else started, no longer than `allowance` permits.
   *
   * @param before - what an earlier one failed with, after all its time
   */
  join(allowance: Allowance, before: SecretManagerError | undefined): Promise<T> {
    return this.#untilGivenUp(allowance.join(this.#result, 'the read', before))
  }

  /** Waits until it has ended, but no longer than `ms` since it began. */
  async settledWithin(ms: number, { signal }: Allowance, runtime: Runtime): Promise<void> {
    const leftMs = ms - this.#allowance.elapsedMs()
    if (leftMs <= 0) return
    await new Promise<void>((resolve) => {
      const cancel = runtime.after(leftMs, () => done(), true)
      const done = (): void => {
        cancel()
        signal.removeEventListener('abort', done)
        resolve()
      }
      signal.addEventListener('abort', done, { once: true })
      void this.settled.then(done)
    })
    if (signal.aborted) throw aborted()
  }

  /** The last who gives up ends the run. */
  async #untilGivenUp(result: Promise<T>): Promise<T> {
    this.#waiting += 1
    try {
      return await result
    } finally {
      this.#waiting -= 1
      if (this.#waiting === 0 && !this.#isWanted) {
        this.#isGivenUp = true
        this.#allowance.end()
      }
    }
  }
}
