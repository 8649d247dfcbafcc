import { describe, expect, test } from 'vitest'

import { clientOn } from './client-on.ts'

describe('what a refusal says', () => {
  const secret = { resource: 'secrets', namespace: 'prod', name: 'app' }
  const role = { resource: 'clusterroles.rbac.authorization.k8s.io' }
  test.each([
    [{ verb: 'delete', ...secret }, 403, 'refused to delete secrets "app" in namespace "prod"'],
    [
      { verb: 'update', ...secret },
      409,
      'met another change and did not update secrets "app" in namespace "prod"',
    ],
    [{ verb: 'list', resource: 'secrets' }, 403, 'refused to list secrets in all namespaces'],
    [
      { verb: 'watch', resource: 'secrets', namespace: 'prod' },
      403,
      'refused to watch secrets in namespace "prod"',
    ],
    [
      { verb: 'get', ...role, name: 'admin' },
      403,
      'refused to get clusterroles.rbac.authorization.k8s.io "admin"',
    ],
    [{ verb: 'get', ...secret }, 404, 'has no Secret "app" in namespace "prod"'],
    [
      { verb: 'get', ...role, name: 'admin' },
      404,
      'has no clusterroles.rbac.authorization.k8s.io "admin"',
    ],
    [{ verb: 'list', resource: 'secrets' }, 404, 'has no resource secrets'],
  ] as const)('%j, %i', async (operation, status, words) => {
    const { client, budget } = clientOn(() => ({ status }))
    const request = { method: 'GET', path: '/x', headers: {} } as const
    await expect(client.request(budget.begin(), operation, request)).rejects.toMatchObject({
      message: `the API server at https://10.96.0.1:443 ${words} (${status})`,
    })
  })

  test.each([
    [
      { verb: 'delete', ...secret },
      403,
      'grant it: kubectl -n prod create role secretmanager-app --verb=delete --resource=secrets --resource-name=app && kubectl -n prod create rolebinding secretmanager-app --role=secretmanager-app --serviceaccount=NAMESPACE:NAME',
    ],
    [
      { verb: 'get', ...role, name: 'admin' },
      403,
      'grant it: kubectl create clusterrole secretmanager-admin --verb=get --resource=clusterroles.rbac.authorization.k8s.io --resource-name=admin && kubectl create clusterrolebinding secretmanager-admin --clusterrole=secretmanager-admin --serviceaccount=NAMESPACE:NAME',
    ],
    [
      { verb: 'get', resource: 'serviceaccounts/token', namespace: 'prod', name: 'web' },
      404,
      'check the name and the namespace: kubectl -n prod get serviceaccounts',
    ],
    [
      { verb: 'get', ...role, name: 'admin' },
      404,
      'check the name and the namespace: kubectl get clusterroles.rbac.authorization.k8s.io',
    ],
    [
      { verb: 'list', resource: 'secrets' },
      404,
      'check that the address is that of a Kubernetes API server',
    ],
  ] as const)('the hint of %j, %i', async (operation, status, hint) => {
    const { client, budget } = clientOn(() => ({ status }))
    const request = { method: 'GET', path: '/x', headers: {} } as const
    await expect(client.request(budget.begin(), operation, request)).rejects.toMatchObject({ hint })
  })
})
