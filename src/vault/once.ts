/** Requests that must not be processed twice: what their failures say about what became of them. */
import {
  isSecretManagerError,
  withFacts,
  type ErrorCode,
  type SecretManagerError,
} from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { anotherAttempt } from '../http/call.ts'

/**
 * What became of a request that failed. `unprocessed`: nothing was sent, or the server declined to look
 * at it. `unknown`: it may have been processed. `answered`: it was, and the failure is the answer.
 */
type Fate = 'unprocessed' | 'unknown' | 'answered'

/** Tells what became of a request from its failure. */
function fateOf(error: SecretManagerError): Fate {
  // A call says how long it took as soon as it made an attempt: this one waited for its turn in vain.
  if (error.elapsedMs === undefined) return 'unprocessed'
  if (UNPROCESSED.has(error.code)) return 'unprocessed'
  if (!UNKNOWN.has(error.code)) return 'answered'
  return UNSENT.has(error.causeClass ?? '') ? 'unprocessed' : 'unknown'
}

/** A quota, a seal or a standby stands before everything that a request could do. */
const UNPROCESSED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'SM_VAULT_RATE_LIMITED',
  'SM_VAULT_SEALED',
  'SM_VAULT_UNINITIALIZED',
  'SM_VAULT_STANDBY',
  'SM_VAULT_STALE_REPLICA',
  'SM_REDIRECT_REFUSED',
  'SM_TLS_UNTRUSTED',
  'SM_TLS_EXPIRED',
  'SM_TLS_NAME_MISMATCH',
])

const UNKNOWN: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'SM_VAULT_UNREACHABLE',
  'SM_VAULT_TIMEOUT',
  'SM_VAULT_BAD_RESPONSE',
  'SM_VAULT_5XX',
  // A handshake that fails, but also a connection that breaks later.
  'SM_TLS_FAILED',
  'SM_ABORTED',
])

/** Causes of failures to connect; a reset comes on a connection that was made. */
const UNSENT: ReadonlySet<string> = new Set([
  'NO_CONNECTION',
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_FAIL',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ENETDOWN',
  'EADDRNOTAVAIL',
])

/** An answer that is none is believed the second time: what gives it seldom mends. */
const BROKEN_ANSWERS = 2

/**
 * Sends a request that says `once`, and again while it certainly was not processed and the allowance
 * permits.
 *
 * @param onUnknown - makes the error of a request that may have been processed, which must not be
 * retryable; `undefined` where it may be repeated all the same
 * @throws {@link SecretManagerError} what `send` or `onUnknown` gave
 */
export async function sendOnce<T>(
  allowance: Allowance,
  send: () => Promise<T>,
  onUnknown: (error: SecretManagerError) => SecretManagerError | undefined,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await send()
    } catch (error) {
      if (!isSecretManagerError(error)) throw error
      const final = finalError(error, attempt, onUnknown)
      if (final) throw final
      const again =
        allowance.hasTime() && (await anotherAttempt('vault', allowance, error, attempt))
      if (!again) throw withFacts(error, { attempts: attempt })
    }
  }
}

function finalError(
  error: SecretManagerError,
  attempt: number,
  onUnknown: (error: SecretManagerError) => SecretManagerError | undefined,
): SecretManagerError | undefined {
  const fate = fateOf(error)
  const verdict = fate === 'unknown' ? onUnknown(error) : undefined
  if (verdict) return verdict
  const isBelieved = error.code === 'SM_VAULT_BAD_RESPONSE' && attempt >= BROKEN_ANSWERS
  return fate === 'answered' || !error.retryable || isBelieved ? error : undefined
}
