/**
 * Brings documents to the latest version of their key. Transit does it without giving plaintext away;
 * each object is written compare-and-set, and who writes meanwhile wins.
 */
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import { inParallel } from '../lib/in-parallel.ts'
import { contextOf } from '../sealed/binding.ts'
import { answered, unasked, unwritten, type Mode, type Outcome } from './outcome.ts'
import type { Recrypt } from './recrypt.ts'
import type { FoundObject, Page, Site, Stored, StoredDocument } from './site.ts'

/** One line of the report. */
export interface Entry {
  readonly site: string
  readonly object: FoundObject
  /** Absent where the object as a whole is told of. */
  readonly dataKey: string | undefined
  readonly document: StoredDocument | undefined
  readonly outcome: Outcome
}

/** What documents are rewrapped with. */
export interface RewrapParts {
  /** Version of the key that documents are to be under. */
  readonly latest: number
  readonly recrypt: Recrypt
  readonly mode: Mode
  readonly onEntry: (entry: Entry) => void
  /** Told of each page: how many objects it has, and how many there are behind it as far as that is known. */
  readonly onPage: (objects: number, remaining: number | undefined) => void
  /** Told of each part of the site that could not be looked at. */
  readonly onUnread: (error: SecretManagerError) => void
}

/** Objects that are written at once. */
const AT_ONCE = 8
/** Writes of one object, each against what somebody else wrote (K6). */
const MOST_TRIES = 5

/**
 * Rewraps what a site holds. A document that fails does not stop the others. The next page is read while
 * one is written.
 *
 * @throws {@link SecretManagerError} what concerns all documents: SM_VAULT_*, SM_AUTH_*, SM_ABORTED
 */
export async function rewrapSite(
  site: Site,
  parts: RewrapParts,
  signal: AbortSignal,
): Promise<void> {
  const pages = site.pages(signal)[Symbol.asyncIterator]()
  const run = new Run(site, parts, signal)
  try {
    for (let next = pages.next(); ;) {
      const { value, done } = await next
      if (done === true) return
      next = pages.next()
      // Told when it is waited for; until then nobody does.
      next.catch(() => undefined)
      await run.page(value)
    }
  } finally {
    await pages.return?.()
  }
}

/** Documents of one object. */
interface Job {
  readonly object: FoundObject
  readonly documents: readonly StoredDocument[]
}

/** By document, its new text, or why there is none. */
type Answers = ReadonlyMap<StoredDocument, string | Outcome>

class Run {
  readonly #site: Site
  readonly #parts: RewrapParts
  readonly #signal: AbortSignal

  constructor(site: Site, parts: RewrapParts, signal: AbortSignal) {
    this.#site = site
    this.#parts = parts
    this.#signal = signal
  }

  async page({ objects, unread, remaining }: Page): Promise<void> {
    this.#parts.onPage(objects.length, remaining)
    for (const error of unread) this.#parts.onUnread(error)
    const jobs = objects.map((object) => this.#jobOf(object))
    const asked = jobs.filter(({ documents }) => documents.length > 0)
    if (asked.length === 0) return
    const answers = await this.#ask(asked)
    await inParallel(asked, AT_ONCE, (job) => this.#perform(job, answers, 1))
  }

  /** What Vault is to be asked for; tells of the rest. */
  #jobOf(object: FoundObject): Job {
    const { latest, mode, onEntry } = this.#parts
    for (const { dataKey, error } of object.problems) {
      const outcome = { state: 'failed', error } as const
      onEntry({ site: this.#site.name, object, dataKey, document: undefined, outcome })
    }
    const documents = object.documents.filter((document) => {
      const told = unasked(document, latest, mode)
      if (told) this.#say(object, document, told)
      return told === undefined
    })
    return { object, documents }
  }

  async #ask(jobs: readonly Job[]): Promise<Answers> {
    const documents = jobs.flatMap((job) => job.documents)
    const items = documents.map(({ ciphertext, claims, place }) => ({
      ciphertext,
      // By where it stands. Of what it says only the scope counts, and that is the same before and after.
      context: claims && contextOf(place, claims.scope, this.#site.cluster),
    }))
    const results = await this.#parts.recrypt(items, this.#signal)
    return new Map(documents.map((each, at) => [each, answered(each, results[at])]))
  }

  async #perform({ object, documents }: Job, answers: Answers, tries: number): Promise<void> {
    const texts = new Map<StoredDocument, string>()
    for (const document of documents) {
      const told = this.#told(object, document, answers)
      if (typeof told === 'string') texts.set(document, told)
      else this.#say(object, document, told)
    }
    if (texts.size > 0) await this.#write(object, texts, tries)
  }

  /** The text to store, or what became of the document without a write. */
  #told(object: FoundObject, document: StoredDocument, answers: Answers): string | Outcome {
    const { latest, mode } = this.#parts
    const answer = answers.get(document) ?? answered(document, undefined)
    if (typeof answer !== 'string') return answer
    return unwritten(object, document, latest, mode) ?? answer
  }

  async #write(
    object: FoundObject,
    texts: ReadonlyMap<StoredDocument, string>,
    tries: number,
  ): Promise<void> {
    const documents = [...texts.keys()]
    const stored = await this.#stored(object, texts)
    if (isSecretManagerError(stored)) {
      return this.#sayAll(object, documents, { state: 'failed', error: stored })
    }
    if (!stored.isWritten) return this.#overtaken(object, documents, stored.now, tries)
    this.#sayAll(object, documents, { state: 'rewrapped', to: this.#parts.latest })
  }

  async #stored(
    object: FoundObject,
    texts: ReadonlyMap<StoredDocument, string>,
  ): Promise<Stored | SecretManagerError> {
    try {
      const byKey = new Map([...texts].map(([{ place }, text]) => [place.dataKey, text]))
      return await object.store(byKey, this.#signal)
    } catch (error) {
      if (!isSecretManagerError(error) || this.#signal.aborted) throw error
      return error
    }
  }

  /** Somebody else wrote: what is behind now is tried again, against what they wrote. */
  async #overtaken(
    before: FoundObject,
    documents: readonly StoredDocument[],
    now: FoundObject | undefined,
    tries: number,
  ): Promise<void> {
    const { latest } = this.#parts
    const behind: StoredDocument[] = []
    for (const document of documents) {
      const { dataKey } = document.place
      const same = now?.documents.find(({ place }) => place.dataKey === dataKey)
      if (same && same.keyVersion < latest) behind.push(same)
      else this.#say(before, document, leftTo(now, dataKey))
    }
    if (now === undefined || behind.length === 0) return
    if (tries === MOST_TRIES) {
      return this.#sayAll(now, behind, { state: 'failed', error: contended(before) })
    }
    const job = { object: now, documents: behind }
    await this.#perform(job, await this.#ask([job]), tries + 1)
  }

  #sayAll(object: FoundObject, documents: readonly StoredDocument[], outcome: Outcome): void {
    for (const document of documents) this.#say(object, document, outcome)
  }

  #say(object: FoundObject, document: StoredDocument, outcome: Outcome): void {
    const { dataKey } = document.place
    this.#parts.onEntry({ site: this.#site.name, object, dataKey, document, outcome })
  }
}

/** What became of an entry that somebody else wrote, or took away. */
function leftTo(now: FoundObject | undefined, dataKey: string): Outcome {
  const problem = now?.problems.find((each) => each.dataKey === dataKey)
  return problem ? { state: 'failed', error: problem.error } : { state: 'overtaken' }
}

function contended({ name }: FoundObject): SecretManagerError {
  const message = `${name} was changed by somebody else ${MOST_TRIES} times in a row`
  return new SecretManagerError('SM_K8S_CONFLICT', message, { hint: 'run it again' })
}
