/**
 * The KUBEVAULT source: a Kubernetes object holds the ciphertext, Transit holds the key.
 *
 * The words of the pipeline are its methods: a definition is located, its document fetched, and opened by {@link Documents}.
 */
import type { Definition } from '../config/definition.ts'
import type { Settings } from '../config/schema.ts'
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import type { KubernetesClient } from '../kubernetes/client.ts'
import type { KubernetesObject } from '../kubernetes/objects.ts'
import { readIfPresent } from '../kubernetes/named-file.ts'
import type { Runtime } from '../runtime.ts'
import { parseRaw } from '../sealed/raw.ts'
import type { Connections } from './connections.ts'
import { Documents, type Opened } from './documents.ts'
import { describe, placeOf, storedIn, textOf, valueOf, type Place } from './place.ts'

/** What the source works with. */
export interface KubevaultParts {
  readonly settings: Settings
  readonly runtime: Runtime
  readonly connections: Connections
}

interface Target {
  readonly place: Place
  readonly kubernetes: KubernetesClient
  readonly stored: string | undefined
  readonly resourceVersion: string | undefined
}

/** Of every object that is written here. */
export const LABELS: Readonly<Record<string, string>> = {
  'app.kubernetes.io/managed-by': 'secretmanager',
  'kubevault.secretmanager/managed': 'true',
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
    if (mountedAt === undefined) return this.#locateInCluster(allowance, definition)
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
   * @throws {@link SecretManagerError} SM_TOO_LARGE, SM_K8S_CONFLICT, SM_K8S_REJECTED for an immutable object,
   * SM_BINDING_MISMATCH, SM_K8S_*, SM_VAULT_*
   */
  async store(allowance: Allowance, definition: Definition, document: Uint8Array): Promise<void> {
    this.documents.refuseUnfit(definition, document)
    const target = await this.#target(allowance, definition)
    await this.#write(allowance, definition, target, document)
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
    const target = await this.#target(allowance, definition)
    const { place, stored } = target
    const current =
      stored === undefined
        ? undefined
        : await this.documents.open(allowance, definition, place, stored)
    const document = await change(current)
    if (document === undefined) return false
    this.documents.refuseUnfit(definition, document)
    await this.#write(allowance, definition, target, document)
    return true
  }

  /** The object that is to be written to, as it is now. */
  async #target(allowance: Allowance, definition: Definition): Promise<Target> {
    const place = await this.#locateInCluster(allowance, definition)
    const kubernetes = await this.#parts.connections.kubernetes(allowance)
    const existing = await findObject(kubernetes, allowance, place)
    if (existing?.immutable === true) throw immutable(place)
    const stored = existing && storedIn(place, existing)
    return { place, kubernetes, stored, resourceVersion: existing?.resourceVersion }
  }

  async #write(
    allowance: Allowance,
    definition: Definition,
    { place, kubernetes, stored, resourceVersion }: Target,
    document: Uint8Array,
  ): Promise<void> {
    const text = await this.documents.seal(allowance, definition, place, document, stored)
    try {
      await write(kubernetes, allowance, place, text, resourceVersion)
    } catch (error) {
      if (!isConflictOfRepetition(error)) throw error
      const now = await findObject(kubernetes, allowance, place)
      if (now?.data.get(place.dataKey) !== valueOf(place, text)) throw error
    }
  }

  async #locateInCluster(allowance: Allowance, definition: Definition): Promise<Place> {
    const { connections, settings } = this.#parts
    const named = definition.namespace ?? settings.kubernetes.namespace
    if (named !== undefined) return placeOf(definition, named)
    const { access } = await connections.kubernetes(allowance)
    return placeOf(definition, access.namespace ?? 'default')
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

async function findObject(
  kubernetes: KubernetesClient,
  allowance: Allowance,
  { kind, namespace, name }: Place,
): Promise<KubernetesObject | undefined> {
  try {
    return await kubernetes.get(allowance, kind, namespace, name)
  } catch (error) {
    if (isSecretManagerError(error) && error.code === 'SM_K8S_NOT_FOUND') return undefined
    throw error
  }
}

/** Creates the object, or changes this one entry of the version that was read. */
async function write(
  kubernetes: KubernetesClient,
  allowance: Allowance,
  place: Place,
  ciphertext: string,
  resourceVersion: string | undefined,
): Promise<void> {
  const { kind, namespace, name } = place
  const metadata = { name, labels: LABELS }
  const data = { [place.dataKey]: valueOf(place, ciphertext) }
  if (resourceVersion === undefined) {
    return kubernetes.create(allowance, kind, namespace, { metadata, data })
  }
  const changed = { ...metadata, resourceVersion }
  return kubernetes.patch(allowance, kind, namespace, { metadata: changed, data })
}

/** A write whose answer was lost is repeated, and then may meet itself. No two ciphertexts are equal. */
function isConflictOfRepetition(error: unknown): boolean {
  return isSecretManagerError(error) && error.code === 'SM_K8S_CONFLICT' && error.attempts > 1
}

function immutable(place: Place): SecretManagerError {
  return new SecretManagerError(
    'SM_K8S_REJECTED',
    `${place.kind} ${place.namespace}/${place.name} is immutable`,
    {
      hint: 'delete it and create it again, or write to another name',
    },
  )
}
