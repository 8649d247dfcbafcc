/**
 * The life of one Vault token: got when first needed, shared by all, used until it is about to expire.
 *
 * Tokens live seconds, so there is no timer and no renewal: a token serves every call until shortly
 * before its end, and the next call after that logs in.
 */
import { isSecretManagerError, type SecretManagerError } from '../errors.ts'
import type { Allowance, Budget } from '../http/budget.ts'
import { untilAborted } from '../lib/abort.ts'
import { SingleFlight } from '../lib/single-flight.ts'
import type { Runtime } from '../runtime.ts'
import type { VaultClient } from './client.ts'
import type { Login, VaultAuth } from './login.ts'

interface HeldToken extends VaultAuth {
  /** Monotonic time after which it must not be used. */
  readonly usableUntil: number
  readonly expiresAt: number
}

/** A service token that would outlive the process by this much is worth a call to revoke it. */
const REVOKE_ABOVE_MS = 60_000

/** One identity at one Vault. */
export class Session {
  readonly #client: VaultClient
  readonly #login: Login
  readonly #budget: Budget
  readonly #runtime: Runtime
  readonly #flight = new SingleFlight<HeldToken>()
  #held: HeldToken | undefined
  /** How the last login failed, or its token was refused: the next login is a retry, and spends from the budget. */
  #retryOf: SecretManagerError | undefined

  constructor(client: VaultClient, login: Login, budget: Budget, runtime: Runtime) {
    this.#client = client
    this.#login = login
    this.#budget = budget
    this.#runtime = runtime
  }

  /**
   * Performs `operation` with a live token; after a 403 once more with a new one, because Vault
   * answers alike for a dead token and for a missing policy.
   *
   * @throws {@link SecretManagerError} what login or operation reject with
   */
  async use<T>(allowance: Allowance, operation: (token: string) => Promise<T>): Promise<T> {
    const result = await this.#attempt(allowance, operation)
    // Whatever else a read needs has answered before: only now has the start succeeded.
    this.#budget.started()
    return result
  }

  /** Logs in now, unless a token is live. */
  async ready(allowance: Allowance): Promise<void> {
    await this.#token(allowance)
  }

  /** Revokes the token where that is worth a call, and forgets it. Never fails: the token expires by itself. */
  async close(allowance: Allowance): Promise<void> {
    const held = this.#held
    this.#held = undefined
    if (!held || held.type === 'batch' || held.expiresAt - this.#runtime.now() <= REVOKE_ABOVE_MS)
      return
    const request = {
      method: 'POST',
      path: 'auth/token/revoke-self',
      token: held.token,
      once: true,
    } as const
    await this.#client.request(allowance, request).catch(() => undefined)
  }

  async #attempt<T>(allowance: Allowance, operation: (token: string) => Promise<T>): Promise<T> {
    const held = await this.#token(allowance)
    try {
      return await operation(held.token)
    } catch (error) {
      if (!isSecretManagerError(error) || error.code !== 'SM_VAULT_DENIED') throw error
      this.#drop(held, error)
      const fresh = await this.#token(allowance)
      return operation(fresh.token)
    }
  }

  #token(allowance: Allowance): Promise<HeldToken> {
    const held = this.#held
    if (held && this.#runtime.now() < held.usableUntil) return Promise.resolve(held)
    // The flight has an allowance of its own: who started it may give up, the others still wait.
    const flight = this.#flight.run(() => this.#logIn())
    return untilAborted(flight, allowance.signal)
  }

  async #logIn(): Promise<HeldToken> {
    const allowance = this.#budget.begin()
    try {
      if (this.#retryOf) await allowance.admit('vault', this.#retryOf)
      return await this.#authenticated(allowance)
    } finally {
      allowance.end()
    }
  }

  async #authenticated(allowance: Allowance): Promise<HeldToken> {
    try {
      const auth = await this.#login(this.#client, allowance)
      this.#retryOf = undefined
      this.#held = hold(auth)
      return this.#held
    } catch (error) {
      if (isSecretManagerError(error)) this.#retryOf = error
      throw error
    }
  }

  /** Only while still current: another call may have replaced it already. */
  #drop(held: HeldToken, refusal: SecretManagerError): void {
    if (this.#held !== held) return
    this.#held = undefined
    this.#retryOf = refusal
  }
}

/**
 * A tenth of its life, and at least a second, is left unused: the request must still arrive in time.
 * Of a token that lives less than two seconds, half.
 */
function hold(auth: VaultAuth): HeldToken {
  const expiresAt = auth.sentAt + auth.ttlMs
  const marginMs = Math.min(Math.max(1000, auth.ttlMs / 10), auth.ttlMs / 2)
  return { ...auth, expiresAt, usableUntil: expiresAt - marginMs }
}
