import { SecretManagerError } from '../errors.ts'

/**
 * Waits for `promise`, but no longer than `signal` allows; the work behind it goes on for others.
 *
 * @throws {@link SecretManagerError} SM_ABORTED when `signal` aborts first
 */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(aborted())
    if (signal.aborted) giveUp()
    signal.addEventListener('abort', giveUp, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp))
  })
}

/**
 * Calls `run` when `signal` aborts, until the function that it gives is called. However many calls share
 * a signal, it has one listener: Node warns of more than ten, and Node 20 never forgets what
 * `AbortSignal.any` derived from a signal that lives on.
 */
export function onAbort(signal: AbortSignal, run: () => void): () => void {
  const all = listenersOf(signal)
  all.add(run)
  return () => void all.delete(run)
}

const LISTENERS = new WeakMap<AbortSignal, Set<() => void>>()

function listenersOf(signal: AbortSignal): Set<() => void> {
  const known = LISTENERS.get(signal)
  if (known) return known
  const all = new Set<() => void>()
  LISTENERS.set(signal, all)
  const tell = (): void => {
    for (const run of all) run()
  }
  signal.addEventListener('abort', tell, { once: true })
  return all
}

/** The error of a call that its caller gave up. */
export function aborted(): SecretManagerError {
  return new SecretManagerError('SM_ABORTED', 'the call was aborted')
}

/** The error of a call that was made too late, or ended by closing. */
export function closed(): SecretManagerError {
  return new SecretManagerError('SM_CLOSED', 'this SecretManager is closed')
}
