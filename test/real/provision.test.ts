import { describe } from 'vitest'
import { provisionContract } from '../contracts/provision.ts'
import { serversPresent, startKubernetes, startVault } from './servers.ts'
import { sharedServers } from './shared.ts'
import { worldOf } from './world.ts'

describe.skipIf(!serversPresent('bao', 'kube', 'etcd'))('on real servers', () => {
  provisionContract('OpenBao and kube-apiserver', () => {
    const { vault, kubernetes } = sharedServers()
    return Promise.resolve(worldOf(vault, kubernetes))
  })
})

// The second opinion: built only on demand (npm run servers:build vault). On SQLite, as MicroK8s has it.
describe.skipIf(!serversPresent('vault', 'kube', 'kine'))('on HashiCorp Vault and kine', () => {
  provisionContract('HashiCorp Vault and kube-apiserver over kine', async () => {
    const [vault, kubernetes] = await Promise.all([
      startVault({ name: 'vault', tls: true }),
      startKubernetes({ store: 'kine' }),
    ])
    return {
      ...worldOf(vault, kubernetes),
      close: async () => {
        await Promise.all([vault.stop(), kubernetes.stop()])
      },
    }
  })
})
