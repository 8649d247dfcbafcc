/** Changes objects of one file: one write after the other, each against the file as it is then. */
import { withDocuments } from '../authoring/manifest-values.ts'
import type { Manifest, ManifestEntry } from '../authoring/manifests.ts'
import { objectName } from '../authoring/verify.ts'
import { SecretManagerError } from '../errors.ts'
import {
  isGone,
  named,
  readManifestFile,
  type FileStore,
  type ManifestFile,
} from './manifest-file.ts'

/** Where an object is in its file. */
export interface Position extends Pick<Manifest, 'kind' | 'namespace' | 'name'> {
  /** Among those of this name, from 0: nothing keeps a file from having two. */
  readonly index: number
}

/** New documents for one object. */
export interface Change {
  readonly position: Position
  /** By data key, what it held when it was read, and what it is to hold. */
  readonly texts: ReadonlyMap<string, { readonly before: string; readonly after: string }>
}

/** Finds the object at a position. */
export function manifestAt(
  manifests: readonly Manifest[],
  position: Position,
): Manifest | undefined {
  return manifests.filter((each) => isNamed(each, position))[position.index]
}

/** Where `manifest` is among those of its file. */
export function positionOf(manifests: readonly Manifest[], manifest: Manifest): Position {
  const { kind, namespace, name } = manifest
  const index = manifests.filter((each) => isNamed(each, manifest)).indexOf(manifest)
  return { kind, namespace, name, index }
}

function isNamed(a: Manifest, b: Omit<Position, 'index'>): boolean {
  return a.kind === b.kind && a.namespace === b.namespace && a.name === b.name
}

/** What an entry holds as text, the way readers of the cluster see it. */
export function textIn({ kind }: Manifest, { field, bytes }: ManifestEntry): string | undefined {
  const isText = kind === 'ConfigMap' && field === 'data'
  return bytes?.toString(isText ? 'utf8' : 'latin1')
}

interface Job {
  readonly change: Change
  readonly resolve: (isWritten: boolean) => void
  readonly reject: (error: unknown) => void
}

/** A file that is gone was changed by somebody else. */
function fail(job: Job, error: unknown): void {
  if (isGone(error)) job.resolve(false)
  else job.reject(error)
}

/** Whoever writes to one file. */
export class FileWriter {
  readonly #store: FileStore
  readonly #path: string
  /** What was written last: whether the file still is so, shows when it is replaced. */
  #known: ManifestFile | undefined
  #waiting: Job[] = []
  #isAtWork = false

  constructor(store: FileStore, path: string) {
    this.#store = store
    this.#path = path
  }

  /**
   * Writes a change, with others that wait.
   *
   * @returns `false` where somebody else changed the file, or these documents, first: nothing was written
   * @throws {@link SecretManagerError} SM_CONFIG_INVALID where a value cannot be replaced, SM_FILE_UNREADABLE
   */
  write(change: Change): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ change, resolve, reject })
      if (!this.#isAtWork) void this.#work()
    })
  }

  async #work(): Promise<void> {
    this.#isAtWork = true
    while (this.#waiting.length > 0) {
      let jobs: Job[] = []
      try {
        const file = await this.#file()
        // Those that came while it was read are written with them.
        jobs = this.#taken()
        await this.#writeAll(file, jobs)
      } catch (error) {
        for (const job of jobs.length > 0 ? jobs : this.#taken()) fail(job, error)
      }
    }
    this.#isAtWork = false
  }

  async #file(): Promise<ManifestFile> {
    const known = this.#known ?? (await readManifestFile(this.#store, this.#path))
    this.#known = undefined
    return known
  }

  #taken(): Job[] {
    const jobs = this.#waiting
    this.#waiting = []
    return jobs
  }

  async #writeAll(file: ManifestFile, jobs: readonly Job[]): Promise<void> {
    const planned = jobs.flatMap((job) => {
      const texts = textsOf(file.manifests, job.change)
      if (texts === undefined) job.resolve(false)
      return texts === undefined ? [] : [{ job, texts }]
    })
    if (planned.length === 0) return
    const texts = new Map(planned.flatMap((each) => [...each.texts]))
    const changed = await withDocuments(file.text, file.manifests, texts)
    const ours = planned.map(({ job }) => job)
    if (changed === undefined) return this.#oneByOne(ours)
    const bytes = Buffer.from(changed.text)
    const outcome = await this.#store.replace(this.#path, file.bytes, bytes)
    if (outcome === 'replaced') this.#known = { bytes, ...changed }
    for (const job of ours) job.resolve(outcome === 'replaced')
  }

  /** One that cannot be written does not stop the others. */
  async #oneByOne(jobs: readonly Job[]): Promise<void> {
    if (jobs.length === 1) throw irreplaceable(jobs, this.#path)
    for (const job of jobs) {
      try {
        await this.#writeAll(await this.#file(), [job])
      } catch (error) {
        fail(job, error)
      }
    }
  }
}

/** By entry, what it is to hold; `undefined` where one is gone, or holds something else by now. */
function textsOf(
  manifests: readonly Manifest[],
  { position, texts }: Change,
): ReadonlyMap<ManifestEntry, string> | undefined {
  const manifest = manifestAt(manifests, position)
  const changes = new Map<ManifestEntry, string>()
  for (const [dataKey, { before, after }] of texts) {
    const entry = manifest && storedEntry(manifest, dataKey)
    if (!manifest || !entry || textIn(manifest, entry) !== before) return undefined
    changes.set(entry, after)
  }
  return changes
}

/** The entry of this name, but for one in `stringData`. */
export function storedEntry({ entries }: Manifest, dataKey: string): ManifestEntry | undefined {
  return entries.find(({ key, field }) => key === dataKey && field !== 'stringData')
}

function irreplaceable(jobs: readonly Job[], path: string): SecretManagerError {
  const names = jobs.map(({ change }) => objectName({ ...change.position, isManaged: false }))
  const message = `${named(path)} has a document of ${names.join(', ')} that is written in a way that cannot be replaced`
  return new SecretManagerError('SM_CONFIG_INVALID', message, {
    hint: 'write it in one line, in quotes, without an anchor or an alias',
  })
}
