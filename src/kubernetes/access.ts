import type { TransportOptions } from '../runtime.ts'

/** What a person may choose outside a pod. */
export interface AccessSettings {
  /** Path of the one kubeconfig to use; `~/` is the home directory. Default: `KUBECONFIG`, else `~/.kube/config`. */
  readonly kubeconfig?: string | undefined
  /** Default: `current-context`. */
  readonly context?: string | undefined
}

/** Who the pod that this process runs in is, as the claims of its mounted token say. */
export interface ServiceAccountIdentity {
  readonly serviceAccount: string
  readonly namespace: string
  /** Absent with tokens that are not bound to a pod. */
  readonly pod: { readonly name: string; readonly uid: string } | undefined
}

/** How one cluster is reached and who is asking. */
export interface ClusterAccess {
  /** Base URL of the API server without a trailing slash; it may have a path. */
  readonly server: string
  /** CA, client certificate, server name and proxy. */
  readonly transport: TransportOptions
  /** Namespace of the pod or of the context. */
  readonly namespace: string | undefined
  /** Where it came from, for messages: `in-cluster`, or `kubeconfig <path> context <name>`. */
  readonly origin: string
  /** Absent outside a pod. */
  readonly identity: ServiceAccountIdentity | undefined
  /**
   * Gives the bearer token for the next request, or `undefined` where only a client certificate
   * speaks. `fresh` says that the last one was refused: the credential plugin is run anew. Token
   * files are read each time.
   *
   * @throws SM_FILE_UNREADABLE, SM_TOKEN_FILE_INVALID, SM_EXEC_FAILED, SM_ABORTED
   */
  readonly token: (fresh: boolean, signal?: AbortSignal) => Promise<string | undefined>
}
