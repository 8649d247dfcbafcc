/**
 * The public face of the package `secretmanager`, reviewed before the code was written.
 *
 * `npm run check` compiles it against the build: what stands outside the namespace `planned` is there
 * exactly so, and nothing else is. What stands inside `planned` is agreed and not built yet.
 * The reference text of every field stands at its declaration in `src/`; here are only the shapes.
 */

// ---------------------------------------------------------------- configuration

/** Milliseconds, or a Go duration: `"10s"`, `"1h30m"`. */
export type Duration = number | string

export interface SecretManagerConfig {
  readonly source?: 'kubevault' | undefined
  readonly cluster?: string | undefined
  readonly timeout?: Duration | undefined
  readonly startup?: StartupConfig | undefined
  readonly vault: VaultConfig
  readonly kubernetes?: KubernetesConfig | undefined
  readonly cache?: CacheConfig | undefined
}

export interface CacheConfig {
  readonly refreshAfter?: Duration | undefined
  readonly keepAtMost?: Duration | undefined
  readonly onDenied?: 'keepStale' | 'drop' | undefined
}

export interface StartupConfig {
  readonly wait?: Duration | undefined
}

export interface VaultConfig {
  readonly url: string
  readonly namespace?: string | undefined
  readonly caCert?: CaCert | undefined
  readonly clientCert?: string | undefined
  readonly clientKey?: string | undefined
  readonly serverName?: string | undefined
  readonly proxy?: string | undefined
  readonly transitMount?: string | undefined
  readonly auth: AuthConfig
  readonly redirectHosts?: readonly string[] | undefined
  readonly allowInsecureHttp?: boolean | undefined
}

export type CaCert = true | string | { readonly directory: string } | { readonly pem: string }

export interface KubernetesAuth {
  readonly method: 'kubernetes'
  readonly role: string
  readonly mount?: string | undefined
  readonly audience?: string | undefined
  readonly jwtFile?: string | undefined
}

export type AuthConfig = KubernetesAuth | JwtAuth | AppRoleAuth | GcpAuth | TokenAuth | CustomAuth

export interface JwtAuth {
  readonly method: 'jwt'
  readonly role: string
  readonly mount?: string | undefined
  readonly audience?: string | undefined
  readonly jwtFile?: string | undefined
}

export interface AppRoleAuth {
  readonly method: 'approle'
  readonly mount?: string | undefined
  readonly roleId?: string | undefined
  readonly roleIdFile?: string | undefined
  readonly secretId?: string | undefined
  readonly secretIdFile?: string | undefined
  readonly wrapped?: boolean | undefined
  readonly singleUse?: boolean | undefined
}

export interface GcpAuth {
  readonly method: 'gcp'
  readonly role: string
  readonly mount?: string | undefined
  readonly type?: 'iam' | 'gce' | undefined
  readonly serviceAccount?: string | undefined
  readonly credentials?: string | undefined
  readonly iamEndpoint?: string | undefined
}

export interface TokenAuth {
  readonly method: 'token'
  readonly token?: string | undefined
  readonly tokenFile?: string | undefined
}

export interface CustomAuth {
  readonly method: 'custom'
  readonly login: CustomLogin
}

export type CustomLogin = (
  vault: LoginEndpoint,
  options: { readonly signal: AbortSignal },
) => Promise<IssuedToken>

export interface LoginEndpoint {
  login(path: string, body: Readonly<Record<string, unknown>>): Promise<IssuedToken>
}

export interface IssuedToken {
  readonly token: string
  readonly ttl?: Duration | undefined
  readonly renewable?: boolean | undefined
}

export interface KubernetesConfig {
  readonly kubeconfig?: string | undefined
  readonly context?: string | undefined
  readonly namespace?: string | undefined
  readonly serviceAccount?: string | undefined
  readonly mountedAt?: string | undefined
}

/** The shape of the Python original's `secretcfg.json`; its keys as they are. */
export interface SecretCfg {
  readonly SOURCE: 'KUBEVAULT'
  readonly kube_config?: string | null | undefined
  readonly service_account: string
  readonly namespace: string
  readonly vault_url: string
  readonly role: string
  readonly ca_cert?: boolean | string | undefined
}

export interface LoadConfigOptions {
  readonly file?: string | undefined
  readonly flags?: Readonly<Record<string, unknown>> | undefined
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
}

/** Merges flags over environment over file, and checks the result. */
export declare function loadConfig(
  options?: LoadConfigOptions,
): Promise<SecretManagerConfig | SecretCfg>

// ---------------------------------------------------------------- definitions

export type ReadType = 'SECRET' | 'CONFIG_MAP'

export interface SecretDefinition<
  S extends StandardSchema | undefined = StandardSchema | undefined,
> {
  readonly secretName: string
  readonly namespace?: string | undefined
  readonly readType?: ReadType | undefined
  readonly readKey: string
  readonly transitKey: string
  readonly format?: 'sealed' | 'raw' | undefined
  readonly binding?: 'strict' | 'namespace' | 'none' | undefined
  readonly allowRollback?: boolean | undefined
  readonly schema?: S
}

/** The shape of the Python original's `secretdef.json`; its keys as they are. */
export interface SecretDef {
  readonly secret_name: string
  readonly namespace: string
  readonly read_type: ReadType
  readonly read_key: string
  readonly transit_key: string
}

/** The part of Standard Schema v1 that is used: zod, valibot and arktype all have it. */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] }

export interface StandardIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

// ---------------------------------------------------------------- values

export type SecretValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | { readonly [name: string]: SecretValue }
  | readonly SecretValue[]

/** A decrypted dictionary: its entries are read by name and appear in no output. */
export type SecretValues<T extends object = { readonly [name: string]: SecretValue }> = Readonly<T>

export declare function names(secrets: object): string[]
export declare function reveal<T extends object>(secrets: T): T

// ---------------------------------------------------------------- the manager

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

export interface ReadOptions extends CallOptions {
  /** Asks the servers, however fresh what is kept; rejects where they cannot be asked. */
  readonly fresh?: boolean | undefined
}

/** What connects this SecretManager to the world; `secretmanager/testing` makes one without sockets. */
export interface ManagerOptions {
  readonly runtime?: Runtime | undefined
}

/** Opaque here; `secretmanager/testing` makes one. */
export interface Runtime {}

export declare class SecretManager implements AsyncDisposable {
  constructor(config: SecretManagerConfig | SecretCfg, options?: ManagerOptions)

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

  /** The decrypted document, byte for byte. */
  readBytes(definition: SecretDefinition | SecretDef, options?: ReadOptions): Promise<Uint8Array>

  /** Encrypts `document` and stores it under the definition's data key; siblings, labels and annotations stay. */
  createSecrets(
    definition: SecretDefinition | SecretDef,
    document: Uint8Array | string,
    options?: CallOptions,
  ): Promise<void>

  /** Adds a version to the Transit key; documents stay as they are and stay readable. Gives the latest version. */
  rotateKey(transitKey: string, options?: CallOptions): Promise<number>

  // The steps of the pattern, one by one.
  connectToK8s(options?: CallOptions): Promise<void>
  getK8sServiceAccountToken(options?: CallOptions): Promise<string>
  connectToVault(options?: CallOptions): Promise<void>
  readEncryptedSecrets(
    definition: SecretDefinition | SecretDef,
    options?: ReadOptions,
  ): Promise<SecretValues>
  readK8sSecret(definition: SecretDefinition | SecretDef, options?: CallOptions): Promise<string>
  decryptDataWithVault(
    transitKey: string,
    ciphertext: string,
    options?: CallOptions,
  ): Promise<Uint8Array>
  loadJsonSecrets(document: Uint8Array | string): SecretValues

  /** How every definition, the session and both servers are, without a call. */
  status(): Status

  /** Revokes a long-lived service token, closes every connection; safe to call twice. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

// ---------------------------------------------------------------- status and events

/** Plain data. */
export interface Status {
  readonly ready: boolean
  readonly definitions: readonly DefinitionStatus[]
  readonly session: SessionStatus
  readonly backends: Readonly<Record<'vault' | 'kubernetes', BackendStatus>>
}

export interface DefinitionStatus {
  readonly secretName: string
  readonly namespace: string | undefined
  readonly readType: ReadType
  readonly readKey: string
  readonly transitKey: string
  readonly freshness: 'loading' | 'fresh' | 'stale' | 'failed'
  readonly ageMs: number | undefined
  readonly keyVersion: number | undefined
  readonly revision: number | undefined
  readonly trouble: Trouble | undefined
}

export interface SessionStatus {
  readonly method: string
  readonly state: 'none' | 'live'
  readonly tokenType: 'service' | 'batch' | 'given' | undefined
  readonly expiresInMs: number | undefined
  readonly logins: number
  readonly renewals: number
  readonly trouble: Trouble | undefined
}

export interface BackendStatus {
  readonly state: 'unknown' | 'ok' | 'failing'
  readonly nextAttemptInMs: number
  readonly trouble: Trouble | undefined
}

export interface Trouble {
  readonly code: ErrorCode
  readonly message: string
  readonly hint: string
  readonly requestId: string | undefined
  readonly agoMs: number
}

/** Calls `listener` with each event of the channel `secretmanager:NAME`, until the function that it gives is called. */
export declare function listen<Name extends keyof Channels>(
  name: Name,
  listener: (event: Channels[Name]) => void,
): () => void

/** Every diagnostics channel, by its name without the prefix `secretmanager:`. */
export interface Channels {
  readonly request: RequestEvent
  readonly retry: RetryEvent
  readonly login: LoginEvent
  readonly renewal: LoginEvent
  readonly refresh: RefreshEvent
  readonly stale: FreshnessEvent
  readonly fresh: FreshnessEvent
  readonly dropped: FreshnessEvent
  readonly security: SecurityEvent
}

export interface EventError {
  readonly code: ErrorCode
  readonly message: string
  readonly hint: string
  readonly requestId?: string | undefined
}

export interface RequestEvent {
  readonly backend: 'vault' | 'kubernetes' | 'google'
  readonly method: string
  readonly status?: number | undefined
  readonly durationMs: number
  readonly attempt: number
}

export interface RetryEvent extends EventError {
  readonly backend: 'vault' | 'kubernetes' | 'google'
  readonly attempt: number
  readonly elapsedMs: number
  readonly waitMs: number
}

export interface LoginEvent {
  readonly method: string
  readonly durationMs: number
  readonly ttlMs?: number | undefined
  readonly error?: EventError | undefined
}

export interface EventDefinition {
  readonly secretName: string
  readonly namespace: string | undefined
  readonly readKey: string
}

export interface RefreshEvent extends EventDefinition {
  readonly outcome: 'changed' | 'unchanged' | 'failed'
  readonly durationMs: number
  readonly error?: EventError | undefined
}

export interface FreshnessEvent extends EventDefinition {
  readonly ageMs: number
  readonly error?: EventError | undefined
}

export interface SecurityEvent extends EventError {
  readonly kind: 'unwrap-refused'
}

// ---------------------------------------------------------------- errors

export type ErrorCode = import('../src/errors.ts').ErrorCode
export type ErrorComponent = import('../src/errors.ts').ErrorComponent

export declare class SecretManagerError extends Error {
  readonly code: ErrorCode
  readonly component: ErrorComponent
  readonly hint: string
  readonly retryable: boolean
  readonly exitCode: number
  readonly status: number | undefined
  readonly requestId: string | undefined
  readonly attempts: number
  readonly elapsedMs: number | undefined
  readonly causeClass: string | undefined
  toJSON(): Record<string, string | number | boolean>
}

export declare function isSecretManagerError(value: unknown): value is SecretManagerError

// ---------------------------------------------------------------- agreed, not built yet

export declare namespace planned {
  interface SecretManagerConfig {
    readonly source?: 'kubevault' | 'kubernetes' | 'vault' | 'file' | 'environment' | undefined
    readonly updates?: {
      readonly watch?: boolean | undefined
      readonly poll?: Duration | undefined
      readonly redis?: { readonly url: string; readonly channel?: string | undefined } | undefined
      readonly replicas?: number | undefined
      readonly vaultPerSecond?: number | undefined
    }
  }
  interface SecretDefinition {
    readonly optional?: boolean | undefined
  }
  interface SecretManager {
    watchSecrets(definition: SecretDefinition, options?: CallOptions): Promise<LiveSecrets>
  }
  interface SecretsChange {
    readonly added: readonly string[]
    readonly changed: readonly string[]
    readonly removed: readonly string[]
  }
  interface LiveSecrets extends AsyncDisposable, AsyncIterable<SecretsChange> {
    readonly values: SecretValues
    on(type: 'change', listener: (change: SecretsChange) => void): () => void
    on(type: 'stale' | 'fresh' | 'deleted', listener: () => void): () => void
    on(type: 'error', listener: (error: SecretManagerError) => void): () => void
    close(): Promise<void>
  }
}
