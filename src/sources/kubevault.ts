/**
 * The KUBEVAULT source: a Kubernetes object holds the ciphertext, Transit holds the key.
 *
 * The words of the pipeline are its methods: a definition is located, its document fetched, and opened by {@link Documents}.
 */
import type { Definition } from '../config/definition.ts'
import type { Settings } from '../config/schema.ts'
import { SecretManagerError } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { readIfPresent } from '../kubernetes/named-file.ts'
import type { Runtime } from '../runtime.ts'
import { parseRaw } from '../sealed/raw.ts'
import type { Connections } from './connections.ts'
import { Documents, type Opened } from './documents.ts'
import { describe, placeOf, textOf, type Place } from './place.ts'
import { findTarget, locate, writeTarget, type Target } from './target.ts'

/** What the source works with. */
export interface KubevaultParts {
  readonly settings: Settings
  readonly runtime: Runtime
  readonly connections: Connections
}

/** Reads and writes dictionaries by the KUBEVAULT pattern. */
export class KubevaultSource {
  readonly #parts: KubevaultParts
  /** Opens and seals what is stored. */
  readonly documents: Documents

  constructor(parts: KubevaultParts) {
    this.#parts = parts
    const { settings, runtime, connections } = parts
    this.documents = new Documents({
      transit: connections.transit,
      mount: settings.vault.transitMount,
      cluster: settings.cluster,
      wallClock: () => runtime.wallClock(),
    })
  }

  /** Names the place of a definition; asks the cluster only where the namespace is left to it. */
  async locate(allowance: Allowance, definition: Definition): Promise<Place> {
    const { mountedAt, namespace } = this.#parts.settings.kubernetes
    if (mountedAt === undefined) return locate(this.#parts, allowance, definition)
    // A mounted document is found by its path alone.
    return placeOf(definition, definition.namespace ?? namespace ?? 'default')
  }

  /**
   * Fetches the stored document.
   *
   * @throws {@link SecretManagerError} SM_K8S_*, SM_KEY_MISSING, SM_CT_FORMAT, SM_FILE_UNREADABLE
   */
  async fetch(allowance: Allowance, place: Place): Promise<string> {
    const { mountedAt } = this.#parts.settings.kubernetes
    if (mountedAt !== undefined) return this.#fetchMounted(mountedAt, place)
    const kubernetes = await this.#parts.connections.kubernetes(allowance)
    return textOf(place, await kubernetes.get(allowance, place.kind, place.namespace, place.name))
  }

  /**
   * Decrypts a ciphertext that somebody has at hand. One that is none would fail others in its batch.
   *
   * @throws {@link SecretManagerError} SM_CT_*, SM_KEY_NOT_FOUND, SM_AUTH_*, SM_VAULT_*
   */
  async decrypt(allowance: Allowance, transitKey: string, text: string): Promise<Uint8Array> {
    const ciphertext = parseRaw(text, 'the ciphertext')
    return this.#parts.connections.transit.decrypt(allowance, transitKey, ciphertext)
  }

  /**
   * Fetches and opens: the object is read while the login is under way.
   *
   * @param known - what was read before: it is given back where that is still stored, and Vault is not asked
   * @throws {@link SecretManagerError} what {@link fetch} and {@link Documents.open} reject with
   */
  async read<Known extends { readonly stored: string }>(
    allowance: Allowance,
    definition: Definition,
    known: Known | undefined,
  ): Promise<Opened | Known> {
    const { connections } = this.#parts
    if (!known) connections.vault.connect()
    const place = await this.locate(allowance, definition)
    const ready = known ? undefined : connections.session.ready(allowance)
    // Where it failed, so will the login that it was for, and that is the failure to tell.
    const requested = known ? undefined : connections.tokenRequested().catch(() => ready)
    const fetched = Promise.resolve(requested).then(() => this.fetch(allowance, place))
    const [stored] = await Promise.all([fetched, ready])
    if (stored === known?.stored) return known
    return this.documents.open(allowance, definition, place, stored)
  }

  /**
   * Seals `document` and stores it. Of an existing object nothing else changes, and a change that
   * somebody else made in between is not overwritten.
   *
   * @returns where, what is stored there now, and whether there was no object before
   * @throws {@link SecretManagerError} SM_TOO_LARGE before any call, SM_K8S_CONFLICT, SM_K8S_REJECTED for an immutable object,
   * SM_BINDING_MISMATCH, SM_K8S_*, SM_VAULT_*
   */
  async store(
    allowance: Allowance,
    definition: Definition,
    document: Uint8Array,
  ): Promise<{ readonly place: Place; readonly text: string; readonly isNew: boolean }> {
    this.documents.refuseUnfit(definition, document)
    const target = await findTarget(this.#parts, allowance, definition)
    const text = await this.#put(allowance, definition, target, document)
    return { place: target.place, text, isNew: target.resourceVersion === undefined }
  }

  /**
   * Changes a document: what is stored is opened, changed, sealed and written, unless somebody else wrote
   * in between.
   *
   * @param change - gives the new document for the one there is; `undefined` leaves everything as it is
   * @returns whether anything was written
   * @throws {@link SecretManagerError} what {@link Documents.open} and {@link store} reject with
   */
  async change(
    allowance: Allowance,
    definition: Definition,
    change: (current: Opened | undefined) => Promise<Uint8Array | undefined>,
  ): Promise<boolean> {
    const target = await findTarget(this.#parts, allowance, definition)
    const { place, stored } = target
    const current =
      stored === undefined
        ? undefined
        : await this.documents.open(allowance, definition, place, stored)
    const document = await change(current)
    if (document === undefined) return false
    this.documents.refuseUnfit(definition, document)
    await this.#put(allowance, definition, target, document)
    return true
  }

  async #put(
    allowance: Allowance,
    definition: Definition,
    target: Target,
    document: Uint8Array,
  ): Promise<string> {
    const { place, stored } = target
    const text = await this.documents.seal(allowance, definition, place, document, stored)
    await writeTarget(target, allowance, text)
    return text
  }

  /** A volume of several Secrets has a folder each; a volume of one has its entries at the top. */
  async #fetchMounted(mountedAt: string, place: Place): Promise<string> {
    const paths = [`${mountedAt}/${place.name}/${place.dataKey}`, `${mountedAt}/${place.dataKey}`]
    for (const path of paths) {
      const bytes = await readIfPresent(path, 'kubernetes.mountedAt', this.#parts.runtime)
      if (bytes) return Buffer.from(bytes).toString('latin1')
    }
    throw new SecretManagerError(
      'SM_FILE_UNREADABLE',
      `there is no ${describe(place)} at ${paths.join(' or ')}`,
      { hint: 'mount the Secret as a volume at kubernetes.mountedAt', causeClass: 'ENOENT' },
    )
  }
}
