/** What is there when an API server has just started, without any controller. */
import { NAMESPACES } from './core-kinds.ts'
import { type Cluster, randomUuid, timestamp } from './cluster.ts'
import { MASTERS } from './authentication.ts'
import type { ObjectMeta } from './objects.ts'
import { CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, type PolicyRule, RBAC_GROUP } from './rbac-kinds.ts'

const NAMES = ['kube-system', 'kube-public', 'kube-node-lease', 'default']

const RBAC_VERSION = `${RBAC_GROUP}/v1`
const AUTHENTICATION = 'authentication.k8s.io'
const AUTHORIZATION = 'authorization.k8s.io'

/** The default roles that services and Vault meet; a real server has about 70 more. */
const ROLES: Readonly<Record<string, PolicyRule[]>> = {
  'cluster-admin': [
    { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
    { verbs: ['*'], nonResourceURLs: ['*'] },
  ],
  'system:auth-delegator': [
    { verbs: ['create'], apiGroups: [AUTHENTICATION], resources: ['tokenreviews'] },
    { verbs: ['create'], apiGroups: [AUTHORIZATION], resources: ['subjectaccessreviews'] },
  ],
  'system:basic-user': [
    {
      verbs: ['create'],
      apiGroups: [AUTHORIZATION],
      resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
    },
    { verbs: ['create'], apiGroups: [AUTHENTICATION], resources: ['selfsubjectreviews'] },
  ],
  'system:discovery': paths(
    ['/api', '/api/*', '/apis', '/apis/*', '/healthz', '/livez'],
    ['/openapi', '/openapi/*', '/readyz', '/version', '/version/'],
  ),
  'system:public-info-viewer': paths(['/healthz', '/livez', '/readyz', '/version', '/version/']),
  'system:service-account-issuer-discovery': paths(
    ['/.well-known/openid-configuration', '/.well-known/openid-configuration/'],
    ['/openid/v1/jwks', '/openid/v1/jwks/'],
  ),
}

/** Which groups have these roles from the start; each binding is named after its role. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  'cluster-admin': [MASTERS],
  'system:basic-user': ['system:authenticated'],
  'system:discovery': ['system:authenticated'],
  'system:public-info-viewer': ['system:authenticated', 'system:unauthenticated'],
  'system:service-account-issuer-discovery': ['system:serviceaccounts'],
}

/** Fills an empty store. Where rules are not enforced, there are no default ones either. */
export function bootstrap(cluster: Cluster): void {
  for (const name of NAMES) {
    const object = { kind: 'Namespace', apiVersion: 'v1', metadata: metaOf(cluster, name) }
    cluster.store.put(NAMESPACES, NAMESPACES.complete(object))
  }
  if (cluster.rbac) bootstrapRoles(cluster)
}

function bootstrapRoles(cluster: Cluster): void {
  for (const [name, rules] of Object.entries(ROLES)) {
    const metadata = bootstrapMeta(cluster, name)
    const role = { kind: 'ClusterRole', apiVersion: RBAC_VERSION, metadata, rules }
    cluster.store.put(CLUSTER_ROLES, role)
  }
  for (const [name, groups] of Object.entries(GROUPS)) {
    const subjects = groups.map((group) => ({ kind: 'Group', apiGroup: RBAC_GROUP, name: group }))
    const roleRef = { apiGroup: RBAC_GROUP, kind: 'ClusterRole', name }
    const metadata = bootstrapMeta(cluster, name)
    const binding = { kind: 'ClusterRoleBinding', apiVersion: RBAC_VERSION, metadata }
    cluster.store.put(CLUSTER_ROLE_BINDINGS, { ...binding, subjects, roleRef })
  }
}

function paths(...lists: string[][]): PolicyRule[] {
  return [{ verbs: ['get'], nonResourceURLs: lists.flat() }]
}

function bootstrapMeta(cluster: Cluster, name: string): ObjectMeta {
  return {
    ...metaOf(cluster, name),
    labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' },
    annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' },
  }
}

function metaOf(cluster: Cluster, name: string): ObjectMeta {
  return { name, uid: randomUuid(cluster), creationTimestamp: timestamp(cluster.clock()) }
}
