/**
 * What a rotator does with Transit keys: rewrap, and the versions that are still allowed. Nothing here
 * sees a plaintext, and no cold read loads it.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/secret/transit
 */
import { SecretManagerError } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { isTransitKey } from '../lib/names.ts'
import { recordField, type VaultClient, type VaultReply, type VaultRequest } from './client.ts'
import { keyFacts, type KeyFacts } from './key-facts.ts'
import { keyRefused, type RefusedKey } from './key-refusals.ts'
import { rewrapItems, type BatchLimit, type Rewrapped } from './rewrap-batches.ts'
import type { Session } from './session.ts'
import { badField, contextField } from './transit.ts'

export type { KeyFacts } from './key-facts.ts'
export type { Rewrapped } from './rewrap-batches.ts'

/** What a keyring works with. */
export interface KeyringParts {
  readonly client: VaultClient
  readonly session: Session
  /** Of the Transit engine, such as `transit`. */
  readonly mount: string
}

/** One ciphertext to rewrap. */
export interface RewrapItem {
  /** `vault:vN:…` */
  readonly ciphertext: string
  /** What the key is derived with; the new ciphertext has the same. Ignored by Transit where it is not derived. */
  readonly context?: Uint8Array | undefined
}

/** The oldest versions that may be used. */
export interface KeyMinima {
  readonly minDecryptionVersion?: number | undefined
  /** 0: not set, the latest is used. */
  readonly minEncryptionVersion?: number | undefined
}

/** The keys of one Transit mount, in the hands of one rotator. */
export class Keyring {
  readonly #parts: KeyringParts
  readonly #limits = new Map<string, BatchLimit>()

  constructor(parts: KeyringParts) {
    this.#parts = parts
  }

  /**
   * Reads what Vault says of `key`. Needs the capability `read` on it.
   *
   * @throws {@link SecretManagerError} SM_KEY_NOT_FOUND, SM_VAULT_DENIED, SM_VAULT_*
   */
  async facts(allowance: Allowance, key: string): Promise<KeyFacts> {
    const path = this.#path('keys', key)
    const reply = await this.#request(allowance, { method: 'GET', path })
    return keyFacts(recordField(reply, 'data'), (name) => badField(path, name))
  }

  /**
   * Encrypts each item anew with the version of `key` that the server takes for the latest: a standby
   * that lags behind may give an older one, so compare `keyVersion`. Also an item of the latest version
   * becomes another ciphertext. May be repeated.
   *
   * @param items - any number of them, with and without a context
   * @returns what became of each, in their order; errors are SM_CT_*, SM_VAULT_REJECTED,
   * SM_VAULT_BAD_RESPONSE, and SM_VAULT_DENIED where the policy lets other items through
   * @throws {@link SecretManagerError} what concerns all: SM_KEY_NOT_FOUND, SM_VAULT_DENIED, SM_VAULT_*
   */
  async rewrap(
    allowance: Allowance,
    key: string,
    items: readonly RewrapItem[],
  ): Promise<readonly Rewrapped[]> {
    const path = this.#path('rewrap', key)
    const requests = {
      post: (body: object, isBatch: boolean) =>
        this.#request(allowance, { method: 'POST', path, body, isBatch }),
      refusal: (text: string, requestId: string | undefined) =>
        this.#parts.client.itemError(path, text, requestId),
      badField: (name: string) => badField(path, name),
      again: (failures: number) => allowance.retry('vault', failures),
    }
    const limit = this.#limits.get(path) ?? { most: Infinity }
    this.#limits.set(path, limit)
    return rewrapItems(requests, items.map(batchItem), limit)
  }

  /**
   * Sets the minima of `key`: those that are given, and nothing else. May be repeated.
   *
   * @throws {@link SecretManagerError} SM_KEY_NOT_FOUND, SM_VAULT_REJECTED where these minima cannot be,
   * SM_VAULT_DENIED, SM_VAULT_*
   */
  async configure(allowance: Allowance, key: string, minima: KeyMinima): Promise<void> {
    const { minDecryptionVersion, minEncryptionVersion } = minima
    const body = {
      ...versionField('min_decryption_version', minDecryptionVersion),
      ...versionField('min_encryption_version', minEncryptionVersion),
    }
    if (Object.keys(body).length > 0) await this.#change(allowance, key, 'config', body)
  }

  /**
   * Destroys the versions of `key` below `minAvailableVersion`, for ever. May be repeated.
   *
   * @throws {@link SecretManagerError} SM_KEY_NOT_FOUND, SM_VAULT_REJECTED where a minimum is below,
   * SM_VAULT_DENIED, SM_VAULT_*
   */
  async trim(allowance: Allowance, key: string, minAvailableVersion: number): Promise<void> {
    const body = versionField('min_available_version', minAvailableVersion)
    await this.#change(allowance, key, 'trim', body)
  }

  async #change(
    allowance: Allowance,
    key: string,
    operation: RefusedKey['operation'],
    body: object,
  ): Promise<void> {
    const { mount } = this.#parts
    await this.#request(allowance, {
      method: 'POST',
      path: `${this.#path('keys', key)}/${operation}`,
      body,
      refused: (refusal) => keyRefused({ mount, key, operation }, refusal),
    })
  }

  /** The last gate before a name is part of a URL. */
  #path(operation: 'keys' | 'rewrap', key: string): string {
    if (isTransitKey(key)) return `${this.#parts.mount}/${operation}/${key}`
    throw new SecretManagerError('SM_CONFIG_INVALID', 'transitKey is not the name of a Transit key')
  }

  #request(allowance: Allowance, request: VaultRequest): Promise<VaultReply> {
    const { client, session } = this.#parts
    return session.use(allowance, request.path, (token) =>
      client.request(allowance, { ...request, token }),
    )
  }
}

/** Transit takes an empty context for none. */
function batchItem({ ciphertext, context }: RewrapItem): { ciphertext: string; context?: string } {
  return { ciphertext, ...contextField(context && context.length > 0 ? context : undefined) }
}

/** What is no number would be `null` in JSON, which Vault takes for 0. */
function versionField(name: string, version: number | undefined): Record<string, number> {
  if (version === undefined) return {}
  if (Number.isSafeInteger(version) && version >= 0) return { [name]: version }
  throw new TypeError(`${name} must be a whole number`)
}
