/**
 * Login with a role_id and a secret_id.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/auth/approle#login-with-approle
 */
import type { AppRoleSettings } from '../config/settings.ts'
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import type { Runtime } from '../runtime.ts'
import {
  appRoleDenied,
  INVALID_ID,
  notSentAgain,
  refusedAfter,
  type Use,
} from './approle-errors.ts'
import type { Refusal, VaultClient } from './client.ts'
import { nameOf, readGiven } from './given.ts'
import { authenticate, type Login, type VaultAuth } from './login.ts'
import { sendOnce } from './once.ts'
import { SecretIds } from './secret-ids.ts'

/**
 * How long what Vault refused is not sent again, in milliseconds. Five refusals, none of them a quarter
 * of an hour after the one before, lock a role_id for everybody who uses it.
 *
 * @see https://developer.hashicorp.com/vault/docs/concepts/user-lockout
 */
const REST_MS = 16 * 60_000

/**
 * Logs in with a role_id and, where one is configured, a secret_id.
 *
 * @returns a login that rejects with SM_AUTH_DENIED, SM_SECRET_ID_SPENT, SM_UNWRAP_REFUSED,
 * SM_FILE_UNREADABLE, SM_CONFIG_INVALID
 */
export function approleLogin(settings: AppRoleSettings, runtime: Runtime): Login {
  const appRole = new AppRole(settings, runtime)
  return (client, allowance) => appRole.logIn(client, allowance)
}

interface Ids {
  readonly roleId: string
  readonly secretId: string | undefined
}

/** What became of the ids that were sent last. */
interface Last {
  readonly ids: Ids
  /** Of the secret_id, however the last login with it ended. */
  readonly use: Use | undefined
  readonly refusal: { readonly error: SecretManagerError; readonly until: number } | undefined
}

class AppRole {
  readonly #settings: AppRoleSettings
  readonly #runtime: Runtime
  readonly #secretIds: SecretIds
  #last: Last | undefined

  constructor(settings: AppRoleSettings, runtime: Runtime) {
    this.#settings = settings
    this.#runtime = runtime
    this.#secretIds = new SecretIds(settings, runtime)
  }

  async logIn(client: VaultClient, allowance: Allowance): Promise<VaultAuth> {
    const roleId = await readGiven(this.#settings.roleId, 'vault.auth.roleId', this.#runtime)
    const secretId = await this.#secretIds.current(client, allowance)
    const ids = { roleId, secretId }
    this.#checkRepetition(ids)
    const send = (): Promise<VaultAuth> => this.#send(client, allowance, ids)
    const auth = await sendOnce(allowance, send, (error) => this.#outcomeUnknown(ids, error))
    this.#used(ids, 'worked')
    return auth
  }

  /** A secret_id that works once goes out once; a pair that was refused goes out seldom. */
  #checkRepetition(ids: Ids): void {
    const use = this.#useOf(ids)
    if (use && this.#settings.singleUse) throw notSentAgain(use, this.#place())
    const { ids: last, refusal } = this.#last ?? {}
    const isSame = last?.roleId === ids.roleId && last.secretId === ids.secretId
    if (isSame && refusal && this.#runtime.now() < refusal.until) throw refusal.error
  }

  async #send(client: VaultClient, allowance: Allowance, ids: Ids): Promise<VaultAuth> {
    const { roleId: role_id, secretId: secret_id } = ids
    try {
      return await authenticate(client, allowance, {
        path: `auth/${this.#settings.mount}/login`,
        body: secret_id === undefined ? { role_id } : { role_id, secret_id },
        once: true,
        refused: (refusal) => this.#refused(ids, refusal),
      })
    } catch (error) {
      // It was used all the same.
      if (isSecretManagerError(error) && error.code === 'SM_AUTH_BAD_LEASE')
        this.#used(ids, 'worked')
      throw error
    }
  }

  #refused(ids: Ids, refusal: Refusal): SecretManagerError {
    const { mount } = this.#settings
    const isInvalid = refusal.sentence === INVALID_ID
    const use = isInvalid ? this.#useOf(ids) : undefined
    const error = use ? refusedAfter(use, this.#place(), refusal) : appRoleDenied(mount, refusal)
    const until = this.#runtime.now() + REST_MS
    if (isInvalid) this.#last = { ids, use, refusal: { error, until } }
    return error
  }

  /** Where the secret_id works more than once, the login is repeated like every other. */
  #outcomeUnknown(ids: Ids, error: SecretManagerError): SecretManagerError | undefined {
    this.#used(ids, 'unknown')
    const isSpent = this.#settings.singleUse && ids.secretId !== undefined
    return isSpent ? notSentAgain('unknown', this.#place(), error) : undefined
  }

  #used(ids: Ids, use: Use): void {
    this.#last = { ids, use, refusal: undefined }
  }

  /** What became of this very secret_id in a login before. */
  #useOf({ secretId }: Ids): Use | undefined {
    if (secretId === undefined || this.#last?.ids.secretId !== secretId) return undefined
    return this.#last.use
  }

  #place(): { mount: string; name: string } {
    const { mount, secretId } = this.#settings
    return { mount, name: secretId ? nameOf(secretId, 'vault.auth.secretId') : '' }
  }
}
