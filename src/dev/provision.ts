/**
 * Sets up the KUBEVAULT pattern over plain REST: on real servers and on embedded ones alike.
 */
import { requestToken } from './operator.ts'
import type { KubevaultPlan } from './plan.ts'
import {
  provisionAppRole,
  provisionJwt,
  provisionTokenReview,
  type CallVault,
} from './provision-auth.ts'
import { expect2xx, type Wire } from './wire.ts'

/** Carries out a plan; again is harmless. @throws on an unexpected answer, with its body */
export async function provisionKubevault(
  vault: Wire,
  kubernetes: Wire,
  plan: KubevaultPlan,
): Promise<void> {
  await provisionKubernetes(kubernetes, plan)
  await provisionVault(vault, kubernetes, plan)
}

const REVIEWER = { namespace: 'kube-system', serviceAccount: 'vault-reviewer' }
const RBAC = '/apis/rbac.authorization.k8s.io/v1'
const RBAC_GROUP = 'rbac.authorization.k8s.io'

/** The Kubernetes half: namespace, ServiceAccount and what it may do. */
export async function provisionKubernetes(kubernetes: Wire, plan: KubevaultPlan): Promise<void> {
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

async function provisionVault(vault: Wire, kubernetes: Wire, plan: KubevaultPlan): Promise<void> {
  const call = vaultCaller(vault, plan.rootToken)
  await call('POST', `sys/auth/${plan.authMount}`, { type: plan.auth })
  await call('POST', `sys/mounts/${plan.transitMount}`, { type: 'transit' })
  await call('POST', `${plan.transitMount}/keys/${plan.transitKey}`, plan.keySettings)
  await call('PUT', `sys/policies/acl/${plan.policyName}`, { policy: plan.policy })
  switch (plan.auth) {
    case 'kubernetes':
      return provisionTokenReview(call, plan, await reviewerToken(kubernetes, plan))
    case 'jwt':
      return provisionJwt(call, plan, kubernetes)
    case 'approle':
      return provisionAppRole(call, plan)
  }
}

function vaultCaller(vault: Wire, token: string): CallVault {
  return async (method, path, body) => {
    const answer = await vault(method, `/v1/${path}`, { token, body })
    const exists = answer.status === 400 && JSON.stringify(answer.body).includes('already in use')
    if (!exists) expect2xx(method, path, answer)
  }
}

type Create = (path: string, apiVersion: string, kind: string, body: object) => Promise<void>

function creator(kubernetes: Wire, token: string): Create {
  return async (path, apiVersion, kind, body) => {
    const answer = await kubernetes('POST', path, { token, body: { apiVersion, kind, ...body } })
    if (answer.status !== 409) expect2xx('POST', path, answer)
  }
}
