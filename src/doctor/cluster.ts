/** The API server, and who asks it: facts for the checks of Kubernetes. */
import type { ClusterAccess } from '../kubernetes/access.ts'
import type { KubernetesClient } from '../kubernetes/client.ts'
import { readClaims } from '../lib/jwt.ts'
import { Missing } from './verdict.ts'
import { fact, type World } from './world.ts'

/** Whether a read asks the API server for anything. */
export function asksCluster({ settings: { vault, kubernetes } }: Pick<World, 'settings'>): boolean {
  const { auth } = vault
  const requestsToken = 'audience' in auth && auth.jwtFile === undefined
  return kubernetes.mountedAt === undefined || requestsToken
}

/** The API server. @throws {@link Missing} where a read never asks it; SM_CONFIG_INVALID, SM_FILE_UNREADABLE, SM_EXEC_FAILED */
export const cluster: (world: World) => Promise<KubernetesClient> = fact(async (world) => {
  if (!asksCluster(world)) {
    throw new Missing('the API server, which these settings never ask (mountedAt and jwtFile)')
  }
  return world.call((allowance) => world.core.connections.kubernetes(allowance))
})

/** How it is reached. @throws as {@link cluster} */
export const clusterAccess: (world: World) => Promise<ClusterAccess> = fact(
  async (world) => (await cluster(world)).access,
)

/** Who asks the API server. */
export interface Caller {
  /** Such as `system:serviceaccount:app:app`; of others only that it is somebody. */
  readonly name: string
  readonly isServiceAccount: boolean
}

/** Who asks, as the token says. @throws as {@link cluster}, and SM_TOKEN_FILE_INVALID, SM_EXEC_FAILED */
export const caller: (world: World) => Promise<Caller> = fact(async (world) => {
  const access = await clusterAccess(world)
  const token = await world.call(({ signal }) => access.token(false, signal))
  const sub = token === undefined ? undefined : readClaims(token)?.sub
  const isServiceAccount = sub?.startsWith('system:serviceaccount:') === true
  return { name: isServiceAccount && sub ? sub : 'the user of the kubeconfig', isServiceAccount }
})
