import { refusal } from '../core/failure.ts'
import type { World } from '../core/operation.ts'

/** Wrong secret_ids in a row that are let pass. */
const THRESHOLD = 5
/** For how long a role_id is locked, and after how long failures are forgotten. */
const DURATION_MS = 15 * 60_000

/**
 * Locks a role_id after wrong secret_ids, right ones included, as Vault does.
 *
 * https://openbao.org/docs/concepts/user-lockout/
 */
export class Lockout {
  readonly #clock: World['clock']
  readonly #failures = new Map<string, { readonly count: number; readonly lastAt: number }>()

  constructor(clock: World['clock']) {
    this.#clock = clock
  }

  /** @throws VaultFailure 403, without a reason, while the role_id is locked */
  check(roleId: string): void {
    if (this.#recent(roleId) >= THRESHOLD) throw refusal('permission denied', 403)
  }

  fail(roleId: string): void {
    this.#failures.set(roleId, { count: this.#recent(roleId) + 1, lastAt: this.#clock() })
  }

  succeed(roleId: string): void {
    this.#failures.delete(roleId)
  }

  #recent(roleId: string): number {
    const { count, lastAt } = this.#failures.get(roleId) ?? { count: 0, lastAt: 0 }
    return this.#clock() - lastAt < DURATION_MS ? count : 0
  }
}
