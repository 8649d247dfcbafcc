/** Files of manifests as a site: what GitOps applies must be rewrapped where it comes from. */
import type { Manifest } from '../authoring/manifests.ts'
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import { aborted } from '../lib/abort.ts'
import { foundIn, type Sought } from './file-object.ts'
import { FileWriter, manifestAt, positionOf, storedEntry, textIn } from './file-writer.ts'
import type { Change, Position } from './file-writer.ts'
import {
  hasSealed,
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
import { extentOfPaths, type Extent } from './extent.ts'
import type { FoundObject, Page, Site, Stored } from './site.ts'

/** What files are looked through for. */
export interface FileParts extends Sought {
  /** Files and directories as a person named them. */
  readonly given: readonly string[]
  /** What {@link FileStore.place} calls them. */
  readonly places: readonly string[]
  /** What documents are bound to. */
  readonly cluster: string
  readonly store: FileStore
}

/** Objects of one page, at least, where there are so many: most files have one. */
const PAGE = 100

/** Files, and directories of files. */
export class FileSite implements Site {
  readonly name = 'files'
  readonly isCluster = false
  readonly extent: Extent
  readonly cluster: string
  readonly #parts: FileParts

  constructor(parts: FileParts) {
    this.extent = extentOfPaths(parts.places)
    this.cluster = parts.cluster
    this.#parts = parts
  }

  /** None: whether a file can be replaced shows when it is. */
  missingRights(): Promise<readonly string[]> {
    return Promise.resolve([])
  }

  /** Whole files, a few on each page. */
  async *pages(signal: AbortSignal): AsyncGenerator<Page> {
    let page = EMPTY
    for await (const part of this.#looks(signal)) {
      page = joined(page, part)
      if (page.objects.length < PAGE) continue
      yield { ...page, remaining: undefined }
      page = EMPTY
    }
    if (page !== EMPTY) yield { ...page, remaining: 0 }
  }

  /** Manifests first: what is one by some name is none of the others by another. */
  async *#looks(signal: AbortSignal): AsyncGenerator<Part> {
    const seen = new Set<string>()
    const beside: string[] = []
    for (const given of this.#parts.given) {
      const { part, paths, others } = await this.#find(given)
      yield part
      beside.push(...others)
      for (const path of fresh(paths, seen, signal)) yield await this.#look(path)
    }
    for (const path of fresh(beside, seen, signal)) yield await this.#lookAtOther(path)
  }

  async #find(given: string): Promise<FoundFiles> {
    const { store } = this.#parts
    try {
      const paths = await store.paths(given)
      return { part: EMPTY, paths, others: await store.others(given) }
    } catch (error) {
      return { part: unread(error), paths: [], others: [] }
    }
  }

  /** What is sealed in the input of a generator is applied like any other, and cannot be written here. */
  async #lookAtOther(path: string): Promise<Part> {
    const { store, key } = this.#parts
    try {
      const isOurs = hasSealed(await store.read(path), key)
      return isOurs ? { objects: [], unread: [noManifest(path)] } : EMPTY
    } catch (error) {
      return isGone(error) ? EMPTY : unread(error)
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

/** What is meant by a path that a person gave. */
interface FoundFiles {
  /** Why there is nothing, where it could not be looked for. */
  readonly part: Part
  /** Of manifests. */
  readonly paths: readonly string[]
  readonly others: readonly string[]
}

/** Each once, until that is aborted. @throws {@link SecretManagerError} SM_ABORTED */
function* fresh(
  paths: readonly string[],
  seen: Set<string>,
  signal: AbortSignal,
): Generator<string> {
  for (const path of paths) {
    if (seen.has(path)) continue
    if (signal.aborted) throw aborted()
    seen.add(path)
    yield path
  }
}

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

function noManifest(path: string): SecretManagerError {
  const message = `${named(path)} has a document of the key and is no manifest`
  return new SecretManagerError('SM_CONFIG_INVALID', message, {
    hint: 'rewrap it by hand with encrypt, or move it into a manifest, or name only the manifests',
  })
}

function withoutObject(path: string): SecretManagerError {
  const message = `${named(path)} has a document outside of a Secret or a ConfigMap`
  return new SecretManagerError('SM_CONFIG_INVALID', message, {
    hint: 'nobody can tell what it is bound to: seal it again with encrypt, or name only files of manifests',
  })
}
