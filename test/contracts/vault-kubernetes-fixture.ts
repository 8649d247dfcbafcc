import { expect } from 'vitest'
import { unique, type KubernetesOfVault } from './vault-under-test.ts'
import type { Wire } from './wire.ts'

/** Makes in an API server what the contract of kubernetes auth needs. */
export async function prepareKubernetes(
  wire: Wire,
  { host, caPem, adminToken }: { host: string; caPem: string; adminToken: string },
): Promise<KubernetesOfVault> {
  const namespace = unique('vault-contract')
  const post = async (path: string, body: object) => {
    const answer = await wire('POST', path, { token: adminToken, body })
    expect(answer).toMatchObject({ status: 201 })
    return answer.body
  }
  const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`
  const tokenOf = async (account: string, audiences: readonly string[]): Promise<string> => {
    const spec = { audiences, expirationSeconds: 3600 }
    const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec }
    const { status } = await post(`${accounts}/${account}/token`, request)
    return status.token
  }
  const object = (kind: string, name: string): object => ({
    apiVersion: 'v1',
    kind,
    metadata: { name },
  })
  await post('/api/v1/namespaces', object('Namespace', namespace))
  for (const account of ['web', 'other', 'reviewer']) {
    await post(accounts, object('ServiceAccount', account))
  }
  await post('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: namespace },
    roleRef: {
      apiGroup: 'rbac.authorization.k8s.io',
      kind: 'ClusterRole',
      name: 'system:auth-delegator',
    },
    subjects: [{ kind: 'ServiceAccount', name: 'reviewer', namespace }],
  })
  // No audiences: that of the API server itself, which has to accept the reviewer.
  const reviewerToken = await tokenOf('reviewer', [])
  return { host, caPem, reviewerToken, namespace, token: tokenOf }
}
