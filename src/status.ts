/** What `sm.status()` tells: enough to see why a service is not ready, and nothing secret. */
import type { ReadType } from './config/types.ts'
import type { ErrorCode, SecretManagerError } from './errors.ts'

/** A SecretManager at one moment. Plain data. */
export interface Status {
  /** Whether every definition that was asked for has a dictionary to serve; `false` before the first has. */
  readonly ready: boolean
  readonly definitions: readonly DefinitionStatus[]
  readonly session: SessionStatus
  readonly backends: Readonly<Record<'vault' | 'kubernetes', BackendStatus>>
}

/** One definition that was asked for. */
export interface DefinitionStatus {
  readonly secretName: string
  /** Absent: left to the pod or the context. */
  readonly namespace: string | undefined
  readonly readType: ReadType
  readonly readKey: string
  readonly transitKey: string
  /**
   * `loading`: being read for the first time. `fresh`: current when last looked at. `stale`: served
   * although the last refresh failed. `failed`: nothing to serve.
   */
  readonly freshness: 'loading' | 'fresh' | 'stale' | 'failed'
  /** Milliseconds since it was last known to be current; absent where there is nothing to serve. */
  readonly ageMs: number | undefined
  /** Version of the Transit key that the ciphertext is under. */
  readonly keyVersion: number | undefined
  /** Revision of a sealed document. */
  readonly revision: number | undefined
  /** Why it could not be read or refreshed last. */
  readonly trouble: Trouble | undefined
}

/** The Vault token. */
export interface SessionStatus {
  /** Auth method. */
  readonly method: string
  /** `none`: the next call logs in. */
  readonly state: 'none' | 'live'
  readonly tokenType: 'service' | 'batch' | 'given' | undefined
  /** Milliseconds; absent without a token, or where nobody knows. */
  readonly expiresInMs: number | undefined
  /** How many succeeded so far. */
  readonly logins: number
  readonly renewals: number
  /** Why the last login or renewal failed, if none succeeded since. */
  readonly trouble: Trouble | undefined
}

/** A server. */
export interface BackendStatus {
  /** `unknown`: not asked yet. `failing`: the last answer was none, or one of a server that cannot serve. */
  readonly state: 'unknown' | 'ok' | 'failing'
  /** Milliseconds until it is asked again at the earliest; 0 where it may be asked now. */
  readonly nextAttemptInMs: number
  readonly trouble: Trouble | undefined
}

/** A failure and when it was. */
export interface Trouble {
  readonly code: ErrorCode
  readonly message: string
  readonly hint: string
  /** Joins Vault's audit log. */
  readonly requestId: string | undefined
  /** Milliseconds since. */
  readonly agoMs: number
}

/** What is known of each part. */
export interface StatusParts extends Pick<Status, 'definitions' | 'session'> {
  readonly vault: BackendStatus
  readonly kubernetes: BackendStatus
}

/** Puts the parts together. */
export function statusOf({ definitions, session, vault, kubernetes }: StatusParts): Status {
  const isServed = ({ freshness }: DefinitionStatus): boolean =>
    freshness === 'fresh' || freshness === 'stale'
  return {
    ready: definitions.length > 0 && definitions.every(isServed),
    definitions,
    session,
    backends: { vault, kubernetes },
  }
}

/** A failure as status shows it, `agoMs` after it happened. */
export function troubleOf(
  { code, message, hint, requestId }: SecretManagerError,
  agoMs: number,
): Trouble {
  return { code, message, hint, requestId, agoMs: Math.round(agoMs) }
}
