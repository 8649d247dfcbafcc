/** The one request that adds a version to a key: sent once, in time, and not believed more than it says. */
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import { onAbort } from '../lib/abort.ts'
import type { Runtime } from '../runtime.ts'

/** What the request is sent with. */
export interface AskParts {
  readonly runtime: Runtime
  /** Adds a version; sent once. @returns the latest version */
  readonly rotate: (signal: AbortSignal) => Promise<number>
  /** How long the request may be under way, from its note in the journal on, in milliseconds. */
  readonly askMs: number
}

/** When the journal was told of it, and what it must exceed. */
export interface Asking {
  /** Monotonic, in milliseconds. */
  readonly notedAt: number
  /** Latest version before. */
  readonly from: number
  readonly signal: AbortSignal
}

/**
 * Asks for a new version. Who waits for this run waits longer than this may take.
 *
 * @returns the latest version, or why there is no answer
 */
export async function askOnce(
  { rotate, runtime, askMs }: AskParts,
  { notedAt, from, signal }: Asking,
): Promise<number | SecretManagerError> {
  const limit = new AbortController()
  const leftMs = notedAt + askMs - runtime.now()
  if (leftMs <= 0) return late()
  const cancel = runtime.after(leftMs, () => limit.abort(), true)
  const forget = onAbort(signal, () => limit.abort())
  try {
    const to = await rotate(limit.signal)
    return to > from ? to : stale(from)
  } catch (error) {
    if (!isSecretManagerError(error)) throw error
    return limit.signal.aborted && !signal.aborted ? late() : error
  } finally {
    cancel()
    forget()
  }
}

/** Whether nothing was done. A gateway's 5xx does not say so, nor does half an answer. */
export function isRefusal({ status = 0 }: SecretManagerError): boolean {
  return status >= 400 && status < 500
}

/** An answer without a version has a standby asked for it, which may lag behind. */
function stale(from: number): SecretManagerError {
  const message = `the key was rotated, and this replica still knows version ${from} as its latest`
  return new SecretManagerError('SM_VAULT_STALE_REPLICA', message, { hint: 'run it again' })
}

function late(): SecretManagerError {
  return new SecretManagerError('SM_TIMEOUT', 'the key could not be rotated in time', {
    hint: 'run it again: it finds out whether the key was rotated all the same',
  })
}
