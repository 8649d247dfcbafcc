/**
 * One identity at one Vault: a token that is got when first needed, shared by all, and kept alive while
 * it is used. What to do when is decided by {@link next}; here it is done.
 */
import { isSecretManagerError, type SecretManagerError } from '../errors.ts'
import type { Allowance, Budget } from '../http/budget.ts'
import { closed } from '../lib/abort.ts'
import { wakefulClock } from '../lib/wakeful-clock.ts'
import type { Runtime } from '../runtime.ts'
import { troubleOf, type SessionStatus } from '../status.ts'
import { eventError, publish } from '../telemetry.ts'
import type { VaultClient } from './client.ts'
import { Denials, isDenied, told } from './denials.ts'
import { authenticate, type Login, type VaultAuth } from './login.ts'
import {
  next,
  NO_TOKEN,
  type HeldToken,
  type SessionEffect,
  type SessionEvent,
  type SessionState,
  type SessionWork,
} from './session-state.ts'
import { tokenStatus } from './token-status.ts'

/** What a session works with. */
export interface SessionParts {
  readonly client: VaultClient
  readonly login: Login
  /** Name of the auth method, for status and events. */
  readonly method: string
  readonly budget: Budget
  readonly runtime: Runtime
}

/** One identity at one Vault. */
export class Session {
  readonly #parts: SessionParts
  readonly #clock: () => number
  #state: SessionState = NO_TOKEN
  /** The login under way. */
  #flight: { readonly token: Promise<HeldToken>; readonly allowance: Allowance } | undefined
  #cancelTimer: () => void = () => undefined
  /** How the last login failed, or its token was refused: the next login is a retry, and spends from the budget. */
  #retryOf: SecretManagerError | undefined
  #trouble: { readonly error: SecretManagerError; readonly at: number } | undefined
  readonly #denials = new Denials()
  readonly #count = { login: 0, renewal: 0 }
  #isClosed = false

  constructor(parts: SessionParts) {
    this.#parts = parts
    this.#clock = wakefulClock(parts.runtime)
  }

  /**
   * Performs `operation` with a live token; after a 403 once more with a new one, because Vault
   * answers alike for a dead token and for a missing policy. Where the new one is refused, too, it is the
   * policy, and for a minute a refusal of this path costs no login.
   *
   * @param path - what is asked for
   * @throws {@link SecretManagerError} what login or operation reject with
   */
  async use<T>(
    allowance: Allowance,
    path: string,
    operation: (token: string) => Promise<T>,
  ): Promise<T> {
    const result = await this.#attempt(allowance, path, operation)
    this.#denials.clear(path)
    // Whatever else a read needs has answered before: only now has the start succeeded.
    this.#parts.budget.started()
    return result
  }

  /** Logs in now, unless a token is live. */
  async ready(allowance: Allowance): Promise<void> {
    await this.#token(allowance)
  }

  /** How it is, without a call. */
  status(): SessionStatus {
    const now = this.#clock()
    return {
      method: this.#parts.method,
      ...tokenStatus(this.#state, now),
      logins: this.#count.login,
      renewals: this.#count.renewal,
      trouble: this.#trouble && troubleOf(this.#trouble.error, now - this.#trouble.at),
    }
  }

  /** Revokes the token where that is worth a call, and forgets it. Never fails: the token expires by itself. */
  async close(allowance: Allowance): Promise<void> {
    this.#isClosed = true
    this.#cancelTimer()
    const { state, effect } = next(this.#state, { kind: 'closed' }, this.#clock())
    this.#state = state
    if (effect.kind !== 'revoke') return
    const { token } = effect
    const request = { method: 'POST', path: 'auth/token/revoke-self', token, once: true } as const
    await this.#parts.client.request(allowance, request).catch(() => undefined)
  }

  async #attempt<T>(
    allowance: Allowance,
    path: string,
    operation: (token: string) => Promise<T>,
  ): Promise<T> {
    const { value: token, type } = await this.#token(allowance)
    try {
      return await operation(token)
    } catch (error) {
      if (!isDenied(error)) throw error
      if (this.#denials.covers(path, this.#clock())) throw told(error, type)
      if (this.#state.token?.value === token) this.#retryOf = error
      this.#step({ kind: 'refused', token })
      const fresh = await this.#token(allowance)
      return operation(fresh.value).catch((again: unknown) => {
        if (!isDenied(again)) throw again
        this.#denials.add(path, this.#clock())
        throw told(again, type)
      })
    }
  }

  /** Who waited for a login that ran out of its own time still has the time that is left to them. */
  async #token(allowance: Allowance): Promise<HeldToken> {
    let failure: SecretManagerError | undefined
    for (;;) {
      this.#step({ kind: 'wanted' })
      if (this.#state.token) return this.#state.token
      const flight = this.#flight
      if (!flight) throw closed()
      try {
        return await allowance.join(flight.token, 'the login', failure)
      } catch (error) {
        if (!isSecretManagerError(error) || !error.retryable) throw error
        if (!flight.allowance.ranOut() || allowance.ranOut()) throw error
        failure = error
      }
    }
  }

  #step(event: SessionEvent): void {
    if (this.#isClosed) return
    const { state, effect } = next(this.#state, event, this.#clock())
    this.#state = state
    this.#perform(effect)
  }

  #perform(effect: SessionEffect): void {
    switch (effect.kind) {
      case 'login':
        return this.#logIn()
      case 'renew':
        return settleAlone(this.#renew(effect.token))
      case 'wake':
        this.#cancelTimer()
        this.#cancelTimer = this.#parts.runtime.after(effect.at - this.#clock(), () => {
          this.#step({ kind: 'due' })
        })
        return undefined
      case 'revoke':
      case 'none':
        return undefined
    }
  }

  #logIn(): void {
    const { client, login, budget } = this.#parts
    const allowance = budget.begin()
    const work = this.#work({ work: 'login' }, allowance, async () => {
      if (this.#retryOf) await allowance.admit('vault', this.#retryOf)
      return login(client, allowance)
    })
    const token = work.finally(() => {
      // Only while still current: a slow old run must not clear a newer one.
      if (this.#flight === flight) this.#flight = undefined
    })
    const flight = { token, allowance }
    this.#flight = flight
    settleAlone(token)
  }

  /** @see https://developer.hashicorp.com/vault/api-docs/auth/token#renew-a-token-self */
  #renew(token: string): Promise<HeldToken> {
    const { client, budget } = this.#parts
    const allowance = budget.begin()
    const request = { path: 'auth/token/renew-self', token, body: {} }
    return this.#work({ work: 'renewal', token }, allowance, () =>
      authenticate(client, allowance, request),
    )
  }

  /** Has an allowance of its own: who started it may give up, the others still wait. */
  async #work(what: Work, allowance: Allowance, run: () => Promise<VaultAuth>): Promise<HeldToken> {
    const started = { at: this.#parts.runtime.now(), byClock: this.#clock() }
    try {
      this.#granted(what, await run(), started)
      // Also where it has ended already: whoever waited for it may try it once.
      if (this.#state.token) return this.#state.token
    } catch (error) {
      this.#failed(what, error, started.at)
      throw error
    } finally {
      allowance.end()
    }
    throw closed()
  }

  #granted(what: Work, auth: VaultAuth, started: Moment): void {
    const { runtime, method } = this.#parts
    const now = runtime.now()
    // Not from now backwards: the machine may have slept between question and answer.
    const sentAt = started.byClock + auth.sentAt - started.at
    const grant = { ...auth, sentAt, random: runtime.random() }
    this.#step({ kind: 'granted', ...what, grant })
    this.#count[what.work] += 1
    this.#trouble = undefined
    if (what.work === 'login') this.#retryOf = undefined
    const life = auth.ttlMs < Infinity ? { ttlMs: auth.ttlMs } : {}
    publish(what.work, () => ({ method, durationMs: now - started.at, ...life }))
  }

  /** Whatever it is, the state hears of it: a session that waits for what has ended never recovers. */
  #failed({ work, token }: Work, error: unknown, startedAt: number): void {
    const { runtime, method } = this.#parts
    const known = isSecretManagerError(error) ? error : undefined
    if (known && known.code !== 'SM_ABORTED') {
      this.#trouble = { error: known, at: this.#clock() }
      if (work === 'login') this.#retryOf = known
      const durationMs = runtime.now() - startedAt
      publish(work, () => ({ method, durationMs, error: eventError(known) }))
    }
    const denied = known?.retryable !== true
    this.#step({ kind: 'failed', work, token, denied, random: runtime.random() })
  }
}

/** What is under way; of a renewal with its token. */
type Work = { readonly work: SessionWork; readonly token?: string }

/** A moment by the monotonic clock, and by the session's. */
type Moment = { readonly at: number; readonly byClock: number }

/** What came of it is in the state; who waits for it hears it, too. */
function settleAlone(work: Promise<unknown>): void {
  work.catch(() => undefined)
}
