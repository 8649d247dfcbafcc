/** Files of manifests as a site: what GitOps applies must be rewrapped where it comes from. */
import type { Manifest } from '../authoring/manifests.ts'
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import { aborted } from '../lib/abort.ts'
import { foundIn, type Sought } from './file-object.ts'
import { FileWriter, manifestAt, positionOf, storedEntry, textIn } from './file-writer.ts'
import type { Change, Position } from './file-writer.ts'
import {
  isGone,
  mayHoldDocuments,
  mayHoldManifests,
  mentionsKey,
  named,
  parseManifestFile,
  readManifestFile,
  textBeside,
  type FileStore,
  type ManifestFile,
} from './manifest-file.ts'
import { WHOLE, type Scope } from './scope.ts'
import type { FoundObject, Page, Site, Stored } from './site.ts'

/** What files are looked through for. */
export interface FileParts extends Sought {
  /** Files and directories as a person named them. */
  readonly given: readonly string[]
  /** What documents are bound to. */
  readonly cluster: string
  readonly store: FileStore
}

/** Objects of one page, at least, where there are so many: most files have one. */
const PAGE = 100

/** Files, and directories of files. */
export class FileSite implements Site {
  readonly name: string
  readonly isCluster = false
  readonly scope: Scope
  readonly cluster: string
  readonly #parts: FileParts

  constructor(parts: FileParts) {
    this.name = `files ${parts.given.join(', ')}`
    this.scope = WHOLE
    this.cluster = parts.cluster
    this.#parts = parts
  }

  /** None: whether a file can be replaced shows when it is. */
  missingRights(): Promise<readonly string[]> {
    return Promise.resolve([])
  }

  /** Whole files, a few on each page. */
  async *pages(signal: AbortSignal): AsyncGenerator<Page> {
    const seen = new Set<string>()
    let page = EMPTY
    for (const given of this.#parts.given) {
      const found = await this.#paths(given)
      page = joined(page, found)
      for (const path of found.paths.filter((each) => !seen.has(each))) {
        if (signal.aborted) throw aborted()
        seen.add(path)
        page = joined(page, await this.#look(path))
        if (page.objects.length < PAGE) continue
        yield { ...page, remaining: undefined }
        page = EMPTY
      }
    }
    if (page !== EMPTY) yield { ...page, remaining: 0 }
  }

  async #paths(given: string): Promise<Part & { readonly paths: readonly string[] }> {
    try {
      return { ...EMPTY, paths: await this.#parts.store.paths(given) }
    } catch (error) {
      return { ...unread(error), paths: [] }
    }
  }

  async #look(path: string): Promise<Part> {
    let bytes: Uint8Array
    try {
      bytes = await this.#parts.store.read(path)
    } catch (error) {
      return unread(error)
    }
    if (!mayHoldManifests(bytes)) return EMPTY
    try {
      return this.#pageOf(path, await parseManifestFile(bytes, path))
    } catch (error) {
      const told = unread(error)
      return mayHoldDocuments(bytes) ? told : EMPTY
    }
  }

  #pageOf(path: string, file: ManifestFile): Part {
    const { manifests } = file
    const beside = mentionsKey(textBeside(file), this.#parts.key) ? [withoutObject(path)] : []
    const writer = new FileWriter(this.#parts.store, path)
    const objects = manifests.map((each) => {
      return this.#found(path, each, positionOf(manifests, each), writer)
    })
    const ours = objects.filter(({ documents, problems }) => documents.length + problems.length > 0)
    return { objects: ours, unread: beside }
  }

  #found(path: string, manifest: Manifest, position: Position, writer: FileWriter): FoundObject {
    const { name, documents, problems } = foundIn(manifest, this.#parts)
    const at = { path, position, writer }
    return {
      name: `${name} in ${path}`,
      // What the API server would say of it, and who owns what is there, is no matter of its source.
      isImmutable: false,
      owner: undefined,
      documents,
      problems,
      store: (texts, signal) => this.#store(at, manifest, texts, signal),
    }
  }

  async #store(
    { path, position, writer }: At,
    manifest: Manifest,
    texts: ReadonlyMap<string, string>,
    signal: AbortSignal,
  ): Promise<Stored> {
    if (signal.aborted) throw aborted()
    const isWritten = await writer.write({ position, texts: changesOf(manifest, texts) })
    if (isWritten) return { isWritten }
    const now = await this.#now(path, position)
    return { isWritten, now: now && this.#found(path, now, position, writer) }
  }

  /** The object as it is by now; `undefined` where it, or its file, is gone. */
  async #now(path: string, position: Position): Promise<Manifest | undefined> {
    try {
      const { manifests } = await readManifestFile(this.#parts.store, path)
      return manifestAt(manifests, position)
    } catch (error) {
      if (isGone(error)) return undefined
      throw error
    }
  }
}

/** Where an object is, and who writes there. */
interface At {
  readonly path: string
  readonly position: Position
  readonly writer: FileWriter
}

/** What files came to; how many objects are in those that follow, nobody knows. */
type Part = Omit<Page, 'remaining'>

const EMPTY: Part = { objects: [], unread: [] }

function joined(a: Part, b: Part): Part {
  if (b.objects.length + b.unread.length === 0) return a
  return { objects: [...a.objects, ...b.objects], unread: [...a.unread, ...b.unread] }
}

/** A page that says what could not be looked at. @throws what is no error of ours */
function unread(error: unknown): Part {
  if (isSecretManagerError(error)) return { objects: [], unread: [error] }
  throw error
}

function changesOf(manifest: Manifest, texts: ReadonlyMap<string, string>): Change['texts'] {
  const changes = [...texts].map(([dataKey, after]) => {
    const entry = storedEntry(manifest, dataKey)
    const before = (entry && textIn(manifest, entry)) ?? ''
    return [dataKey, { before, after }] as const
  })
  return new Map(changes)
}

function withoutObject(path: string): SecretManagerError {
  const message = `${named(path)} has a document outside of a Secret or a ConfigMap`
  return new SecretManagerError('SM_CONFIG_INVALID', message, {
    hint: 'nobody can tell what it is bound to: seal it again with encrypt, or name only files of manifests',
  })
}
