/** What a 403 of Vault stands for, as its answer does not say it. */
import { isSecretManagerError, withFacts, type SecretManagerError } from '../errors.ts'
import type { HeldToken } from './session-state.ts'

/** How long a missing policy is believed to be still missing, in milliseconds. */
const BELIEVED_MS = 60_000

/** Whether Vault denied a request: the token is dead, or a policy is missing. */
export function isDenied(error: unknown): error is SecretManagerError {
  return isSecretManagerError(error) && error.code === 'SM_VAULT_DENIED'
}

/** Paths that a new token was denied: it is the policy, and another login would not help. */
export class Denials {
  readonly #until = new Map<string, number>()

  add(path: string, now: number): void {
    this.#until.set(path, now + BELIEVED_MS)
  }

  clear(path: string): void {
    this.#until.delete(path)
  }

  /** Whether a 403 of `path` is believed to be the policy's. */
  covers(path: string, now: number): boolean {
    return now < (this.#until.get(path) ?? 0)
  }
}

/** The failure as who has the token must hear it: nobody can log in anew with one that was given. */
export function told(error: SecretManagerError, type: HeldToken['type']): SecretManagerError {
  if (type !== 'given') return error
  const hint = `the token that was given is invalid, or expired, or lacks the path: vault token lookup, vault login; ${error.hint}`
  return withFacts(error, { hint })
}
