/**
 * What may be watched from outside, through `node:diagnostics_channel`: where nobody listens it costs
 * one comparison. Every field is copied by name, so that nothing gets in by being part of something.
 *
 * @see https://nodejs.org/api/diagnostics_channel.html
 */
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'

import type { ErrorCode, SecretManagerError } from './errors.ts'

/** An attempt failed and another follows. */
export interface RetryEvent {
  readonly backend: 'vault' | 'kubernetes'
  /** The failure of this attempt, in the words of its error. */
  readonly code: ErrorCode
  readonly message: string
  readonly hint: string
  /** Attempts that failed so far, from 1. */
  readonly attempt: number
  /** Milliseconds since the call began. */
  readonly elapsedMs: number
  /** Milliseconds until the next attempt. */
  readonly waitMs: number
}

const RETRY = 'secretmanager:retry'

const retries = channel(RETRY)

/** Publishes a {@link RetryEvent} on the channel `secretmanager:retry`. */
export function publishRetry(
  error: SecretManagerError,
  facts: Omit<RetryEvent, 'code' | 'message' | 'hint'>,
): void {
  if (!retries.hasSubscribers) return
  const { code, message, hint } = error
  const { backend, attempt, elapsedMs, waitMs } = facts
  const event: RetryEvent = { backend, code, message, hint, attempt, elapsedMs, waitMs }
  retries.publish(event)
}

/** Calls `listener` with each {@link RetryEvent}, until the function that it gives is called. */
export function onRetry(listener: (event: RetryEvent) => void): () => void {
  const receive = (message: unknown): void => {
    if (isRetryEvent(message)) listener(message)
  }
  subscribe(RETRY, receive)
  return () => void unsubscribe(RETRY, receive)
}

/** Channels are untyped, and whoever knows the name may publish. */
function isRetryEvent(message: unknown): message is RetryEvent {
  return typeof message === 'object' && message !== null && 'waitMs' in message
}
