/** The library's face: one SecretManager per process reads any number of definitions. */
import { Cache } from './cache/cache.ts'
import { dictionariesOf, documentsOf } from './cache/loads.ts'
import { isFresh, type CallOptions, type ReadOptions } from './calls.ts'
import { definitionOf, positionalDefinition, type Definition } from './config/definition.ts'
import { parseConfig } from './config/schema.ts'
import type {
  ReadType,
  SecretCfg,
  SecretDef,
  SecretDefinition,
  SecretManagerConfig,
  StandardSchema,
} from './config/types.ts'
import { closeCore, createCore, type Core } from './core.ts'
import { createTransport } from './http/transport.ts'
import { parseDictionary } from './lib/json.ts'
import { systemRuntime, type Runtime } from './runtime.ts'
import { statusOf, type Status } from './status.ts'
import { sealValues, type SecretValues } from './values.ts'

export type { CallOptions, ReadOptions } from './calls.ts'

/** What connects a SecretManager to the world. */
export interface ManagerOptions {
  /** Default: the real one. `secretmanager/testing` makes one without sockets. */
  readonly runtime?: Runtime | undefined
}

/**
 * Reads secrets by the KUBEVAULT pattern: ciphertext from a Kubernetes object, decrypted by Vault's
 * Transit engine for as long as a token of seconds lives, held in this process's memory only.
 *
 * Constructing does no I/O and reads no environment. Every method that waits takes a `signal`, retries
 * within its time limit (`startup.wait` until the first success, then 15 s), and rejects with a
 * {@link SecretManagerError}; an error is never an empty dictionary.
 *
 * @example
 * await using sm = new SecretManager({ vault: { url, auth: { method: 'kubernetes', role: 'app' } } })
 * const { redis_url } = await sm.readSecrets('matrix-secrets', 'default', 'SECRET', 'secrets.json', 'aes256-key')
 */
export class SecretManager implements AsyncDisposable {
  readonly #core: Core
  readonly #dictionaries: Cache<object>
  readonly #documents: Cache<Uint8Array>
  #closed: Promise<void> | undefined

  /**
   * @param config - native, or the Python original's `secretcfg.json` as it is
   * @throws {@link SecretManagerError} SM_CONFIG_INVALID with every problem and its path
   */
  constructor(config: SecretManagerConfig | SecretCfg, options: ManagerOptions = {}) {
    const settings = parseConfig(config)
    const runtime = options.runtime ?? systemRuntime(createTransport)
    this.#core = createCore(settings, runtime)
    const { source, calls } = this.#core
    const { budget } = calls
    const patienceMs = settings.attempt.timeoutMs
    const parts = { settings: settings.cache, patienceMs, budget, runtime }
    this.#dictionaries = new Cache({ ...parts, ...dictionariesOf(source) })
    this.#documents = new Cache({ ...parts, ...documentsOf(source, runtime) })
  }

  /**
   * Reads a dictionary. Its entries are read by name and appear in no output; see {@link SecretValues}.
   *
   * It is kept in memory, as `cache` of the configuration says: a fresh one is given without a call, an
   * older one is refreshed, and where that fails it is served until the end of its time; see {@link status}.
   *
   * @param definition - native, the original's `secretdef.json`, or its five values one by one
   * @returns a frozen dictionary, typed by the definition's schema where it has one; the same one until it changes
   * @throws {@link SecretManagerError} SM_CONFIG_INVALID, SM_AUTH_*, SM_VAULT_*, SM_REDIRECT_REFUSED, SM_K8S_*,
   * SM_KEY_*, SM_CT_*, SM_PAYLOAD_INVALID, SM_TOO_LARGE, SM_SCHEMA_INVALID, SM_TLS_*, SM_TOKEN_*, SM_FILE_UNREADABLE,
   * SM_EXEC_FAILED, SM_TIMEOUT, SM_ABORTED, SM_CLOSED
   */
  readSecrets<T extends object>(
    definition: SecretDefinition<StandardSchema<T>> & { readonly schema: StandardSchema<T> },
    options?: ReadOptions,
  ): Promise<SecretValues<T>>
  readSecrets(
    definition: SecretDefinition | SecretDef,
    options?: ReadOptions,
  ): Promise<SecretValues>
  readSecrets(
    secretName: string,
    namespace: string,
    readType: ReadType,
    readKey: string,
    transitKey: string,
    options?: ReadOptions,
  ): Promise<SecretValues>
  async readSecrets(
    first: SecretDefinition | SecretDef | string,
    ...rest: readonly unknown[]
  ): Promise<object> {
    if (typeof first !== 'string') {
      return this.#read(this.#dictionaries, definitionOf(first), rest[0])
    }
    const [namespace, readType, readKey, transitKey, options] = rest
    const definition = positionalDefinition(first, namespace, readType, readKey, transitKey)
    return this.#read(this.#dictionaries, definition, options)
  }

  /**
   * Reads a document byte for byte, whatever it is. Kept as {@link readSecrets} keeps dictionaries.
   *
   * @returns a copy, for the caller to wipe
   * @throws {@link SecretManagerError} as {@link readSecrets}, without SM_PAYLOAD_INVALID and SM_SCHEMA_INVALID
   */
  async readBytes(
    definition: SecretDefinition | SecretDef,
    options?: ReadOptions,
  ): Promise<Uint8Array> {
    const document = await this.#read(this.#documents, definitionOf(definition), options)
    // Not slice(): of a Buffer that is a view of what is wiped later.
    return new Uint8Array(document)
  }

  /**
   * Encrypts `document` and stores it where `definition` says, creating the object if there is none.
   * Siblings, labels and annotations of an existing object stay.
   *
   * @param document - bytes, or text in UTF-8; at most 786 395 bytes raw, some 60 fewer sealed
   * @throws {@link SecretManagerError} SM_TOO_LARGE before any call, SM_K8S_CONFLICT when somebody else wrote meanwhile, SM_K8S_*, SM_VAULT_*
   */
  createSecrets(
    definition: SecretDefinition | SecretDef,
    document: Uint8Array | string,
    options?: CallOptions,
  ): Promise<void> {
    return this.#core.calls.run(options, async (allowance) => {
      const parsed = definitionOf(definition)
      await this.#core.source.store(allowance, parsed, bytesOf(document))
      this.#dictionaries.forget(parsed)
      this.#documents.forget(parsed)
    })
  }

  /**
   * Adds a version to a Transit key. Documents stay as they are and stay readable; new ones use it.
   *
   * @returns the latest version
   * @throws {@link SecretManagerError} SM_VAULT_*; where no answer came (SM_VAULT_TIMEOUT, SM_VAULT_UNREACHABLE, SM_VAULT_BAD_RESPONSE) the key may have been rotated: it is not sent twice
   */
  rotateKey(transitKey: string, options?: CallOptions): Promise<number> {
    return this.#core.calls.run(options, (allowance) =>
      this.#core.connections.transit.rotate(allowance, transitKey),
    )
  }

  /** Step 1: finds the API server (in a pod the pod's own, else a kubeconfig). */
  connectToK8s(options?: CallOptions): Promise<void> {
    return this.#core.calls.run(options, async (allowance) => {
      await this.#core.connections.kubernetes(allowance)
    })
  }

  /** Step 2: gives the ServiceAccount JWT that logs in to Vault. It is a credential: keep it out of logs. */
  getK8sServiceAccountToken(options?: CallOptions): Promise<string> {
    return this.#core.calls.run(options, (allowance) =>
      this.#core.connections.jwt(allowance, undefined),
    )
  }

  /** Step 3: logs in to Vault, unless a token is live. */
  connectToVault(options?: CallOptions): Promise<void> {
    return this.#core.calls.run(options, (allowance) =>
      this.#core.connections.session.ready(allowance),
    )
  }

  /** Steps 4 to 6 at once, the original's name for {@link readSecrets}. */
  readEncryptedSecrets(
    definition: SecretDefinition | SecretDef,
    options?: ReadOptions,
  ): Promise<SecretValues> {
    return this.readSecrets(definition, options)
  }

  /** Step 4: reads the stored ciphertext. */
  readK8sSecret(definition: SecretDefinition | SecretDef, options?: CallOptions): Promise<string> {
    return this.#core.calls.run(options, async (allowance) => {
      const place = await this.#core.source.locate(allowance, definitionOf(definition))
      return this.#core.source.fetch(allowance, place)
    })
  }

  /** Step 5: decrypts one ciphertext, `vault:vN:…`, to the document's bytes. */
  decryptDataWithVault(
    transitKey: string,
    ciphertext: string,
    options?: CallOptions,
  ): Promise<Uint8Array> {
    return this.#core.calls.run(options, (allowance) =>
      this.#core.source.decrypt(allowance, transitKey, ciphertext),
    )
  }

  /**
   * Step 6: parses a document.
   *
   * @throws {@link SecretManagerError} SM_PAYLOAD_INVALID, never with a word of the document
   */
  loadJsonSecrets(document: Uint8Array | string): SecretValues {
    return sealValues(parseDictionary(bytesOf(document)))
  }

  /** How every definition, the session and both servers are at this moment, without a call. Plain data, nothing secret. */
  status(): Status {
    const { calls, connections } = this.#core
    const caches = [this.#dictionaries, this.#documents]
    return statusOf(caches, {
      session: connections.session.status(),
      vault: calls.budget.status('vault'),
      kubernetes: calls.budget.status('kubernetes'),
    })
  }

  /** Revokes a token that would live on for more than a minute, ends calls under way with SM_CLOSED, closes every connection. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#dictionaries.clear()
    this.#documents.clear()
    await closeCore(this.#core)
  }

  /** What is fresh costs no allowance, no call and no wait. */
  #read<T extends object>(
    cache: Cache<T>,
    definition: Definition,
    options: unknown,
  ): T | Promise<T> {
    const { calls } = this.#core
    const hit = options === undefined && !calls.isClosed ? cache.hit(definition) : undefined
    return hit ?? calls.run(options, (it) => cache.read(it, definition, isFresh(options)))
  }
}

function bytesOf(document: Uint8Array | string): Uint8Array {
  return typeof document === 'string' ? new TextEncoder().encode(document) : document
}
