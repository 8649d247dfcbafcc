/** What `sm.status()` tells: enough to see why a service is not ready, and nothing secret. */
import type { Definition } from './config/settings.ts'
import type { ReadType } from './config/types.ts'
import type { ErrorCode, SecretManagerError } from './errors.ts'

/** A SecretManager at one moment. Plain data. */
export interface Status {
  /** Whether every one of {@link definitions} has a dictionary to serve; `false` before any was served. */
  readonly ready: boolean
  /** Those with something to serve or under way, and those that were asked for in the last 5 minutes in vain. */
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

/** What keeps definitions. */
export interface StatusOfMany {
  /** Whether anything could ever be read. */
  readonly hasServed: boolean
  status(): readonly DefinitionStatus[]
}

/** What is known of the rest. */
export interface StatusParts extends Pick<Status, 'session'> {
  readonly vault: BackendStatus
  readonly kubernetes: BackendStatus
}

/** Puts the parts together. */
export function statusOf(
  caches: readonly StatusOfMany[],
  { session, vault, kubernetes }: StatusParts,
): Status {
  const definitions = caches.flatMap((cache) => cache.status())
  const isServed = ({ freshness }: DefinitionStatus): boolean =>
    freshness === 'fresh' || freshness === 'stale'
  const hasServed = caches.some((cache) => cache.hasServed)
  const ready = hasServed && definitions.every(isServed)
  return { ready, definitions, session, backends: { vault, kubernetes } }
}

/** What a cache knows of a definition. */
export interface DefinitionFacts {
  readonly kept:
    | {
        readonly ageMs: number
        readonly keyVersion: number | undefined
        readonly revision: number | undefined
      }
    | undefined
  readonly trouble: Trouble | undefined
}

/** A definition as status shows it. */
export function definitionStatus(
  { secretName, namespace, readType, readKey, transitKey }: Definition,
  { kept, trouble }: DefinitionFacts,
): DefinitionStatus {
  const [served, notServed] = trouble
    ? (['stale', 'failed'] as const)
    : (['fresh', 'loading'] as const)
  return {
    secretName,
    namespace,
    readType,
    readKey,
    transitKey,
    freshness: kept ? served : notServed,
    ageMs: kept && Math.round(kept.ageMs),
    keyVersion: kept?.keyVersion,
    revision: kept?.revision,
    trouble,
  }
}

/** A failure as status shows it, `agoMs` after it happened. */
export function troubleOf(
  { code, message, hint, requestId }: SecretManagerError,
  agoMs: number,
): Trouble {
  return { code, message, hint, requestId, agoMs: Math.round(agoMs) }
}
