import type { Runtime } from '../runtime.ts'
import type { AccessSettings, ClusterAccess } from './access.ts'
import { readCluster } from './kubeconfig-cluster.ts'
import { chooseContext } from './kubeconfig-context.ts'
import { ANONYMOUS, readUser } from './kubeconfig-user.ts'

/**
 * Gives the access that a kubeconfig describes, as kubectl would use it, and refuses what kubectl
 * allows and nobody should: unverified certificates, tokens in the clear.
 *
 * @throws SM_CONFIG_INVALID, SM_FILE_UNREADABLE, SM_EXEC_FAILED
 */
export async function kubeconfigAccess(
  settings: AccessSettings,
  runtime: Runtime,
): Promise<ClusterAccess> {
  const context = await chooseContext(settings, runtime)
  const cluster = await readCluster(context.cluster, runtime)
  const user = context.user ? await readUser(context.user, cluster, runtime) : ANONYMOUS
  const { server, ca, serverName, proxy } = cluster
  const { clientCert, clientKey, token } = user
  return {
    server,
    transport: { ca, clientCert, clientKey, serverName, proxy },
    namespace: context.namespace,
    origin: `kubeconfig ${context.file} context ${context.name}`,
    identity: undefined,
    token,
  }
}
