/**
 * Decrypts under one key that come while another is under way: at most two requests are in flight, and
 * who comes meanwhile is in the next one. A request for one caller is a plain decrypt on that caller's
 * own allowance; a batch has an allowance of its own, as any of its callers may give up.
 */
import { isSecretManagerError, withFacts, type SecretManagerError } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { recordField, type VaultReply } from './client.ts'
import { batchBody, batchLength, batchResults, type BatchItem } from './decrypt-batch.ts'
import { canRecover, isDenied, isRefusal } from './decrypt-failure.ts'

/** The requests that one key's decrypts are made of. */
export interface DecryptRequests {
  readonly begin: () => Allowance
  /** Posts one item, or the body of a batch. */
  readonly post: (allowance: Allowance, body: object, isBatch: boolean) => Promise<VaultReply>
  /** Reads the plaintext of an item. @throws {@link SecretManagerError} SM_VAULT_BAD_RESPONSE */
  readonly plaintextOf: (data: VaultReply) => Uint8Array
  /** Tells an item's error as that of a request of its own. */
  readonly refusal: (text: string, requestId: string | undefined) => SecretManagerError
  /** Tells that a field of the answer is not what it must be. */
  readonly badField: (name: string) => SecretManagerError
}

/** What a turn came to. */
type Outcome =
  | { readonly plaintext: Uint8Array }
  /** The caller's own request. */
  | { readonly flight: Promise<Uint8Array> }
  /** `isShared`: who waits may wait once more, on their own time. */
  | { readonly error: unknown; readonly isShared: boolean }

interface Waiter {
  readonly allowance: Allowance
  readonly item: BatchItem
  settle: (outcome: Outcome) => void
  /** Called when the caller gave up, or ran out of time. */
  leave: () => void
  /** It did. */
  isGone: boolean
}

const MAX_IN_FLIGHT = 2

/** The decrypts of one key. */
export class DecryptQueue {
  readonly #requests: DecryptRequests
  #waiting = new Set<Waiter>()
  #inFlight = 0
  /** Items that the server takes at once, as far as it let us know. */
  #most = Infinity

  /** @param underWay - a plain decrypt that is in flight already */
  constructor(requests: DecryptRequests, underWay: Promise<unknown>) {
    this.#requests = requests
    this.#fly(underWay)
  }

  /**
   * Decrypts one item, as soon as there is room for it.
   *
   * @returns the plaintext's exact bytes
   * @throws {@link SecretManagerError} as a plain decrypt
   */
  async decrypt(allowance: Allowance, item: BatchItem): Promise<Uint8Array> {
    let before: SecretManagerError | undefined
    for (let failures = 1; ; failures += 1) {
      const outcome = await this.#turn(allowance, item, before)
      if ('plaintext' in outcome) return outcome.plaintext
      if ('flight' in outcome) return outcome.flight
      const { error, isShared } = outcome
      if (!isSecretManagerError(error)) throw error
      before = error
      const again =
        isShared &&
        canRecover(error, failures) &&
        (await allowance.retry('vault', failures, error.retryAfterMs))
      if (!again) throw timed(error, allowance)
    }
  }

  /** Waits for the outcome, but no longer than the caller may. */
  async #turn(
    allowance: Allowance,
    item: BatchItem,
    before: SecretManagerError | undefined,
  ): Promise<Outcome> {
    const waiter: Waiter = {
      allowance,
      item,
      settle: () => undefined,
      leave: () => undefined,
      isGone: false,
    }
    const turn = new Promise<Outcome>((resolve) => {
      waiter.settle = resolve
    })
    this.#wait(waiter)
    this.#next()
    try {
      return await allowance.join(turn, 'the decryption', before)
    } catch (error) {
      waiter.isGone = true
      waiter.leave()
      void turn.then(wipe)
      throw timed(error, allowance)
    }
  }

  #wait(waiter: Waiter): void {
    waiter.leave = () => this.#waiting.delete(waiter)
    this.#waiting.add(waiter)
  }

  /** Who was under way already is the first to go again. */
  #waitAgain(waiters: readonly Waiter[]): void {
    const others = this.#waiting
    this.#waiting = new Set()
    for (const waiter of waiters.filter(isWaiting)) this.#wait(waiter)
    for (const waiter of others) this.#waiting.add(waiter)
  }

  /** Sends what fits into the next requests, as far as there is room for them. */
  #next(): void {
    while (this.#inFlight < MAX_IN_FLIGHT) {
      const waiters = [...this.#waiting].filter(isWaiting)
      const length = batchLength(
        waiters.map(({ item }) => item),
        this.#most,
      )
      const [first, ...others] = waiters.slice(0, length)
      if (!first) return
      for (const waiter of [first, ...others]) this.#waiting.delete(waiter)
      this.#fly(others.length === 0 ? this.#alone(first) : this.#together([first, ...others]))
    }
  }

  #fly(flight: Promise<unknown>): void {
    this.#inFlight += 1
    const land = (): void => {
      this.#inFlight -= 1
      this.#next()
    }
    // Whose request it is hears of its failure.
    flight.then(land, land)
  }

  /** @returns the request, which its caller waits for, too */
  #alone({ allowance, item, settle }: Waiter): Promise<Uint8Array> {
    const flight = this.#requests
      .post(allowance, item, false)
      .then((reply) => this.#requests.plaintextOf(recordField(reply, 'data')))
    settle({ flight })
    return flight
  }

  async #together(waiters: readonly Waiter[]): Promise<void> {
    const allowance = this.#requests.begin()
    const leave = (): void => {
      if (!waiters.some(isWaiting)) allowance.end()
    }
    for (const waiter of waiters) waiter.leave = leave
    try {
      const body = batchBody(waiters.map(({ item }) => item))
      this.#hand(waiters, await this.#requests.post(allowance, body, true))
    } catch (error) {
      await this.#recover(waiters, error)
    } finally {
      allowance.end()
    }
  }

  #hand(waiters: readonly Waiter[], reply: VaultReply): void {
    const results = batchResults(reply, waiters.length)
    if (!results) throw this.#requests.badField('batch_results')
    const id = reply['request_id']
    const requestId = typeof id === 'string' ? id : undefined
    for (const [index, waiter] of waiters.entries()) {
      waiter.settle(this.#outcomeOf(results[index] ?? {}, requestId))
    }
  }

  /** A failed item has an empty plaintext, too. */
  #outcomeOf(result: VaultReply, requestId: string | undefined): Outcome {
    const text = result['error'] ?? ''
    if (typeof text === 'string' && text !== '') {
      return { error: this.#requests.refusal(text, requestId), isShared: true }
    }
    try {
      return { plaintext: this.#requests.plaintextOf(result) }
    } catch (error) {
      return { error, isShared: false }
    }
  }

  async #recover(waiters: readonly Waiter[], error: unknown): Promise<void> {
    if (isDenied(error)) return this.#tryOne(waiters.filter(isWaiting))
    if (isRefusal(error)) {
      // Too big or too many for this server or a gateway before it, or one item spoils the whole.
      this.#most = Math.min(this.#most, Math.ceil(waiters.length / 2))
      return this.#waitAgain(waiters)
    }
    for (const { settle } of waiters) settle({ error, isShared: true })
  }

  /** A policy that names the parameters it allows denies every batch, but not a plain decrypt. */
  async #tryOne([first, ...others]: readonly Waiter[]): Promise<void> {
    if (!first) return
    const failure = await this.#failureAlone(first)
    // It may name contexts, too: what holds for two of them is believed of all.
    const second = isDenied(failure)
      ? others.find(({ item }) => item.context !== first.item.context)
      : undefined
    const last = second ? await this.#failureAlone(second) : failure
    this.#waitAgain(others.filter((waiter) => waiter !== second))
    if (isDenied(last)) this.#denyWaiting(last)
    else if (last === undefined || isRefusal(last)) this.#most = 1
  }

  #failureAlone(waiter: Waiter): Promise<unknown> {
    return this.#alone(waiter).then(
      () => undefined,
      (error: unknown) => error,
    )
  }

  #denyWaiting(error: unknown): void {
    const waiting = this.#waiting
    this.#waiting = new Set()
    for (const { settle } of waiting) settle({ error, isShared: false })
  }
}

function isWaiting({ allowance, isGone }: Waiter): boolean {
  return !isGone && !allowance.signal.aborted
}

/** Nobody else will. */
function wipe(outcome: Outcome): void {
  if ('plaintext' in outcome) outcome.plaintext.fill(0)
}

/** The same failure with the caller's own time: most met it on somebody else's. */
function timed(error: unknown, allowance: Allowance): unknown {
  return isSecretManagerError(error)
    ? withFacts(error, { elapsedMs: allowance.elapsedMs() })
    : error
}
