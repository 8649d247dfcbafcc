/** The contract against kube-apiserver: on etcd with RBAC, and on kine without, as MicroK8s ships. */
import { readFile } from 'node:fs/promises'
import { describe } from 'vitest'
import { type KubernetesUnderTest, kubernetesContract } from '../contracts/kubernetes.ts'
import { wireOfUrl } from '../contracts/wire.ts'
import { type KubernetesAccess, serversPresent, startKubernetes } from './servers.ts'
import { sharedServers } from './shared.ts'

async function under(
  access: KubernetesAccess,
  close: () => Promise<void>,
): Promise<KubernetesUnderTest> {
  const { adminToken, saKeyFile } = access
  const signingKey = await readFile(saKeyFile, 'utf8')
  return { wire: wireOfUrl(access.url, { ca: access.caPem }), adminToken, signingKey, close }
}

describe.skipIf(!serversPresent('kube', 'etcd'))('etcd', () => {
  kubernetesContract('kube-apiserver on etcd', () =>
    under(sharedServers().kubernetes, async () => undefined),
  )
})

describe.skipIf(!serversPresent('kube', 'kine'))('kine', () => {
  const openKine = async (): Promise<KubernetesUnderTest> => {
    const server = await startKubernetes({ store: 'kine', rbac: false })
    return under(server, () => server.stop())
  }
  kubernetesContract('kube-apiserver on kine without RBAC', openKine, { rbac: false })
})
