/** What a measured program is to do: written as JSON, read by the files of `bench/programs`. */
export interface Job {
  /** The Python original's two files, word for word. */
  readonly config: {
    readonly SOURCE: 'KUBEVAULT'
    readonly kube_config: string
    readonly service_account: string
    readonly namespace: string
    readonly vault_url: string
    readonly role: string
    readonly ca_cert: string | true
  }
  readonly definition: {
    readonly secret_name: string
    readonly namespace: string
    readonly read_type: 'SECRET'
    readonly read_key: string
    readonly transit_key: string
  }
  /** CA of Vault for programs that take a path alone: the same file that `ca_cert: true` finds. */
  readonly vaultCa: string
  /** Zero-RBAC: ciphertext and token are files, Kubernetes is not asked. */
  readonly mounted?: { readonly directory: string; readonly tokenFile: string } | undefined
  /** Our configuration in the native shape, where the old one cannot say it. */
  readonly native?: object | undefined
  /** A second read in the same process, when the token has expired; its milliseconds go to stdout. */
  readonly again?: { readonly afterMs: number } | undefined
}
