/**
 * What the core works with: complete forms of what a person writes. Nothing here is optional, no
 * default is applied further in, and every duration is in milliseconds.
 */
import type { TransportOptions } from '../runtime.ts'
import type { ReadType, StandardSchema } from './types.ts'

/** A configuration with everything resolved. */
export interface Settings {
  /** Limits of one request to one server. */
  readonly attempt: { readonly connectTimeoutMs: number; readonly timeoutMs: number }
  readonly startupWaitMs: number
  readonly vault: {
    /** Checked; without a trailing slash. */
    readonly url: string
    readonly namespace: string | undefined
    readonly transport: TransportOptions
    /** Checked path segments, without slashes around them. */
    readonly transitMount: string
    readonly auth: {
      readonly method: 'kubernetes'
      readonly role: string
      /** Checked path segments, without slashes around them. */
      readonly mount: string
      readonly audience: string
      readonly jwtFile: string | undefined
    }
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
  /** Written in the Python original's shape: its token audience, its ServiceAccount, raw documents. */
  readonly legacy: boolean
}

/** A definition with everything resolved; its names have passed the allow-lists. */
export interface Definition {
  readonly secretName: string
  /** Absent: {@link Settings.kubernetes}'s, or that of the pod or the context. */
  readonly namespace: string | undefined
  readonly readType: ReadType
  readonly readKey: string
  readonly transitKey: string
  readonly format: 'raw'
  readonly schema: StandardSchema | undefined
}
