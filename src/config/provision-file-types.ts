/** The provision file as a person writes it; what is left out has the default that is named. */
import type { Duration, SecretDefinition } from './types.ts'

/** The whole file. A file with `clusters[].secrets` or `files` alone is an inventory. */
export interface ProvisionFileInput {
  readonly vault?: VaultInput | undefined
  /** Default: one, named `default`, by the access that is configured. */
  readonly clusters?: readonly ClusterInput[] | undefined
  readonly apps?: readonly AppInput[] | undefined
  /** Files and directories of manifests. */
  readonly files?: readonly string[] | undefined
}

/** What there is once in Vault. */
export interface VaultInput {
  /** Default `transit`. */
  readonly transitMount?: string | undefined
  /** Default `true`. */
  readonly auditCorrelationId?: boolean | undefined
}

/** One Kubernetes cluster. */
export interface ClusterInput {
  /** Default `default`. */
  readonly name?: string | undefined
  readonly context?: string | undefined
  /** Default `jwt`. */
  readonly auth?: 'jwt' | 'kubernetes' | undefined
  /** Default `jwt-NAME` or `kubernetes-NAME`. */
  readonly mount?: string | undefined
  /** Default `vault`. */
  readonly audience?: string | undefined
  readonly server?: string | undefined
  readonly ca?: string | undefined
  /** Default `true`: one of its own; `false`: Vault's own ServiceAccount. */
  readonly reviewer?: boolean | ReviewerInput | undefined
  readonly adopt?: boolean | undefined
  readonly createNamespaces?: boolean | undefined
  /** Default: none. */
  readonly scan?: boolean | readonly string[] | undefined
  readonly secrets?: readonly SecretInput[] | undefined
}

/** Who reviews tokens for Vault. */
export interface ReviewerInput {
  /** Default `kube-system`. */
  readonly namespace?: string | undefined
  /** Default `secretmanager-reviewer`. */
  readonly serviceAccount?: string | undefined
  /** Default a year. */
  readonly expiresIn?: Duration | undefined
  readonly renew?: RenewInput | undefined
}

/** A CronJob that renews the reviewer's token. */
export interface RenewInput {
  readonly image: string
  /** Default: weekly. */
  readonly schedule?: string | undefined
  /** Default: the address that provision itself uses. */
  readonly vaultUrl?: string | undefined
}

/** One app. */
export interface AppInput {
  readonly name: string
  readonly namespace: string
  /** Default: all. */
  readonly clusters?: readonly string[] | undefined
  /** Default: the name. */
  readonly serviceAccount?: string | undefined
  /** Default: the name. */
  readonly transitKey?: string | undefined
  readonly autoRotatePeriod?: Duration | undefined
  /** Role of the reader. Default: the name. */
  readonly role?: string | undefined
  /** Policy of the reader. Default `NAME-reader`. */
  readonly policy?: string | undefined
  /** Default `true`: `NAME-writer`. */
  readonly writer?: boolean | AccessInput | undefined
  /** Default `true`: `NAME-rotator`. */
  readonly rotator?: boolean | AccessInput | undefined
  readonly adopt?: boolean | undefined
  /** Default `true`. */
  readonly tokenRequest?: boolean | undefined
  readonly secrets?: readonly SecretInput[] | undefined
}

/** Who does one job of an app. */
export interface AccessInput {
  readonly serviceAccount?: string | undefined
  readonly role?: string | undefined
  readonly policy?: string | undefined
  /** May create Secrets of any name in the namespace. */
  readonly create?: boolean | undefined
  /** May list, and so read, all Secrets of the namespace. */
  readonly list?: boolean | undefined
}

/** A definition; in an app its namespace and Transit key are that of the app unless it says otherwise. */
export type SecretInput = Partial<SecretDefinition>
