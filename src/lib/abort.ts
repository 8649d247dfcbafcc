import { SecretManagerError } from '../errors.ts'

/**
 * Waits for `promise`, but no longer than `signal` allows; the work behind it goes on for others.
 *
 * @throws {@link SecretManagerError} SM_ABORTED when `signal` aborts first
 */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(aborted())
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

/** The error of a call that its caller gave up. */
export function aborted(): SecretManagerError {
  return new SecretManagerError('SM_ABORTED', 'the call was aborted')
}
