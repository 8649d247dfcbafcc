/**
 * The provision file: which clusters there are, which apps live in them, and where their documents lie.
 * `provision` sets this up; `rewrap`, `rotate`, `retire` and `status` take the same file as their inventory.
 */
import type { Definition } from './definition.ts'

/** What the file says, with every default filled in. */
export interface ProvisionFile {
  /** Mount of the Transit engine, without slashes around it. */
  readonly transitMount: string
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
  /** Namespaces that are looked through for documents; `true`: all. */
  readonly scan: true | readonly string[]
  /** Documents that no app is named for. */
  readonly secrets: readonly Definition[]
}

/** One app: who reads what. */
export interface AppSpec {
  readonly name: string
  readonly namespace: string
  /** Names of the clusters that it runs in. */
  readonly clusters: readonly string[]
  readonly serviceAccount: string
  readonly transitKey: string
  /** Each with its namespace. */
  readonly secrets: readonly Definition[]
}
