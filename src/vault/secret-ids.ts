/** Where an AppRole login has its secret_id from. */
import type { AppRoleSettings } from '../config/settings.ts'
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import type { Runtime } from '../runtime.ts'
import type { VaultClient } from './client.ts'
import { isHeaderSafe, nameOf, readGiven } from './given.ts'
import { unwrapSecretId, type Wrapped } from './unwrap.ts'

const SETTING = 'vault.auth.secretId'

/** Gives the secret_id as it is now; a wrapped one is unwrapped once and kept in memory. */
export class SecretIds {
  readonly #settings: AppRoleSettings
  readonly #runtime: Runtime
  /** What came of a wrapping token: it is never sent twice, whatever that was. */
  #unwrapped: { readonly token: string; readonly outcome: string | SecretManagerError } | undefined

  constructor(settings: AppRoleSettings, runtime: Runtime) {
    this.#settings = settings
    this.#runtime = runtime
  }

  /**
   * @returns `undefined` where none is configured
   * @throws {@link SecretManagerError} SM_FILE_UNREADABLE, SM_CONFIG_INVALID, SM_UNWRAP_REFUSED, SM_VAULT_*
   */
  async current(client: VaultClient, allowance: Allowance): Promise<string | undefined> {
    const { secretId, wrapped, mount } = this.#settings
    if (!secretId) return undefined
    const text = await readGiven(secretId, SETTING, this.#runtime)
    if (!wrapped) return text
    const name = nameOf(secretId, SETTING)
    if (isHeaderSafe(text)) return this.#unwrap(client, allowance, { token: text, name, mount })
    throw new SecretManagerError('SM_CONFIG_INVALID', `${name} does not hold one wrapping token`)
  }

  async #unwrap(client: VaultClient, allowance: Allowance, wrapped: Wrapped): Promise<string> {
    const { token } = wrapped
    if (this.#unwrapped?.token !== token) {
      this.#unwrapped = { token, outcome: await unwrapped(client, allowance, wrapped) }
    }
    const { outcome } = this.#unwrapped
    if (typeof outcome === 'string') return outcome
    throw outcome
  }
}

/** Throws only what leaves the wrapping token unused. */
async function unwrapped(
  client: VaultClient,
  allowance: Allowance,
  wrapped: Wrapped,
): Promise<string | SecretManagerError> {
  try {
    return await unwrapSecretId(client, allowance, wrapped)
  } catch (error) {
    if (isSecretManagerError(error) && error.code === 'SM_UNWRAP_REFUSED') return error
    throw error
  }
}
