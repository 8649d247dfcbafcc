/**
 * Rewraps under one key: any number of items, in as few requests as the server and the policy allow.
 * No answer has a plaintext in it.
 *
 * A batch that was refused as a whole goes in halves, down to the item that spoils it. A repeated
 * rewrap does no harm: it gives another ciphertext of the same document.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/secret/transit#rewrap-data
 */
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import { recordField, type VaultReply } from './client.ts'
import { batchBody, batchLength, batchResults, type BatchItem } from './decrypt-batch.ts'
import { canRecover, isRefusal } from './decrypt-failure.ts'
import { isDenied } from './denials.ts'
import { isTransitCiphertext } from './transit.ts'

/** What became of an item: a ciphertext of the same document, or why there is none. */
export type Rewrapped =
  | { readonly ciphertext: string; readonly keyVersion: number }
  | { readonly error: SecretManagerError }

/** The requests that the rewraps of one call are made of. */
export interface RewrapRequests {
  /** Posts one item, or the body of a batch. */
  readonly post: (body: object, isBatch: boolean) => Promise<VaultReply>
  /** Tells an item's error as that of a request of its own. */
  readonly refusal: (text: string, requestId: string | undefined) => SecretManagerError
  /** Tells that a field of the answer is not what it must be. */
  readonly badField: (name: string) => SecretManagerError
  /** Waits until one more request may follow so many that failed; `false` where there is no time. */
  readonly again: (failures: number) => Promise<boolean>
}

/** How many items of one key the server takes at once, as far as it let us know; kept between calls. */
export interface BatchLimit {
  most: number
}

/**
 * Rewraps items, each alone: one that fails is the outcome of its own place.
 *
 * @returns the outcomes in the order of the items
 * @throws {@link SecretManagerError} what concerns every item: SM_KEY_NOT_FOUND, SM_VAULT_DENIED
 * unless another item was let through, and that the server does not serve
 */
export async function rewrapItems(
  requests: RewrapRequests,
  items: readonly BatchItem[],
  limit: BatchLimit,
): Promise<readonly Rewrapped[]> {
  return new Rewraps(requests, items, limit).all()
}

/** An item and its place. */
interface Slot {
  readonly item: BatchItem
  readonly at: number
}

class Rewraps {
  readonly #requests: RewrapRequests
  readonly #limit: BatchLimit
  readonly #slots: readonly Slot[]
  readonly #outcomes: Rewrapped[]
  readonly #contexts: number
  /** By context, as a policy may pin it. */
  readonly #denied = new Map<string | undefined, SecretManagerError>()
  #isBatchDenied = false
  #isLetThrough = false

  constructor(requests: RewrapRequests, items: readonly BatchItem[], limit: BatchLimit) {
    this.#requests = requests
    this.#limit = limit
    this.#slots = items.map((item, at) => ({ item, at }))
    const error = new SecretManagerError('SM_INTERNAL', 'an item was not rewrapped')
    this.#outcomes = items.map(() => ({ error }))
    this.#contexts = new Set(items.map(({ context }) => context)).size
  }

  async all(): Promise<readonly Rewrapped[]> {
    let due = this.#slots
    for (let failures = 1; due.length > 0; failures += 1) {
      // Transit refuses a batch in which some items have a context.
      await this.#send(due.filter(({ item }) => item.context === undefined))
      await this.#send(due.filter(({ item }) => item.context !== undefined))
      due = due.filter(({ at }) => mayRecover(this.#outcomes[at], failures))
      if (due.length > 0 && !(await this.#requests.again(failures))) break
    }
    return this.#outcomes
  }

  /** @returns whether nothing was refused on the way */
  async #send(slots: readonly Slot[]): Promise<boolean> {
    let isClean = true
    for (let at = 0; at < slots.length;) {
      const most = this.#isBatchDenied ? 1 : this.#limit.most
      const length = batchLength(itemsFrom(slots, at), most)
      const [first, ...others] = slots.slice(at, at + length)
      if (!first) break
      const taken = await (others.length === 0
        ? this.#alone(first)
        : this.#together([first, ...others]))
      isClean &&= taken
      at += length
    }
    return isClean
  }

  async #alone({ item, at }: Slot): Promise<boolean> {
    const denied = this.#denied.get(item.context)
    if (denied) {
      this.#outcomes[at] = { error: denied }
      return false
    }
    try {
      const reply = await this.#requests.post(item, false)
      this.#letThrough()
      this.#outcomes[at] = this.#outcomeOf(recordField(reply, 'data'))
      return true
    } catch (error) {
      if (!isSecretManagerError(error)) throw error
      this.#outcomes[at] = { error }
      if (isDenied(error)) this.#deny(item.context, error)
      else if (isRefusal(error)) this.#letThrough()
      else throw error
      return false
    }
  }

  async #together(slots: readonly Slot[]): Promise<boolean> {
    let reply: VaultReply
    try {
      reply = await this.#requests.post(batchBody(slots.map(({ item }) => item)), true)
    } catch (error) {
      if (isRefusal(error)) return this.#halves(slots)
      if (!isDenied(error)) throw error
      // A policy that names the parameters it allows denies every batch, but not a plain rewrap.
      this.#isBatchDenied = true
      return this.#send(slots)
    }
    this.#isLetThrough = true
    this.#hand(slots, reply)
    return true
  }

  async #halves(slots: readonly Slot[]): Promise<boolean> {
    const middle = Math.ceil(slots.length / 2)
    const first = await this.#send(slots.slice(0, middle))
    const second = await this.#send(slots.slice(middle))
    const isClean = first && second
    // It was too big or too many for this server or a gateway before it, and no item that spoils it.
    if (isClean) this.#limit.most = Math.min(this.#limit.most, middle)
    return isClean
  }

  #hand(slots: readonly Slot[], reply: VaultReply): void {
    const results = batchResults(reply, slots.length)
    const id = reply['request_id']
    const requestId = typeof id === 'string' ? id : undefined
    for (const [index, { at }] of slots.entries()) {
      this.#outcomes[at] = results
        ? this.#resultOf(results[index] ?? {}, requestId)
        : { error: this.#requests.badField('batch_results') }
    }
  }

  #resultOf(result: VaultReply, requestId: string | undefined): Rewrapped {
    const text = result['error'] ?? ''
    if (text === '') return this.#outcomeOf(result)
    return typeof text === 'string'
      ? { error: this.#requests.refusal(text, requestId) }
      : { error: this.#requests.badField('error') }
  }

  /** It is about to replace a document that can be opened. */
  #outcomeOf({ ciphertext, key_version: told }: VaultReply): Rewrapped {
    if (typeof ciphertext !== 'string' || !isTransitCiphertext(ciphertext)) {
      return { error: this.#requests.badField('ciphertext') }
    }
    const keyVersion = Number(/^vault:v(\d+):/.exec(ciphertext)?.[1])
    // The answer as it is documented has the ciphertext alone.
    const isTold = told === undefined || told === keyVersion
    return isTold ? { ciphertext, keyVersion } : { error: this.#requests.badField('key_version') }
  }

  #letThrough(): void {
    this.#isLetThrough = true
    if (this.#isBatchDenied) this.#limit.most = 1
  }

  /** @throws {@link SecretManagerError} where it holds for all: what holds for two contexts is believed of all */
  #deny(context: string | undefined, error: SecretManagerError): void {
    this.#denied.set(context, error)
    if (!this.#isLetThrough && this.#denied.size >= Math.min(2, this.#contexts)) throw error
  }
}

function* itemsFrom(slots: readonly Slot[], from: number): Generator<BatchItem> {
  for (let at = from; at < slots.length; at += 1) {
    const slot = slots[at]
    if (slot) yield slot.item
  }
}

/** A standby may lag behind. What a plain request was told, it has asked for often enough. */
function mayRecover(outcome: Rewrapped | undefined, failures: number): boolean {
  if (!outcome || !('error' in outcome)) return false
  return canRecover(outcome.error, Math.max(failures, outcome.error.attempts))
}
