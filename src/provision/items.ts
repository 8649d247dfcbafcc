/** What Vault should hold, thing by thing. */
import type { ClusterSpec, ReviewerSpec } from '../config/provision-file.ts'
import type { MountRecord } from './record.ts'

/** Settings by name, as Vault takes them. */
export type Fields = Readonly<Record<string, unknown>>

/** One thing that Vault should hold. */
export type VaultItem =
  | { readonly kind: 'engine'; readonly mount: string }
  | { readonly kind: 'upsert'; readonly mount: string; readonly adopt: boolean }
  | KeyItem
  | PolicyItem
  | MethodItem
  | ConfigItem
  | RoleItem
  | { readonly kind: 'header'; readonly name: string }

/** A Transit key. */
export interface KeyItem {
  readonly kind: 'key'
  readonly mount: string
  readonly key: string
  /** Absent: as it is. */
  readonly autoRotateSeconds: number | undefined
}

/** A policy. */
export interface PolicyItem {
  readonly kind: 'policy'
  readonly name: string
  readonly text: string
  readonly adopt: boolean
}

/** An auth mount. */
export interface MethodItem {
  readonly kind: 'method'
  readonly mount: string
  readonly type: ClusterSpec['auth']
  readonly record: MountRecord
  readonly adopt: boolean
}

/** The configuration of an auth mount. */
export interface ConfigItem {
  readonly kind: 'config'
  readonly mount: string
  readonly type: ClusterSpec['auth']
  readonly fields: Fields
  readonly reviewer: ReviewerSpec | undefined
  readonly record: MountRecord
  readonly adopt: boolean
}

/** A role of an auth mount. */
export interface RoleItem {
  readonly kind: 'role'
  readonly mount: string
  readonly type: ClusterSpec['auth']
  readonly name: string
  readonly policy: string
  readonly namespace: string
  readonly serviceAccount: string
  readonly audience: string
  readonly adopt: boolean
}
