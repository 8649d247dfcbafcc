/** What a provision file comes to. */
import type { Definition } from './definition.ts'

/** What the file says, with every default filled in. */
export interface ProvisionFile {
  /** Mount of the Transit engine, without slashes around it. */
  readonly transitMount: string
  /** Whether Vault's audit log is to keep the id that errors carry. */
  readonly auditCorrelationId: boolean
  readonly clusters: readonly ClusterSpec[]
  readonly apps: readonly AppSpec[]
  /** Files and directories of manifests, such as a checked out repository. */
  readonly files: readonly string[]
}

/** One Kubernetes cluster. */
export interface ClusterSpec {
  /** What documents are bound to: the setting `cluster` of its readers. */
  readonly name: string
  /** Context of the kubeconfig; absent: the access that is configured. */
  readonly context: string | undefined
  /** How Vault checks who a JWT is of: by the cluster's public keys, or by asking the cluster. */
  readonly auth: 'jwt' | 'kubernetes'
  /** Mount of that auth method, without slashes around it. */
  readonly mount: string
  /** Audience that tokens for Vault must have. */
  readonly audience: string
  /** With `kubernetes`: URL of the API server as Vault reaches it; absent: as we do. */
  readonly server: string | undefined
  /** With `kubernetes`: path of the CA of that server, in PEM; absent: that of our own access. */
  readonly ca: string | undefined
  /** With `kubernetes`: who reviews tokens for Vault; absent: Vault's own ServiceAccount. */
  readonly reviewer: ReviewerSpec | undefined
  /** Whether the mount was set up by somebody else, and its configuration stays as it is. */
  readonly adopt: boolean
  /** Whether namespaces of apps are created where they are missing. */
  readonly createNamespaces: boolean
  /** Namespaces that are looked through for documents; `true`: all. */
  readonly scan: true | readonly string[]
  /** Documents that no app is named for. */
  readonly secrets: readonly Definition[]
}

/** The ServiceAccount whose token Vault reviews others by. */
export interface ReviewerSpec {
  readonly namespace: string
  readonly serviceAccount: string
  /** What is asked for, in milliseconds; the API server may grant less. */
  readonly expiresInMs: number
  /** Who renews it in the cluster; absent: whoever runs provision. */
  readonly renew: RenewSpec | undefined
}

/** A CronJob that renews the reviewer's token. */
export interface RenewSpec {
  /** Image that has this command line. */
  readonly image: string
  /** As in a CronJob. */
  readonly schedule: string
  /** Of Vault, as a pod reaches it; absent: as we do. */
  readonly vaultUrl: string | undefined
}

/** One app: who reads what. */
export interface AppSpec {
  readonly name: string
  readonly namespace: string
  /** Names of the clusters that it runs in. */
  readonly clusters: readonly string[]
  /** That of {@link reader}. */
  readonly serviceAccount: string
  readonly transitKey: string
  /** How often Transit rotates the key by itself, in milliseconds; absent: it is left as it is. */
  readonly autoRotatePeriodMs: number | undefined
  /** The service itself: decrypts. */
  readonly reader: AccessSpec
  /** Encrypts; absent where nobody does so by a role. */
  readonly writer: AccessSpec | undefined
  /** Rewraps and rotates; absent where nobody does so by a role. */
  readonly rotator: AccessSpec | undefined
  /** Whether roles and policies that are there already are added to, and nothing of them is changed. */
  readonly adopt: boolean
  /** Whether each ServiceAccount may request tokens for itself, as one without a projected volume must. */
  readonly tokenRequest: boolean
  /** Each with its namespace. */
  readonly secrets: readonly Definition[]
}

/** Who does one job of an app. */
export interface AccessSpec {
  readonly serviceAccount: string
  /** Name of the role in each auth mount. */
  readonly role: string
  readonly policy: string
  /** Further rights in Kubernetes, each a risk that is named: all Secrets of the namespace. */
  readonly extra: readonly ('create' | 'list')[]
}
