/** The contract against kube-apiserver: on etcd with RBAC, and on kine without, as MicroK8s ships. */
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { describe } from 'vitest'
import {
  type ForgetfulKubernetes,
  forgottenListContract,
  kubernetesClientContract,
} from '../contracts/kubernetes-client.ts'
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
  const openShared = (): Promise<KubernetesUnderTest> =>
    under(sharedServers().kubernetes, async () => undefined)
  kubernetesContract('kube-apiserver on etcd', openShared)
  kubernetesClientContract('kube-apiserver on etcd', openShared)

  // Kept for five minutes by default; kine keeps a thousand versions, whatever their age.
  const openForgetful = async (): Promise<ForgetfulKubernetes> => {
    const server = await startKubernetes({ args: ['--etcd-compaction-interval=1s'] })
    return { ...(await under(server, () => server.stop())), forget: () => delay(500) }
  }
  forgottenListContract('kube-apiserver on etcd', openForgetful)
})

describe.skipIf(!serversPresent('kube', 'kine'))('kine', () => {
  const openKine = async (): Promise<KubernetesUnderTest> => {
    const server = await startKubernetes({ store: 'kine', rbac: false })
    return under(server, () => server.stop())
  }
  kubernetesContract('kube-apiserver on kine without RBAC', openKine, { rbac: false })
  kubernetesClientContract('kube-apiserver on kine without RBAC', openKine, { rbac: false })
})
