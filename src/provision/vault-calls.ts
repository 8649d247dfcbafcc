/** Vault as whoever provisions it: reads that know "nothing there", and writes. */
import type { Core } from '../core.ts'
import { isSecretManagerError, type SecretManagerError } from '../errors.ts'
import { isRecord } from '../lib/record.ts'
import { capabilities } from '../vault/capabilities.ts'
import type { VaultRequest } from '../vault/client.ts'
import type { VaultWrite } from './change.ts'
import type { Fields } from './items.ts'

/** Requests to Vault, each a call of its own. */
export class VaultCalls {
  readonly #core: Core
  readonly #signal: AbortSignal

  constructor(core: Core, signal: AbortSignal) {
    this.#core = core
    this.#signal = signal
  }

  /**
   * Reads what is at a path; `undefined` where there is nothing, or nothing is mounted.
   *
   * @throws {@link SecretManagerError} SM_VAULT_DENIED, SM_VAULT_*
   */
  async read(path: string): Promise<Fields | undefined> {
    try {
      const reply = await this.#send({ method: 'GET', path })
      return isRecord(reply['data']) ? reply['data'] : undefined
    } catch (error) {
      if (isSecretManagerError(error) && NOTHING.has(error.code)) return undefined
      throw error
    }
  }

  /** Performs a write. @throws {@link SecretManagerError} SM_VAULT_* */
  async write({ method, path, body }: VaultWrite): Promise<void> {
    await this.#send({ method, path, ...(body && { body }) })
  }

  /** What the token may do at each path. @throws {@link SecretManagerError} SM_VAULT_* */
  capabilities(paths: Iterable<string>): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
    const { calls, connections } = this.#core
    return calls.run({ signal: this.#signal }, (allowance) =>
      capabilities(connections.vault, connections.session, allowance, paths),
    )
  }

  /**
   * Tries a request as somebody else, or as nobody.
   *
   * @returns the answer, or how it was refused
   * @throws {@link SecretManagerError} what is no answer: SM_VAULT_UNREACHABLE, SM_VAULT_*
   */
  async attempt(request: VaultRequest): Promise<Attempt> {
    const { calls, connections } = this.#core
    try {
      const reply = await calls.run({ signal: this.#signal }, (allowance) =>
        connections.vault.request(allowance, request),
      )
      return { reply }
    } catch (error) {
      if (isSecretManagerError(error) && isAnswer(error.status)) return { refusal: error }
      throw error
    }
  }

  #send(request: VaultRequest): Promise<Fields> {
    const { calls, connections } = this.#core
    const { vault, session } = connections
    return calls.run({ signal: this.#signal }, (allowance) =>
      session.use(allowance, request.path, (token) =>
        vault.request(allowance, { ...request, token }),
      ),
    )
  }
}

/** What came of a request that may be refused. */
export type Attempt = { readonly reply: Fields } | { readonly refusal: SecretManagerError }

function isAnswer(status: number | undefined): boolean {
  return status !== undefined && status >= 400 && status < 500 && status !== 429
}

const NOTHING: ReadonlySet<string> = new Set(['SM_VAULT_NOT_FOUND', 'SM_KEY_NOT_FOUND'])
