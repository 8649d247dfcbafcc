import { createPublicKey } from 'node:crypto'
import { expect } from 'vitest'
import { unique, type KubernetesOfVault, type VaultClient } from './vault-under-test.ts'
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
  const signing = await signingOf(wire, adminToken)
  return { host, caPem, reviewerToken, namespace, token: tokenOf, ...signing }
}

async function signingOf(
  wire: Wire,
  token: string,
): Promise<Pick<KubernetesOfVault, 'issuer' | 'publicPem'>> {
  const discovery = await wire('GET', '/.well-known/openid-configuration', { token })
  const { body } = await wire('GET', '/openid/v1/jwks', { token })
  const key = createPublicKey({ key: body.keys[0], format: 'jwk' })
  const publicPem = key.export({ type: 'spki', format: 'pem' }).toString()
  return { issuer: discovery.body.issuer, publicPem }
}

/** Enables the auth method at a mount, with the API server of the contract behind it. */
export async function configureKubernetes(vault: VaultClient, method: string): Promise<void> {
  const { kubernetes } = vault.world
  await vault.done('POST', `sys/auth/${method}`, { type: 'kubernetes' })
  await vault.done('POST', `auth/${method}/config`, {
    kubernetes_host: kubernetes.host,
    kubernetes_ca_cert: kubernetes.caPem,
    token_reviewer_jwt: kubernetes.reviewerToken,
    disable_local_ca_jwt: true,
  })
}

/** Writes a role for the ServiceAccount `web` and audience `vault`; gives its name. */
export async function writeRole(
  vault: VaultClient,
  method: string,
  settings: object,
): Promise<string> {
  const name = unique('role')
  await vault.done('POST', `auth/${method}/role/${name}`, {
    bound_service_account_names: ['web'],
    bound_service_account_namespaces: [vault.world.kubernetes.namespace],
    audience: 'vault',
    token_policies: ['app'],
    token_ttl: '60s',
    token_max_ttl: '180s',
    ...settings,
  })
  return name
}
