/**
 * How the Kubernetes API is reached: the pod's own access, or a kubeconfig.
 *
 * @see https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
 */
import type { Runtime } from '../runtime.ts'
import type { AccessSettings, ClusterAccess } from './access.ts'
import { inClusterAccess } from './in-cluster.ts'
// Not loaded on use: to find and load its files takes nine times what everybody pays to parse it.
import { kubeconfigAccess } from './kubeconfig.ts'

export type { AccessSettings, ClusterAccess } from './access.ts'

/**
 * Finds the access to use. In a pod it is the pod's own: no kubeconfig is read and no credential
 * plugin runs, whatever the settings and the environment say. Where its token is not mounted
 * (`automountServiceAccountToken: false`) a kubeconfig is all there can be.
 *
 * @throws SM_CONFIG_INVALID, SM_FILE_UNREADABLE, SM_TOKEN_FILE_INVALID, SM_EXEC_FAILED
 */
export async function resolveAccess(
  settings: AccessSettings,
  runtime: Runtime,
): Promise<ClusterAccess> {
  const own = await inClusterAccess(runtime)
  if (own) return own
  return kubeconfigAccess(settings, runtime)
}
