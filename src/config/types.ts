/**
 * What a person writes: configuration and definitions, in the native shape and in the Python
 * original's. These interfaces are the reference manual; `schema.ts` is held against them by type.
 */

import type { Duration } from '../lib/duration.ts'
import type { AuthConfig } from './auth-types.ts'

export type { Duration } from '../lib/duration.ts'
export type {
  AppRoleAuth,
  AuthConfig,
  CustomAuth,
  CustomLogin,
  GcpAuth,
  IssuedToken,
  JwtAuth,
  KubernetesAuth,
  LoginEndpoint,
  TokenAuth,
} from './auth-types.ts'

/** Settings of a SecretManager. Constructing with them does no I/O and reads no environment. */
export interface SecretManagerConfig {
  /** Kind of place the dictionaries live in. Default, and in this version the only one: `kubevault`. */
  readonly source?: 'kubevault' | undefined
  /**
   * Name of the cluster that sealed documents are bound to. Never discovered, so that a restored cluster reads its
   * documents. Default `default`.
   */
  readonly cluster?: string | undefined
  /** Longest time for one request to one server, its connection included. Default 5 s, of which 2 s to connect. */
  readonly timeout?: Duration | undefined
  /** How a start behaves while Vault or the API server is away. */
  readonly startup?: StartupConfig | undefined
  readonly vault: VaultConfig
  readonly kubernetes?: KubernetesConfig | undefined
  readonly cache?: CacheConfig | undefined
}

/**
 * How long a dictionary is kept in memory. Nothing is refreshed that nobody reads: an idle service
 * asks nothing.
 */
export interface CacheConfig {
  /**
   * Age from which a read has the dictionary refreshed in the background, while it serves what it has.
   * Default 5 min, or {@link keepAtMost} where that is shorter; at most 24 h. 0 asks the servers in
   * every read, as the Python original does, and is the default with its configuration.
   */
  readonly refreshAfter?: Duration | undefined
  /**
   * Longest time that a dictionary is served while it cannot be refreshed. Default 24 h, at most 30
   * days; 0 serves nothing that was not just read. Counted by the monotonic clock: while the machine
   * sleeps it stands still.
   */
  readonly keepAtMost?: Duration | undefined
  /**
   * What becomes of a kept dictionary when Vault or the API server refuses it or its object is gone:
   * `keepStale` (default) serves it until {@link keepAtMost}, `drop` forgets it at once.
   */
  readonly onDenied?: 'keepStale' | 'drop' | undefined
}

/** How a start behaves while a server is away. */
export interface StartupConfig {
  /**
   * Longest time that reads retry before the first of them has succeeded: a power cut starts pods
   * before somebody unseals Vault. Default 30 s, at most 30 days. Later reads retry for 15 s.
   */
  readonly wait?: Duration | undefined
}

/** Where Vault (or OpenBao) is and how to be let in. */
export interface VaultConfig {
  /** Base address, such as `https://vault.example:8200`. Plain http only to loopback, unless {@link allowInsecureHttp}. */
  readonly url: string
  /** Vault Enterprise or OpenBao namespace, sent as `X-Vault-Namespace`. */
  readonly namespace?: string | undefined
  /** Whom to trust. Default `true`. */
  readonly caCert?: CaCert | undefined
  /** Path of a client certificate (PEM), for listeners that demand one; needs {@link clientKey}. */
  readonly clientCert?: string | undefined
  /** Path of the client certificate's key (PEM). */
  readonly clientKey?: string | undefined
  /** Name that the certificate is checked against, where it is not the one in {@link url}. */
  readonly serverName?: string | undefined
  /** URL of an HTTP proxy that is asked to CONNECT. */
  readonly proxy?: string | undefined
  /** Mount path of the Transit engine. Default `transit`. */
  readonly transitMount?: string | undefined
  readonly auth: AuthConfig
  /**
   * Further `host:port` that a standby may redirect to with the token. Default none: one redirect to
   * another path of the same host is followed, nothing else.
   */
  readonly redirectHosts?: readonly string[] | undefined
  /** Sends tokens and JWTs in the clear over any network. For a mesh that encrypts by itself. Default `false`. */
  readonly allowInsecureHttp?: boolean | undefined
}

/**
 * Trusted certificate authorities: `true` for Node's bundled roots and then the operating system's
 * store and `NODE_EXTRA_CA_CERTS`; a string for the path of a PEM file; or a directory of PEM files;
 * or PEM text.
 */
export type CaCert = true | string | { readonly directory: string } | { readonly pem: string }

/** How to reach the Kubernetes API. In a pod whose token is mounted, the pod's own access is used and no kubeconfig is read. */
export interface KubernetesConfig {
  /** Path of a kubeconfig. Default: those of `KUBECONFIG`, else `~/.kube/config`. */
  readonly kubeconfig?: string | undefined
  /** Context of the kubeconfig. Default: its current one. */
  readonly context?: string | undefined
  /** Namespace of definitions that name none, and of {@link serviceAccount}. Default: the pod's, or the context's, or `default`. */
  readonly namespace?: string | undefined
  /** ServiceAccount to request a token for. Default: the pod's own, else `default`. */
  readonly serviceAccount?: string | undefined
  /**
   * Directory where the Secret (or ConfigMap) is mounted: the ciphertext is read from
   * `<mountedAt>/<secretName>/<readKey>`, or `<mountedAt>/<readKey>`, and the API server is never asked.
   */
  readonly mountedAt?: string | undefined
}

/** The Python original's `secretcfg.json`, its keys as they are. */
export interface SecretCfg {
  readonly SOURCE: 'KUBEVAULT'
  /** Path of a kubeconfig; outside a pod, `null` means the default one. */
  readonly kube_config?: string | null | undefined
  /** ServiceAccount that a token is requested for. */
  readonly service_account: string
  /** Namespace of {@link service_account}. */
  readonly namespace: string
  readonly vault_url: string
  readonly role: string
  /** `true` (also `"True"`) or the path of a CA file. `false` is refused: certificates are always verified. */
  readonly ca_cert?: boolean | string | undefined
}

/**
 * Where a configuration is put together from: flags win over the environment, the environment over the
 * file. The auth method alone is the file's before it is that of `VAULT_AUTH_METHOD`, and credentials
 * in the environment (`VAULT_TOKEN`, `VAULT_ROLE_ID`, `VAULT_SECRET_ID`, each also with `_FILE`) count
 * for their own method only: a stray one changes nothing. Nobody names a method: a role means
 * `kubernetes`, a role_id `approle`, a token `token`.
 */
export interface LoadConfigOptions {
  /** Path of a file in either shape: YAML where it ends in `.yaml` or `.yml`, else JSON. Default none. */
  readonly file?: string | undefined
  /** Settings by their path, such as `{ 'vault.url': 'https://vault.example:8200' }`; `undefined` says nothing. */
  readonly flags?: Readonly<Record<string, unknown>> | undefined
  /** Environment variables to read in place of the process's; an empty one counts as unset. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
}

/** Which kind of object holds the ciphertext. */
export type ReadType = 'SECRET' | 'CONFIG_MAP'

/** Where one dictionary lives and how it is opened. The only authority: what a document says must agree with it. */
export interface SecretDefinition<
  S extends StandardSchema | undefined = StandardSchema | undefined,
> {
  /** `metadata.name` of the Secret or ConfigMap. */
  readonly secretName: string
  /** Its namespace. Default: `kubernetes.namespace`. */
  readonly namespace?: string | undefined
  /** Default `SECRET`. Ciphertext is safe in either. */
  readonly readType?: ReadType | undefined
  /** Entry of the object's `data` that holds the ciphertext. */
  readonly readKey: string
  /** Transit key that the document is encrypted with. */
  readonly transitKey: string
  /**
   * `sealed` (default): a ciphertext that says what it was sealed for, is bound to its place, and has a revision.
   * `raw`: a bare `vault:vN:…` of the document's bytes, as the Python original writes it.
   */
  readonly format?: 'sealed' | 'raw' | undefined
  /**
   * What a sealed document is bound to: `strict` (default) its entry of its object in its cluster, `namespace` its
   * namespace, `none` nothing. Needs a Transit key that is derived, except for `none`.
   */
  readonly binding?: 'strict' | 'namespace' | 'none' | undefined
  /** Opens documents older than one that this process has read. Default `false`. */
  readonly allowRollback?: boolean | undefined
  /**
   * Checks and types the dictionary: any Standard Schema, such as one of zod, valibot or arktype. Make it once: a
   * definition with another schema object is another definition, and kept by itself.
   */
  readonly schema?: S
}

/** The Python original's `secretdef.json`, its keys as they are. Implies `format: 'raw'`. */
export interface SecretDef {
  readonly secret_name: string
  readonly namespace: string
  readonly read_type: ReadType
  readonly read_key: string
  readonly transit_key: string
}

/** The part of Standard Schema v1 that is used. See https://standardschema.dev */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

/** What a Standard Schema answers. */
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] }

/** One thing that a schema found. Its `message` may quote a value and is never printed; its `path` is. */
export interface StandardIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}
