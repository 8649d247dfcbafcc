/** What a check comes to, as data. Nothing here holds a value, a token, a JWT or a ciphertext. */
import { isSecretManagerError, type ErrorCode, type SecretManagerError } from '../errors.ts'

/**
 * `warning`: it works, and should be otherwise. `finding`: it does not work, or will not. `critical`: what
 * protects the secrets does not.
 */
export type Outcome = 'ok' | 'warning' | 'finding' | 'critical' | 'not checked'

/** What a check came to. */
export interface Verdict {
  readonly outcome: Outcome
  /** What is the case, in one line; of `not checked`, what would be needed. */
  readonly reason: string
  /** The command or the change that mends it. */
  readonly mend?: string | undefined
}

/** As it should be. */
export function ok(reason: string): Verdict {
  return { outcome: 'ok', reason }
}

/** Works, and should be otherwise. */
export function warning(reason: string, mend: string): Verdict {
  return { outcome: 'warning', reason, mend }
}

/** Does not work, or will not. */
export function finding(reason: string, mend: string): Verdict {
  return { outcome: 'finding', reason, mend }
}

/** What protects the secrets does not. */
export function critical(reason: string, mend: string): Verdict {
  return { outcome: 'critical', reason, mend }
}

/** Nobody can tell without what is named. */
export function notChecked(needs: string): Verdict {
  return { outcome: 'not checked', reason: needs }
}

/** A failure of ours as a finding: its message and its hint. */
export function failed({ message, hint }: SecretManagerError): Verdict {
  return finding(message, hint)
}

/** Whether the exit code tells of it. */
export function isFound({ outcome }: Verdict): boolean {
  return outcome === 'warning' || outcome === 'finding' || outcome === 'critical'
}

/**
 * Ends a check for want of something: a permission, a setting, another check. What is wanted is its
 * message, and all there is to it.
 */
export class Missing extends Error {}

/** An error as it is, or {@link Missing} where it is a refusal by this code. */
export function ifDenied(code: ErrorCode, error: unknown, needs: string): unknown {
  return isSecretManagerError(error) && error.code === code ? new Missing(needs) : error
}
