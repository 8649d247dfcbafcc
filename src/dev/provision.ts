/**
 * Sets up the KUBEVAULT pattern over plain REST: on real servers and on embedded ones alike.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/auth/kubernetes
 */
import { isRecord } from '../lib/record.ts'
import type { Wire, WireAnswer } from './wire.ts'

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

  readonly authMount: string
  readonly transitMount: string
  readonly transitKey: string
  /** Further settings of the Transit key, such as `derived`. */
  readonly keySettings: Readonly<Record<string, unknown>>

  readonly role: string
  /** Absent: tokens of any audience are let in. */
  readonly audience: string | undefined
  /** A Go duration, such as `10s`. */
  readonly tokenTtl: string
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
    authMount: 'kubernetes',
    transitMount,
    transitKey,
    keySettings: { type: 'aes256-gcm96' },
    role: 'demo',
    audience: undefined,
    tokenTtl: '10s',
    tokenType: 'service',
    noDefaultPolicy: false,
    policyName: 'my-app-policy',
    policy: originalPolicy(transitMount, transitKey),
    ...changes,
  }
}

/**
 * Our own set-up, as little as a reader needs: audience `vault`, batch tokens of 10 s without the
 * default policy, decrypt alone; Kubernetes lets the ServiceAccount read Secrets and ConfigMaps and
 * request tokens for itself. `changes.namespace` names a namespace of its own per test.
 */
export function nativePlan(servers: Servers, changes: Partial<KubevaultPlan> = {}): KubevaultPlan {
  const { transitMount = 'transit', transitKey = 'app', serviceAccount = 'app' } = changes
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
    authMount: 'kubernetes',
    transitMount,
    transitKey,
    keySettings: { type: 'aes256-gcm96' },
    role: 'app',
    audience: 'vault',
    tokenTtl: '10s',
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

/** Carries out a plan; again is harmless. @throws on an unexpected answer, with its body */
export async function provisionKubevault(
  vault: Wire,
  kubernetes: Wire,
  plan: KubevaultPlan,
): Promise<void> {
  await provisionKubernetes(kubernetes, plan)
  await provisionVault(vault, plan, await reviewerToken(kubernetes, plan))
}

/** Requests a ServiceAccount token. An empty list of audiences means the API server itself. */
export async function requestToken(
  kubernetes: Wire,
  request: {
    readonly adminToken: string
    readonly namespace: string
    readonly serviceAccount: string
    readonly audiences?: readonly string[] | undefined
    /** Seconds; the API server refuses less than 600. */
    readonly expirationSeconds?: number | undefined
  },
): Promise<string> {
  const {
    adminToken,
    namespace,
    serviceAccount,
    audiences = [],
    expirationSeconds = 3600,
  } = request
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`
  const spec = { audiences, expirationSeconds }
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec }
  const answer = await kubernetes('POST', path, { token: adminToken, body })
  expect2xx('POST', path, answer)
  return stringAt(answer.body, 'status', 'token')
}

/** Encrypts a document as the Python original does; gives `vault:v1:…`. */
export async function encryptRaw(
  vault: Wire,
  plan: KubevaultPlan,
  document: string,
): Promise<string> {
  const path = `/v1/${plan.transitMount}/encrypt/${plan.transitKey}`
  const body = { plaintext: Buffer.from(document).toString('base64') }
  const answer = await vault('POST', path, { token: plan.rootToken, body })
  expect2xx('POST', path, answer)
  return stringAt(answer.body, 'data', 'ciphertext')
}

/** Creates or replaces a Secret (or ConfigMap) with these entries, given as text. */
export async function putObject(
  kubernetes: Wire,
  plan: KubevaultPlan,
  object: {
    readonly name: string
    readonly data: Readonly<Record<string, string>>
    readonly kind?: 'Secret' | 'ConfigMap' | undefined
  },
): Promise<void> {
  const { name, data, kind = 'Secret' } = object
  const path = `/api/v1/namespaces/${plan.namespace}/${kind === 'Secret' ? 'secrets' : 'configmaps'}`
  const encoded = Object.entries(data).map(([key, text]) => [
    key,
    Buffer.from(text).toString('base64'),
  ])
  const content = kind === 'Secret' ? Object.fromEntries(encoded) : data
  const body = { apiVersion: 'v1', kind, metadata: { name }, data: content }
  const { adminToken: token } = plan
  const created = await kubernetes('POST', path, { token, body })
  if (created.status !== 409) return expect2xx('POST', path, created)
  expect2xx('PUT', path, await kubernetes('PUT', `${path}/${name}`, { token, body }))
}

const REVIEWER = { namespace: 'kube-system', serviceAccount: 'vault-reviewer' }
const RBAC = '/apis/rbac.authorization.k8s.io/v1'
const RBAC_GROUP = 'rbac.authorization.k8s.io'

async function provisionKubernetes(kubernetes: Wire, plan: KubevaultPlan): Promise<void> {
  const { namespace, serviceAccount, rules } = plan
  const create = creator(kubernetes, plan.adminToken)
  const subject = { kind: 'ServiceAccount', name: serviceAccount, namespace }
  const name = `kubevault-${serviceAccount}`
  await create('/api/v1/namespaces', 'v1', 'Namespace', { metadata: { name: namespace } })
  await create(`/api/v1/namespaces/${namespace}/serviceaccounts`, 'v1', 'ServiceAccount', {
    metadata: { name: serviceAccount },
  })
  await create(`${RBAC}/namespaces/${namespace}/roles`, `${RBAC_GROUP}/v1`, 'Role', {
    metadata: { name },
    rules,
  })
  await create(`${RBAC}/namespaces/${namespace}/rolebindings`, `${RBAC_GROUP}/v1`, 'RoleBinding', {
    metadata: { name },
    roleRef: { apiGroup: RBAC_GROUP, kind: 'Role', name },
    subjects: [subject],
  })
}

async function reviewerToken(kubernetes: Wire, plan: KubevaultPlan): Promise<string> {
  const create = creator(kubernetes, plan.adminToken)
  const { namespace, serviceAccount: name } = REVIEWER
  await create('/api/v1/namespaces', 'v1', 'Namespace', { metadata: { name: namespace } })
  await create(`/api/v1/namespaces/${namespace}/serviceaccounts`, 'v1', 'ServiceAccount', {
    metadata: { name },
  })
  await create(`${RBAC}/clusterrolebindings`, `${RBAC_GROUP}/v1`, 'ClusterRoleBinding', {
    metadata: { name },
    roleRef: { apiGroup: RBAC_GROUP, kind: 'ClusterRole', name: 'system:auth-delegator' },
    subjects: [{ kind: 'ServiceAccount', name, namespace }],
  })
  // Audience of the API server: with any other, the reviewer itself is refused.
  return requestToken(kubernetes, {
    ...REVIEWER,
    adminToken: plan.adminToken,
    expirationSeconds: 86_400,
  })
}

async function provisionVault(vault: Wire, plan: KubevaultPlan, reviewer: string): Promise<void> {
  const call = async (method: string, path: string, body: object): Promise<void> => {
    const answer = await vault(method, `/v1/${path}`, { token: plan.rootToken, body })
    const exists = answer.status === 400 && JSON.stringify(answer.body).includes('already in use')
    if (!exists) expect2xx(method, path, answer)
  }
  await call('POST', `sys/auth/${plan.authMount}`, { type: 'kubernetes' })
  await call('POST', `auth/${plan.authMount}/config`, {
    kubernetes_host: plan.kubernetesHost,
    token_reviewer_jwt: reviewer,
    // Without a CA this setting is refused; a server over plain http has none.
    ...(plan.kubernetesCaPem === undefined
      ? {}
      : { kubernetes_ca_cert: plan.kubernetesCaPem, disable_local_ca_jwt: true }),
  })
  await call('POST', `sys/mounts/${plan.transitMount}`, { type: 'transit' })
  await call('POST', `${plan.transitMount}/keys/${plan.transitKey}`, plan.keySettings)
  await call('PUT', `sys/policies/acl/${plan.policyName}`, { policy: plan.policy })
  await call('POST', `auth/${plan.authMount}/role/${plan.role}`, {
    bound_service_account_names: [plan.serviceAccount],
    bound_service_account_namespaces: [plan.namespace],
    token_policies: [plan.policyName],
    token_ttl: plan.tokenTtl,
    token_type: plan.tokenType,
    token_no_default_policy: plan.noDefaultPolicy,
    ...(plan.audience === undefined ? {} : { audience: plan.audience }),
  })
}

type Create = (path: string, apiVersion: string, kind: string, body: object) => Promise<void>

function creator(kubernetes: Wire, token: string): Create {
  return async (path, apiVersion, kind, body) => {
    const answer = await kubernetes('POST', path, { token, body: { apiVersion, kind, ...body } })
    if (answer.status !== 409) expect2xx('POST', path, answer)
  }
}

function expect2xx(method: string, path: string, { status, body }: WireAnswer): void {
  if (status < 200 || status > 299) {
    throw new Error(`${method} ${path}: ${status} ${JSON.stringify(body)}`)
  }
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

function stringAt(body: unknown, section: string, field: string): string {
  const inner = isRecord(body) ? body[section] : undefined
  const value = isRecord(inner) ? inner[field] : undefined
  if (typeof value === 'string') return value
  throw new Error(`the answer has no ${section}.${field}`)
}
