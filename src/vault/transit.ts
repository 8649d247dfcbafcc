/**
 * Vault's Transit engine: encryption as a service. Ciphertext and key stay on their sides.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/secret/transit
 */
import { inContext, isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { Allowance, Budget } from '../http/budget.ts'
import { fromBase64 } from '../lib/base64.ts'
import { isTransitKey } from '../lib/names.ts'
import {
  recordField,
  stringField,
  type VaultClient,
  type VaultReply,
  type VaultRequest,
} from './client.ts'
import type { BatchItem } from './decrypt-batch.ts'
import type { DecryptQueue, DecryptRequests } from './decrypt-queue.ts'
import type { Session } from './session.ts'

/** A key of the Transit engine. */
export interface TransitKey {
  readonly latestVersion: number
  /** Whether a context counts: a ciphertext then opens only with the one it was made with. */
  readonly isDerived: boolean
}

/** One mount of the Transit engine, used by one identity. */
export class Transit {
  readonly #client: VaultClient
  readonly #session: Session
  readonly #mount: string
  readonly #budget: Budget
  /** By path and kind, the one decrypt in flight; once a second came meanwhile, all go through the queue. */
  readonly #lone = new Map<string, Promise<Uint8Array>>()
  readonly #queues = new Map<string, Promise<DecryptQueue>>()

  constructor(client: VaultClient, session: Session, mount: string, budget: Budget) {
    this.#client = client
    this.#session = session
    this.#mount = mount
    this.#budget = budget
  }

  /**
   * Decrypts one ciphertext. Under one key at most two requests are in flight; who comes meanwhile is
   * in the next one, and gets what a request of its own would give.
   *
   * @param ciphertext - `vault:vN:…`
   * @param context - what the key is derived with; ignored by Transit where it is not derived
   * @returns the plaintext's exact bytes
   * @throws {@link SecretManagerError} SM_CT_*, SM_KEY_NOT_FOUND, SM_VAULT_*
   */
  async decrypt(
    allowance: Allowance,
    key: string,
    ciphertext: string,
    context?: Uint8Array,
  ): Promise<Uint8Array> {
    const path = this.#path('decrypt', key)
    const item = { ciphertext, ...contextField(context) }
    // Transit refuses a batch in which some items have a context.
    const line = context ? `${path} in context` : path
    const lone = this.#lone.get(line)
    const queue = this.#queues.get(line) ?? (lone && this.#queueBehind(lone, path, line))
    if (queue) return (await queue).decrypt(allowance, item)
    const flight = this.#decryptOne(allowance, path, item)
    this.#lone.set(line, flight)
    return flight.finally(() => this.#lone.delete(line))
  }

  /**
   * Encrypts `plaintext` with the latest version of `key`.
   *
   * @param context - what the key is derived with; ignored by Transit where it is not derived
   * @returns the ciphertext, `vault:vN:…`
   * @throws {@link SecretManagerError} SM_KEY_NOT_FOUND, SM_VAULT_*
   */
  async encrypt(
    allowance: Allowance,
    key: string,
    plaintext: Uint8Array,
    context?: Uint8Array,
  ): Promise<string> {
    const path = this.#path('encrypt', key)
    const reply = await this.#post(allowance, path, {
      plaintext: Buffer.from(plaintext).toString('base64'),
      ...contextField(context),
    })
    const ciphertext = stringField(reply, 'data', 'ciphertext', path)
    // It is about to replace a document that can be opened.
    if (isTransitCiphertext(ciphertext)) return ciphertext
    throw badField(path, 'ciphertext')
  }

  /**
   * Adds a version to `key`. Sent once: a repeated rotation would add another.
   *
   * @returns the latest version
   * @throws {@link SecretManagerError} SM_VAULT_DENIED, SM_VAULT_*; where no answer came the outcome is unknown: read the key
   */
  async rotate(allowance: Allowance, key: string): Promise<number> {
    const reply = await this.#post(
      allowance,
      `${this.#path('keys', key)}/rotate`,
      {},
      { once: true },
    )
    // Some servers answer 204.
    return versionOf(reply) ?? this.#rotatedVersion(allowance, key)
  }

  /**
   * Reads what `key` is. Needs the capability `read` on it.
   *
   * @throws {@link SecretManagerError} SM_KEY_NOT_FOUND, SM_VAULT_DENIED, SM_VAULT_*
   */
  async readKey(allowance: Allowance, key: string): Promise<TransitKey> {
    const path = this.#path('keys', key)
    const reply = await this.#session.use(allowance, path, (token) =>
      this.#client.request(allowance, { method: 'GET', path, token }),
    )
    const latestVersion = versionOf(reply)
    if (latestVersion === undefined) throw badField(path, 'latest_version')
    return { latestVersion, isDerived: recordField(reply, 'data')['derived'] === true }
  }

  async #decryptOne(allowance: Allowance, path: string, item: BatchItem): Promise<Uint8Array> {
    const reply = await this.#post(allowance, path, item)
    return plaintextOf(recordField(reply, 'data'), path)
  }

  /** Loaded on use: most processes read one document per key at a time. */
  #queueBehind(lone: Promise<unknown>, path: string, line: string): Promise<DecryptQueue> {
    const requests: DecryptRequests = {
      begin: () => this.#budget.begin(),
      post: (allowance, body, isBatch) => this.#post(allowance, path, body, { isBatch }),
      plaintextOf: (data) => plaintextOf(data, path),
      refusal: (text, requestId) => this.#client.itemError(path, text, requestId),
      badField: (name) => badField(path, name),
    }
    const queue = import('./decrypt-queue.ts').then(
      (loaded) => new loaded.DecryptQueue(requests, lone),
    )
    this.#queues.set(line, queue)
    return queue
  }

  /** Who takes a failure here for one of the rotation would rotate again. */
  async #rotatedVersion(allowance: Allowance, key: string): Promise<number> {
    try {
      return (await this.readKey(allowance, key)).latestVersion
    } catch (error) {
      const context = 'the key was rotated, but its version is not known'
      throw isSecretManagerError(error) ? inContext(error, context) : error
    }
  }

  /** The last gate before a name is part of a URL. */
  #path(operation: 'decrypt' | 'encrypt' | 'keys', key: string): string {
    if (isTransitKey(key)) return `${this.#mount}/${operation}/${key}`
    throw new SecretManagerError('SM_CONFIG_INVALID', 'transitKey is not the name of a Transit key')
  }

  #post(
    allowance: Allowance,
    path: string,
    body: object,
    options: Pick<VaultRequest, 'once' | 'isBatch'> = {},
  ): Promise<VaultReply> {
    return this.#session.use(allowance, path, (token) =>
      this.#client.request(allowance, { method: 'POST', path, token, body, ...options }),
    )
  }
}

/** The field `context` of a request; none where there is no context. */
export function contextField(context: Uint8Array | undefined): { readonly context?: string } {
  return context ? { context: Buffer.from(context).toString('base64') } : {}
}

function versionOf(reply: VaultReply): number | undefined {
  const version = recordField(reply, 'data')['latest_version']
  return typeof version === 'number' && version > 0 ? version : undefined
}

/** An empty string is base64 of an empty document; a missing one is no document. */
function plaintextOf(data: VaultReply, path: string): Uint8Array {
  const plaintext = data['plaintext']
  const bytes = typeof plaintext === 'string' ? fromBase64(plaintext) : undefined
  if (bytes) return bytes
  throw badField(path, 'plaintext')
}

/** Tells that an answer lacks a field, or has it in another form. */
export function badField(path: string, field: string): SecretManagerError {
  const message = `the answer to ${path} has no data.${field} of the right form`
  return new SecretManagerError('SM_VAULT_BAD_RESPONSE', message)
}

/** Whether `text` is what Transit gives for a document: `vault:vN:` and base64. */
export function isTransitCiphertext(text: string): boolean {
  return /^vault:v[1-9]\d{0,8}:[A-Za-z0-9+/]+={0,2}$/.test(text)
}
