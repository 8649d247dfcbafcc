/**
 * The KUBEVAULT source: a Kubernetes object holds the ciphertext, Transit holds the key.
 *
 * The words of the pipeline are its methods: a definition is located, its document fetched, opened.
 */
import type { Definition } from '../config/definition.ts'
import type { Settings } from '../config/schema.ts'
import { inContext, isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { MAX_DOCUMENT_BYTES } from '../lib/json.ts'
import type { KubernetesClient } from '../kubernetes/client.ts'
import type { KubernetesObject } from '../kubernetes/objects.ts'
import { readIfPresent } from '../kubernetes/named-file.ts'
import type { Runtime } from '../runtime.ts'
import { keyVersionOf, parseRaw } from '../sealed/raw.ts'
import type { Connections } from './connections.ts'
import { describe, placeOf, textOf, valueOf, type Place } from './place.ts'

/** A document that was read. */
export interface Opened {
  /** As it is stored. */
  readonly stored: string
  /** The plaintext's exact bytes. */
  readonly document: Uint8Array
  /** Version of the Transit key that it is under. */
  readonly keyVersion: number
}

/** What the source works with. */
export interface KubevaultParts {
  readonly settings: Settings
  readonly runtime: Runtime
  readonly connections: Connections
}

const LABELS = {
  'app.kubernetes.io/managed-by': 'secretmanager',
  'kubevault.secretmanager/managed': 'true',
}

/** Reads and writes dictionaries by the KUBEVAULT pattern. */
export class KubevaultSource {
  readonly #parts: KubevaultParts

  constructor(parts: KubevaultParts) {
    this.#parts = parts
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
   * Opens a document.
   *
   * @returns the plaintext's exact bytes
   * @throws {@link SecretManagerError} SM_CT_*, SM_KEY_NOT_FOUND, SM_AUTH_*, SM_VAULT_*
   */
  async open(allowance: Allowance, place: Place, document: string): Promise<Uint8Array> {
    const ciphertext = parseRaw(document, describe(place))
    try {
      return await this.#parts.connections.transit.decrypt(allowance, place.transitKey, ciphertext)
    } catch (error) {
      throw isSecretManagerError(error) && error.component === 'ciphertext'
        ? inContext(error, `cannot open ${describe(place)}`)
        : error
    }
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
   * @throws {@link SecretManagerError} what {@link fetch} and {@link open} reject with
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
    const requested = connections.tokenRequested().catch(() => ready)
    const fetched = requested.then(() => this.fetch(allowance, place))
    const [stored] = await Promise.all([fetched, ready])
    if (stored === known?.stored) return known
    const document = await this.open(allowance, place, stored)
    return { stored, document, keyVersion: keyVersionOf(stored) }
  }

  /**
   * Encrypts `document` and stores it. Of an existing object nothing else changes, and a change that
   * somebody else made in between is not overwritten.
   *
   * @throws {@link SecretManagerError} SM_TOO_LARGE, SM_K8S_CONFLICT, SM_K8S_REJECTED for an immutable object, SM_K8S_*, SM_VAULT_*
   */
  async store(allowance: Allowance, definition: Definition, document: Uint8Array): Promise<void> {
    if (document.byteLength > MAX_DOCUMENT_BYTES) throw tooLarge(definition, document.byteLength)
    const place = await this.#locateInCluster(allowance, definition)
    const kubernetes = await this.#parts.connections.kubernetes(allowance)
    const existing = await findObject(kubernetes, allowance, place)
    if (existing?.immutable === true) throw immutable(place)
    const ciphertext = await this.#parts.connections.transit.encrypt(
      allowance,
      place.transitKey,
      document,
    )
    try {
      await write(kubernetes, allowance, place, ciphertext, existing?.resourceVersion)
    } catch (error) {
      if (!isConflictOfRepetition(error)) throw error
      const stored = await findObject(kubernetes, allowance, place)
      if (stored?.data.get(place.dataKey) !== valueOf(place, ciphertext)) throw error
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

function tooLarge({ secretName }: Definition, bytes: number): SecretManagerError {
  return new SecretManagerError(
    'SM_TOO_LARGE',
    `the document for ${secretName} has ${bytes} bytes; at most ${MAX_DOCUMENT_BYTES} fit`,
  )
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
