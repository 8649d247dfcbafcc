import { describe } from 'vitest'
import { controllersContract } from '../contracts/rotation-rewrap.ts'
import { rotationContract } from '../contracts/rotation.ts'
import { serversPresent, startKubernetes, startVault } from './servers.ts'
import { sharedServers } from './shared.ts'
import { worldOf } from './world.ts'

describe.skipIf(!serversPresent('bao', 'kube', 'etcd'))('on real servers', () => {
  rotationContract('OpenBao and kube-apiserver', () => {
    const { vault, kubernetes } = sharedServers()
    return Promise.resolve(worldOf(vault, kubernetes))
  })
  controllersContract(() => worldOf(sharedServers().vault, sharedServers().kubernetes))
})

// The second opinion: built only on demand (npm run servers:build vault), and SQLite as MicroK8s has it.
describe.skipIf(!serversPresent('vault', 'kube', 'kine'))('on others', () => {
  rotationContract('HashiCorp Vault and kube-apiserver over kine', async () => {
    const [vault, kubernetes] = await Promise.all([
      startVault({ name: 'vault', tls: true }),
      startKubernetes({ store: 'kine' }),
    ])
    return {
      ...worldOf(vault, kubernetes),
      close: async () => void (await Promise.all([vault.stop(), kubernetes.stop()])),
    }
  })
})
