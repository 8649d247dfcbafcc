/** The library's face: one SecretManager per process reads any number of definitions. */
import { parseDefinition } from './config/definition.ts'
import { parseConfig } from './config/schema.ts'
import type {
  ReadType,
  SecretCfg,
  SecretDef,
  SecretDefinition,
  SecretManagerConfig,
  StandardSchema,
} from './config/types.ts'
import { isSecretManagerError, SecretManagerError } from './errors.ts'
import { Budget, type Allowance } from './http/budget.ts'
import { createTransport } from './http/transport.ts'
import { aborted } from './lib/abort.ts'
import { parseDictionary } from './lib/json.ts'
import { isRecord } from './lib/record.ts'
import { systemRuntime, type Runtime } from './runtime.ts'
import { Connections } from './sources/connections.ts'
import { publish } from './sources/dictionary.ts'
import { KubevaultSource } from './sources/kubevault.ts'
import { sealValues, type SecretValues } from './values.ts'

/** Options of every call that waits. */
export interface CallOptions {
  /** Ends the call early, with SM_ABORTED. */
  readonly signal?: AbortSignal | undefined
}

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
  readonly #budget: Budget
  readonly #connections: Connections
  readonly #source: KubevaultSource
  readonly #closing = new AbortController()
  #closed: Promise<void> | undefined

  /**
   * @param config - native, or the Python original's `secretcfg.json` as it is
   * @throws {@link SecretManagerError} SM_CONFIG_INVALID with every problem and its path
   */
  constructor(config: SecretManagerConfig | SecretCfg, options: ManagerOptions = {}) {
    const settings = parseConfig(config)
    const runtime = options.runtime ?? systemRuntime(createTransport)
    this.#budget = new Budget(runtime, settings, this.#closing.signal)
    this.#connections = new Connections(settings, this.#budget, runtime)
    this.#source = new KubevaultSource({ settings, runtime, connections: this.#connections })
  }

  /**
   * Reads a dictionary. Its entries are read by name and appear in no output; see {@link SecretValues}.
   *
   * @param definition - native, the original's `secretdef.json`, or its five values one by one
   * @returns a frozen dictionary, typed by the definition's schema where it has one
   * @throws {@link SecretManagerError} SM_CONFIG_INVALID, SM_AUTH_*, SM_VAULT_*, SM_REDIRECT_REFUSED, SM_K8S_*,
   * SM_KEY_*, SM_CT_*, SM_PAYLOAD_INVALID, SM_TOO_LARGE, SM_SCHEMA_INVALID, SM_TLS_*, SM_TOKEN_*, SM_FILE_UNREADABLE,
   * SM_EXEC_FAILED, SM_TIMEOUT, SM_ABORTED, SM_CLOSED
   */
  readSecrets<T extends object>(
    definition: SecretDefinition<StandardSchema<T>> & { readonly schema: StandardSchema<T> },
    options?: CallOptions,
  ): Promise<SecretValues<T>>
  readSecrets(
    definition: SecretDefinition | SecretDef,
    options?: CallOptions,
  ): Promise<SecretValues>
  readSecrets(
    secretName: string,
    namespace: string,
    readType: ReadType,
    readKey: string,
    transitKey: string,
    options?: CallOptions,
  ): Promise<SecretValues>
  readSecrets(
    first: SecretDefinition | SecretDef | string,
    ...rest: readonly unknown[]
  ): Promise<object> {
    const [definition, options] =
      typeof first === 'string' ? positional(first, rest) : [first, rest[0]]
    return this.#run(options, async (allowance) => {
      const parsed = parseDefinition(definition)
      return publish(await this.#source.read(allowance, parsed), parsed)
    })
  }

  /**
   * Reads a document byte for byte, whatever it is.
   *
   * @throws {@link SecretManagerError} as {@link readSecrets}, without SM_PAYLOAD_INVALID and SM_SCHEMA_INVALID
   */
  readBytes(definition: SecretDefinition | SecretDef, options?: CallOptions): Promise<Uint8Array> {
    return this.#run(options, (allowance) =>
      this.#source.read(allowance, parseDefinition(definition)),
    )
  }

  /**
   * Encrypts `document` and stores it where `definition` says, creating the object if there is none.
   * Siblings, labels and annotations of an existing object stay.
   *
   * @param document - bytes, or text in UTF-8; at most 786 395 bytes
   * @throws {@link SecretManagerError} SM_TOO_LARGE before any call, SM_K8S_CONFLICT when somebody else wrote meanwhile, SM_K8S_*, SM_VAULT_*
   */
  createSecrets(
    definition: SecretDefinition | SecretDef,
    document: Uint8Array | string,
    options?: CallOptions,
  ): Promise<void> {
    return this.#run(options, (allowance) =>
      this.#source.store(allowance, parseDefinition(definition), bytesOf(document)),
    )
  }

  /**
   * Adds a version to a Transit key. Documents stay as they are and stay readable; new ones use it.
   *
   * @returns the latest version
   * @throws {@link SecretManagerError} SM_VAULT_*; where no answer came (SM_VAULT_TIMEOUT, SM_VAULT_UNREACHABLE, SM_VAULT_BAD_RESPONSE) the key may have been rotated: it is not sent twice
   */
  rotateKey(transitKey: string, options?: CallOptions): Promise<number> {
    return this.#run(options, (allowance) =>
      this.#connections.transit.rotate(allowance, transitKey),
    )
  }

  /** Step 1: finds the API server (in a pod the pod's own, else a kubeconfig). */
  connectToK8s(options?: CallOptions): Promise<void> {
    return this.#run(options, async (allowance) => {
      await this.#connections.kubernetes(allowance)
    })
  }

  /** Step 2: gives the ServiceAccount JWT that logs in to Vault. It is a credential: keep it out of logs. */
  getK8sServiceAccountToken(options?: CallOptions): Promise<string> {
    return this.#run(options, (allowance) => this.#connections.jwt(allowance, undefined))
  }

  /** Step 3: logs in to Vault, unless a token is live. */
  connectToVault(options?: CallOptions): Promise<void> {
    return this.#run(options, (allowance) => this.#connections.session.ready(allowance))
  }

  /** Steps 4 to 6 at once, the original's name for {@link readSecrets}. */
  readEncryptedSecrets(
    definition: SecretDefinition | SecretDef,
    options?: CallOptions,
  ): Promise<SecretValues> {
    return this.readSecrets(definition, options)
  }

  /** Step 4: reads the stored ciphertext. */
  readK8sSecret(definition: SecretDefinition | SecretDef, options?: CallOptions): Promise<string> {
    return this.#run(options, async (allowance) => {
      const place = await this.#source.locate(allowance, parseDefinition(definition))
      return this.#source.fetch(allowance, place)
    })
  }

  /** Step 5: decrypts one ciphertext, `vault:vN:…`, to the document's bytes. */
  decryptDataWithVault(
    transitKey: string,
    ciphertext: string,
    options?: CallOptions,
  ): Promise<Uint8Array> {
    return this.#run(options, (allowance) =>
      this.#connections.transit.decrypt(allowance, transitKey, ciphertext),
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

  /** Revokes a token that would live on for more than a minute, ends calls under way with SM_CLOSED, closes every connection. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#closing.abort()
    await this.#connections.close(this.#budget.last())
  }

  async #run<T>(options: unknown, work: (allowance: Allowance) => Promise<T>): Promise<T> {
    if (this.#closed) throw closed()
    const allowance = this.#budget.begin(signalOf(options))
    try {
      if (allowance.signal.aborted) throw aborted()
      return await work(allowance)
    } catch (error) {
      throw this.#closed && isSecretManagerError(error) ? closed() : error
    } finally {
      allowance.end()
    }
  }
}

/** The original's five values as its `secretdef.json` has them. */
function positional(secret_name: string, rest: readonly unknown[]): [object, unknown] {
  const [namespace, read_type, read_key, transit_key, options] = rest
  return [{ secret_name, namespace, read_type, read_key, transit_key }, options]
}

/** A signal in the place of the options would be ignored without a word. */
function signalOf(options: unknown): AbortSignal | undefined {
  if (options === undefined) return undefined
  const signal = isRecord(options) && !(options instanceof AbortSignal) ? options['signal'] : null
  if (signal === undefined || signal instanceof AbortSignal) return signal
  throw new TypeError('options must be { signal?: AbortSignal }')
}

function bytesOf(document: Uint8Array | string): Uint8Array {
  return typeof document === 'string' ? new TextEncoder().encode(document) : document
}

function closed(): SecretManagerError {
  return new SecretManagerError('SM_CLOSED', 'this SecretManager is closed')
}
