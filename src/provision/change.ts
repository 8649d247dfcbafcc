/** What is to be done, as data: the answer of a comparison, and the errand of who carries it out. */
import type { ReviewerSpec } from '../config/provision-file.ts'
import type { Fields } from './items.ts'
import type { Manifest } from './manifest.ts'
import type { MountRecord } from './record.ts'

/** One setting that differs; what a person may see of it. */
export interface FieldChange {
  readonly field: string
  /** Absent where there was none, or where it is too long to show. */
  readonly from?: string | undefined
  readonly to?: string | undefined
}

/** One thing as it is and as it should be. */
export interface Change {
  /** `vault`, or `cluster NAME`. */
  readonly where: string
  /** Such as `policy app-reader`. */
  readonly what: string
  /** `keep`: it is somebody else's, and stays as it is. */
  readonly action: 'create' | 'update' | 'replace' | 'delete' | 'same' | 'keep'
  readonly fields: readonly FieldChange[]
  readonly writes: readonly Write[]
}

/** One request that changes something. */
export type Write = VaultWrite | KubernetesWrite | ReviewerWrite

/** A request to Vault. */
export interface VaultWrite {
  readonly target: 'vault'
  readonly method: 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  readonly body?: Fields | undefined
  /** Whether Vault demands `sudo` for it. */
  readonly isRootPath?: boolean | undefined
}

/** A request to an API server. */
export interface KubernetesWrite {
  readonly target: 'kubernetes'
  readonly cluster: string
  readonly verb: 'create' | 'patch' | 'delete'
  readonly manifest: Manifest
  /** Of a patch: what is sent, with the resourceVersion that was seen. */
  readonly patch?: object | undefined
}

/** A new token for who reviews, its way into the configuration, and the record of how long it lives. */
export interface ReviewerWrite {
  readonly target: 'reviewer'
  readonly cluster: string
  readonly mount: string
  readonly reviewer: ReviewerSpec
  /** The configuration without the token. */
  readonly fields: Fields
  readonly record: MountRecord
  readonly description: string
}

/** Something that a person should know. */
export interface Note {
  readonly about: string
  readonly says: string
  readonly isRisk: boolean
}

/** What a comparison came to. */
export interface Verdict {
  readonly changes: readonly Change[]
  /** Why nothing may be done; each a sentence. */
  readonly conflicts: readonly string[]
  readonly notes: readonly Note[]
}

/** The same thing of several comparisons. */
export function joined(verdicts: readonly Verdict[]): Verdict {
  return {
    changes: verdicts.flatMap(({ changes }) => changes),
    conflicts: verdicts.flatMap(({ conflicts }) => conflicts),
    notes: verdicts.flatMap(({ notes }) => notes),
  }
}

/** A comparison that found nothing but these. */
export function verdict(parts: Partial<Verdict>): Verdict {
  return { changes: [], conflicts: [], notes: [], ...parts }
}

/** One change that needs no explanation. */
export function changed(
  where: string,
  what: string,
  action: Change['action'],
  fields: readonly FieldChange[] = [],
  writes: readonly Write[] = [],
): Verdict {
  return verdict({ changes: [{ where, what, action, fields, writes }] })
}

/** Whether anything would be written. */
export function isWork({ writes }: Change): boolean {
  return writes.length > 0
}
