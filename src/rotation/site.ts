/**
 * Where documents of a key lie: a cluster, or files of manifests. Rotation sees every site alike: it
 * gives what it holds page by page, and stores new ciphertexts unless somebody else wrote meanwhile.
 */
import type { SecretManagerError } from '../errors.ts'
import type { BoundPlace } from '../sealed/binding.ts'
import type { Claims } from '../sealed/format.ts'
import type { Owner } from './owner.ts'
import type { Extent } from './extent.ts'

/** The key whose documents are looked for. */
export interface KeyName {
  /** Mount of the Transit engine, without slashes around it. */
  readonly mount: string
  readonly transitKey: string
}

/** A document as it is stored. */
export interface StoredDocument {
  readonly place: BoundPlace
  readonly format: 'sealed' | 'raw'
  /** `vault:vN:…` */
  readonly ciphertext: string
  /** Version of the Transit key that it is under. */
  readonly keyVersion: number
  /** Absent where it is raw: a raw document does not say whose it is. */
  readonly claims: Claims | undefined
  /** Whether a definition says that it is of this key; a sealed one says so itself. */
  readonly isNamed: boolean
  /** Version in the copy that `kubectl apply` keeps of its source: that one comes back with the next apply. */
  readonly appliedVersion: number | undefined
}

/** An object that holds documents of the key, or should. */
export interface FoundObject {
  /** As reports name it: `Secret prod/app`, with the file where it is one. */
  readonly name: string
  readonly isImmutable: boolean
  /** Who would undo a change that is made here. */
  readonly owner: Owner | undefined
  readonly documents: readonly StoredDocument[]
  readonly problems: readonly Problem[]
  /**
   * Stores new texts, unless the object was changed since, and changes nothing else of it.
   *
   * @param texts - by data key, what is to be stored
   * @throws {@link SecretManagerError} what the write fails with
   */
  readonly store: (texts: ReadonlyMap<string, string>, signal: AbortSignal) => Promise<Stored>
}

/** A document that should be there and is not, or is not what it should be. */
export interface Problem {
  /** Absent where it is the object as a whole. */
  readonly dataKey: string | undefined
  readonly error: SecretManagerError
}

/** What was read at once. */
export interface Page {
  readonly objects: readonly FoundObject[]
  /** Parts of the site that could not be looked at: the inventory is not complete. */
  readonly unread: readonly SecretManagerError[]
  /** Objects on later pages, as far as that is known. */
  readonly remaining: number | undefined
}

/** What became of a write: done, or what is there in its stead; `undefined` where the object is gone. */
export type Stored =
  | { readonly isWritten: true }
  | { readonly isWritten: false; readonly now: FoundObject | undefined }

/** What is done with a place: documents are written, or it is but looked at. */
export type SiteUse = 'rewrap' | 'look'

/** A place that documents are kept in. */
export interface Site {
  /** As reports name it, such as `cluster default`. */
  readonly name: string
  readonly isCluster: boolean
  /** How much of it is looked at. */
  readonly extent: Extent
  /** What documents here are bound to: the setting `cluster` of their readers. */
  readonly cluster: string
  /**
   * Gives what is needed for that and not granted, each fit for a line of a message.
   *
   * @throws {@link SecretManagerError} where that cannot be asked
   */
  missingRights(use: SiteUse, signal: AbortSignal): Promise<readonly string[]>
  /** What it holds. Objects without a document of the key are left out. */
  pages(signal: AbortSignal): AsyncIterable<Page>
}
