/** The flags of every command that reaches servers: what they are called, what they say, what they set. */

/** A flag and the setting it stands for. */
export interface Flag {
  readonly flags: string
  readonly says: string
  readonly path: string
  /** Another name that problems may call the setting by, such as that in the Python original's files. */
  readonly alias?: string
  readonly choices?: readonly string[]
}

/** Where the servers are. */
export const CONFIG_FLAGS: readonly Flag[] = [
  {
    flags: '--vault-url <url>',
    says: 'address of Vault or OpenBao',
    path: 'vault.url',
    alias: 'vault_url',
  },
  { flags: '--vault-namespace <name>', says: 'namespace in Vault', path: 'vault.namespace' },
  {
    flags: '--ca-cert <path>',
    says: 'CA that signed the certificate of Vault (default: those the system trusts)',
    path: 'vault.caCert',
    alias: 'ca_cert',
  },
  {
    flags: '--auth-method <name>',
    says: 'how to log in (default: kubernetes); token uses VAULT_TOKEN or ~/.vault-token',
    path: 'vault.auth.method',
    // What is missing is a function, which no flag can give.
    choices: ['kubernetes', 'jwt', 'approle', 'gcp', 'token'],
  },
  {
    flags: '--role <name>',
    says: 'role of the auth mount, with kubernetes, jwt and gcp',
    path: 'vault.auth.role',
    alias: 'role',
  },
  {
    flags: '--auth-mount <path>',
    says: 'mount of the auth method (default: its name)',
    path: 'vault.auth.mount',
  },
  {
    flags: '--role-id-file <path>',
    says: 'role_id, with approle (also VAULT_ROLE_ID)',
    path: 'vault.auth.roleIdFile',
    alias: 'vault.auth.roleId',
  },
  {
    flags: '--secret-id-file <path>',
    says: 'secret_id, with approle (also VAULT_SECRET_ID)',
    path: 'vault.auth.secretIdFile',
    alias: 'vault.auth.secretId',
  },
  {
    flags: '--audience <name>',
    says: 'audience of the ServiceAccount token (default: vault; with secretcfg.json that of the API server)',
    path: 'vault.auth.audience',
  },
  {
    flags: '--jwt-file <path>',
    says: 'projected ServiceAccount token (default: one is requested)',
    path: 'vault.auth.jwtFile',
  },
  {
    flags: '--transit-mount <path>',
    says: 'mount of the Transit engine (default: transit)',
    path: 'vault.transitMount',
  },
  {
    flags: '--kubeconfig <path>',
    says: 'kubeconfig, outside a pod (default: as kubectl)',
    path: 'kubernetes.kubeconfig',
    alias: 'kube_config',
  },
  {
    flags: '--context <name>',
    says: 'context of the kubeconfig (default: its current one)',
    path: 'kubernetes.context',
  },
  {
    flags: '--service-account <name>',
    says: "ServiceAccount to request a token for (default: the pod's, or default)",
    path: 'kubernetes.serviceAccount',
    alias: 'service_account',
  },
  {
    flags: '--mounted-at <path>',
    says: 'read the ciphertext from this volume',
    path: 'kubernetes.mountedAt',
  },
  {
    flags: '--cluster <name>',
    says: 'name of the cluster that documents are sealed for (default: default)',
    path: 'cluster',
  },
  {
    flags: '--wait <duration>',
    says: 'how long to wait for a server that is away (default: 30s)',
    path: 'startup.wait',
  },
]

/** Where the dictionary is. */
export const DEFINITION_FLAGS: readonly Flag[] = [
  {
    flags: '-n, --namespace <name>',
    says: "namespace of the object (default: the pod's, or the context's)",
    path: 'namespace',
  },
  {
    flags: '--type <type>',
    says: 'kind of the object (default: SECRET)',
    path: 'readType',
    alias: 'read_type',
    choices: ['SECRET', 'CONFIG_MAP'],
  },
  {
    flags: '--key <name>',
    says: 'entry of the object that holds the ciphertext',
    path: 'readKey',
    alias: 'read_key',
  },
  {
    flags: '--transit-key <name>',
    says: 'Transit key',
    path: 'transitKey',
    alias: 'transit_key',
  },
  {
    flags: '--format <name>',
    says: "format of the document (default: what the definition's file says, raw with the Python original's configuration, else sealed)",
    path: 'format',
    choices: ['sealed', 'raw'],
  },
  {
    flags: '--binding <scope>',
    says: 'what a sealed document is bound to: its place, its namespace, or nothing (default: strict)',
    path: 'binding',
    choices: ['strict', 'namespace', 'none'],
  },
]
