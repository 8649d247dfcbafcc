/**
 * What the core works with: complete forms of what a person writes. Nothing here is optional, no
 * default is applied further in, and every duration is in milliseconds.
 */
import type { TransportOptions } from '../runtime.ts'
import type { CustomLogin, ReadType, StandardSchema } from './types.ts'

/** A configuration with everything resolved. */
export interface Settings {
  /** Limits of one request to one server. */
  readonly attempt: { readonly connectTimeoutMs: number; readonly timeoutMs: number }
  readonly startupWaitMs: number
  readonly cluster: string
  readonly vault: {
    /** Checked; without a trailing slash. */
    readonly url: string
    readonly namespace: string | undefined
    readonly transport: TransportOptions
    /** Checked path segments, without slashes around them. */
    readonly transitMount: string
    readonly auth: AuthSettings
    /** Each `host:port` in lower case, the port always there. */
    readonly redirectHosts: readonly string[]
  }
  readonly kubernetes: {
    readonly kubeconfig: string | undefined
    readonly context: string | undefined
    readonly namespace: string | undefined
    readonly serviceAccount: string | undefined
    readonly mountedAt: string | undefined
  }
  readonly cache: CacheSettings
  /** Written in the Python original's shape: its token audience, its ServiceAccount, raw documents. */
  readonly legacy: boolean
}

/** How long values are kept, in milliseconds; `refreshAfterMs` is never the longer one. */
export interface CacheSettings {
  readonly refreshAfterMs: number
  readonly keepAtMostMs: number
  readonly onDenied: 'keepStale' | 'drop'
}

/** How to log in. Mounts are checked path segments, without slashes around them. */
export type AuthSettings =
  | JwtSettings
  | AppRoleSettings
  | GcpSettings
  | TokenSettings
  | { readonly method: 'custom'; readonly login: CustomLogin }

/** Login with a ServiceAccount JWT: both methods ask alike, and Vault checks differently. */
export interface JwtSettings {
  readonly method: 'kubernetes' | 'jwt'
  readonly role: string
  readonly mount: string
  readonly audience: string
  readonly jwtFile: string | undefined
}

export interface AppRoleSettings {
  readonly method: 'approle'
  readonly mount: string
  readonly roleId: Given
  readonly secretId: Given | undefined
  readonly wrapped: boolean
  readonly singleUse: boolean
}

export interface GcpSettings {
  readonly method: 'gcp'
  readonly role: string
  readonly mount: string
  readonly type: 'iam' | 'gce'
  readonly serviceAccount: string | undefined
  readonly credentials: string | undefined
  /** Checked; without a trailing slash. */
  readonly iamEndpoint: string
}

export interface TokenSettings {
  readonly method: 'token'
  /** Absent: the files in which Vault's and OpenBao's command lines keep theirs. */
  readonly token: Given | undefined
}

/** A value, or the path of the file that has it. */
export type Given =
  | { readonly kind: 'value'; readonly value: string }
  | { readonly kind: 'file'; readonly path: string }

/** A definition with everything resolved; its names have passed the allow-lists. */
export interface Definition {
  readonly secretName: string
  /** Absent: {@link Settings.kubernetes}'s, or that of the pod or the context. */
  readonly namespace: string | undefined
  readonly readType: ReadType
  readonly readKey: string
  readonly transitKey: string
  readonly format: 'sealed' | 'raw'
  readonly binding: 'strict' | 'namespace' | 'none'
  readonly allowRollback: boolean
  readonly schema: StandardSchema | undefined
}
