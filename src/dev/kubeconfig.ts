import type { KubevaultPlan } from './plan.ts'

/** A kubeconfig whose user may do everything; without a CA where there is no TLS. */
export function kubeconfigOf(
  server: string,
  caPem: string | undefined,
  { adminToken, namespace }: Pick<KubevaultPlan, 'adminToken' | 'namespace'>,
): object {
  const ca = caPem && { 'certificate-authority-data': Buffer.from(caPem).toString('base64') }
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'dev', cluster: { server, ...ca } }],
    users: [{ name: 'admin', user: { token: adminToken } }],
    contexts: [{ name: 'dev', context: { cluster: 'dev', user: 'admin', namespace } }],
    'current-context': 'dev',
  }
}
