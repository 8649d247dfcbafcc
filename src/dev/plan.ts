/** What setting up the pattern for one app consists of, as data. */

/** An auth method that `provisionKubevault` sets up. */
export type AuthMethod = 'kubernetes' | 'jwt' | 'approle'

/** Everything that one set-up consists of. Start from {@link originalPlan} or {@link nativePlan}. */
export interface KubevaultPlan {
  /** Token that may do everything in Vault. */
  readonly rootToken: string
  /** Bearer token that may do everything in Kubernetes. */
  readonly adminToken: string
  /** How Vault reaches the API server to review tokens. */
  readonly kubernetesHost: string
  readonly kubernetesCaPem: string | undefined

  readonly namespace: string
  readonly serviceAccount: string
  /** RBAC rules of the Role that is bound to the ServiceAccount. */
  readonly rules: readonly object[]

  readonly auth: AuthMethod
  readonly authMount: string
  readonly transitMount: string
  readonly transitKey: string
  /** How dictionaries are stored here. Sealed and bound to their places they need a key that is derived. */
  readonly format: 'sealed' | 'raw'
  /** Further settings of the Transit key, such as `derived`. */
  readonly keySettings: Readonly<Record<string, unknown>>

  readonly role: string
  /** Absent: tokens of any audience are let in. */
  readonly audience: string | undefined
  /** A Go duration, such as `10s`. */
  readonly tokenTtl: string
  /** A Go duration; absent: that of the mount. */
  readonly tokenMaxTtl: string | undefined
  readonly tokenType: 'service' | 'batch'
  readonly noDefaultPolicy: boolean
  readonly policyName: string
  /** HCL. */
  readonly policy: string
}

/** What must be known of the servers. */
export interface Servers {
  readonly rootToken: string
  readonly adminToken: string
  readonly kubernetesHost: string
  readonly kubernetesCaPem?: string | undefined
}

/**
 * The set-up of the Python original: role `demo` for ServiceAccount `default/default`, no audience,
 * service tokens of 10 s with the default policy, its published policy, key `aes256-key`.
 */
export function originalPlan(
  servers: Servers,
  changes: Partial<KubevaultPlan> = {},
): KubevaultPlan {
  const { transitMount = 'transit', transitKey = 'aes256-key' } = changes
  return {
    ...servers,
    kubernetesCaPem: servers.kubernetesCaPem,
    namespace: 'default',
    serviceAccount: 'default',
    rules: [
      { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'create', 'update', 'patch'] },
      { apiGroups: [''], resources: ['configmaps'], verbs: ['get'] },
      { apiGroups: [''], resources: ['serviceaccounts/token'], verbs: ['create'] },
    ],
    auth: 'kubernetes',
    authMount: 'kubernetes',
    transitMount,
    transitKey,
    format: 'raw',
    keySettings: { type: 'aes256-gcm96' },
    role: 'demo',
    audience: undefined,
    tokenTtl: '10s',
    tokenMaxTtl: undefined,
    tokenType: 'service',
    noDefaultPolicy: false,
    policyName: 'my-app-policy',
    policy: originalPolicy(transitMount, transitKey),
    ...changes,
  }
}

/**
 * Our own set-up, as little as a reader needs: audience `vault`, batch tokens of 10 s without the
 * default policy, decrypt alone, a derived key; Kubernetes lets the ServiceAccount read Secrets and
 * ConfigMaps and request tokens for itself. `changes.namespace` names a namespace of its own per test.
 */
export function nativePlan(servers: Servers, changes: Partial<KubevaultPlan> = {}): KubevaultPlan {
  const { transitMount = 'transit', transitKey = 'app', serviceAccount = 'app' } = changes
  const { auth = 'kubernetes', format = 'sealed' } = changes
  return {
    ...servers,
    kubernetesCaPem: servers.kubernetesCaPem,
    namespace: 'app',
    serviceAccount,
    rules: [
      { apiGroups: [''], resources: ['secrets', 'configmaps'], verbs: ['get'] },
      {
        apiGroups: [''],
        resources: ['serviceaccounts/token'],
        resourceNames: [serviceAccount],
        verbs: ['create'],
      },
    ],
    auth,
    authMount: auth,
    transitMount,
    transitKey,
    format,
    keySettings: { type: 'aes256-gcm96', derived: format === 'sealed' },
    role: 'app',
    audience: 'vault',
    tokenTtl: '10s',
    tokenMaxTtl: undefined,
    tokenType: 'batch',
    noDefaultPolicy: true,
    policyName: 'app',
    policy: `path "${transitMount}/decrypt/${transitKey}" { capabilities = ["update"] }\n`,
    ...changes,
  }
}

/** Changes for a set-up that shares servers with others: namespace, role, policy and key of this name. */
export function named(
  name: string,
): Pick<KubevaultPlan, 'namespace' | 'role' | 'policyName' | 'transitKey'> {
  return { namespace: name, role: name, policyName: name, transitKey: name }
}

/** `examples/my-app-policy.hcl` of dekeyrej/secretmanager. */
function originalPolicy(mount: string, key: string): string {
  return `path "auth/kubernetes/login" {
    capabilities = ["create", "read"]
}
path "${mount}/encrypt/${key}" {
  capabilities = ["update"]
}
path "${mount}/decrypt/${key}" {
  capabilities = ["update"]
}
path "${mount}/keys/${key}" {
  capabilities = ["read"]
}
path "${mount}/keys/${key}/rotate" {
  capabilities = ["update"]
}`
}
