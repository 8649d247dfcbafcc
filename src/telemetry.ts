/**
 * What may be watched from outside, through `node:diagnostics_channel`: where nobody listens it costs
 * one comparison. Every event is built field by field, so that nothing gets in by being part of
 * something; no field ever holds a value, a token, or a server's own words.
 *
 * @see https://nodejs.org/api/diagnostics_channel.html
 */
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'

import type { ErrorCode, SecretManagerError } from './errors.ts'

/** A server that is asked. */
export type BackendName = 'vault' | 'kubernetes' | 'google'

/** What went wrong, in the words of its error. */
export interface EventError {
  readonly code: ErrorCode
  readonly message: string
  readonly hint: string
  /** Joins Vault's audit log. */
  readonly requestId?: string | undefined
}

/** `secretmanager:request`: one HTTP exchange ended. */
export interface RequestEvent {
  readonly backend: BackendName
  readonly method: string
  /** Status of the answer; absent where none came. */
  readonly status?: number | undefined
  /** Milliseconds. */
  readonly durationMs: number
  /** From 1. */
  readonly attempt: number
}

/** `secretmanager:retry`: an attempt failed and another follows. */
export interface RetryEvent extends EventError {
  readonly backend: BackendName
  /** Attempts that failed so far, from 1. */
  readonly attempt: number
  /** Milliseconds since the call began. */
  readonly elapsedMs: number
  /** Milliseconds until the next attempt. */
  readonly waitMs: number
}

/** `secretmanager:login` and `secretmanager:renewal`: one of either ended. */
export interface LoginEvent {
  /** Auth method, such as `kubernetes`. */
  readonly method: string
  readonly durationMs: number
  /** Life of the token, in milliseconds; absent where it failed or nobody knows. */
  readonly ttlMs?: number | undefined
  readonly error?: EventError | undefined
}

/** Names a definition. */
export interface EventDefinition {
  readonly secretName: string
  readonly namespace: string | undefined
  readonly readKey: string
}

/** `secretmanager:refresh`: a definition was read from the servers, or could not be. */
export interface RefreshEvent extends EventDefinition {
  readonly outcome: 'changed' | 'unchanged' | 'failed'
  readonly durationMs: number
  readonly error?: EventError | undefined
}

/**
 * `secretmanager:stale`, `secretmanager:fresh` and `secretmanager:dropped`: a kept dictionary is served
 * although it could not be refreshed, is current again, or is served no longer.
 */
export interface FreshnessEvent extends EventDefinition {
  /** Milliseconds since it was last known to be current. */
  readonly ageMs: number
  /** Absent when it is fresh again. */
  readonly error?: EventError | undefined
}

/** `secretmanager:security`: something that a person should look into. */
export interface SecurityEvent extends EventError {
  readonly kind: 'unwrap-refused'
}

/** Every channel, by its name without the prefix `secretmanager:`, and what it carries. */
export interface Channels {
  readonly request: RequestEvent
  readonly retry: RetryEvent
  readonly login: LoginEvent
  readonly renewal: LoginEvent
  readonly refresh: RefreshEvent
  readonly stale: FreshnessEvent
  readonly fresh: FreshnessEvent
  readonly dropped: FreshnessEvent
  readonly security: SecurityEvent
}

const CHANNELS = {
  request: channel('secretmanager:request'),
  retry: channel('secretmanager:retry'),
  login: channel('secretmanager:login'),
  renewal: channel('secretmanager:renewal'),
  refresh: channel('secretmanager:refresh'),
  stale: channel('secretmanager:stale'),
  fresh: channel('secretmanager:fresh'),
  dropped: channel('secretmanager:dropped'),
  security: channel('secretmanager:security'),
} as const satisfies Readonly<Record<keyof Channels, unknown>>

/** Publishes what `build` gives, if anybody listens. */
export function publish<Name extends keyof Channels>(
  name: Name,
  build: () => Channels[Name],
): void {
  if (CHANNELS[name].hasSubscribers) CHANNELS[name].publish(build())
}

/**
 * Calls `listener` with each event of a channel, until the function that it gives is called.
 *
 * An error that `listener` throws becomes an uncaught exception, as Node has it for every channel.
 *
 * @example
 * const stop = listen('retry', ({ backend, code, waitMs }) => log.warn({ backend, code, waitMs }))
 */
export function listen<Name extends keyof Channels>(
  name: Name,
  listener: (event: Channels[Name]) => void,
): () => void {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- channels are untyped; only we publish on ours
  const receive = (message: unknown): void => listener(message as Channels[Name])
  subscribe(`secretmanager:${name}`, receive)
  return () => void unsubscribe(`secretmanager:${name}`, receive)
}

/** What of an error an event shows. */
export function eventError({ code, message, hint, requestId }: SecretManagerError): EventError {
  return { code, message, hint, ...(requestId !== undefined && { requestId }) }
}
