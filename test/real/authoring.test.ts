import { describe } from 'vitest'
import { authoringContract } from '../contracts/authoring.ts'
import { serversPresent, startVault } from './servers.ts'
import { sharedServers } from './shared.ts'
import { worldOf } from './world.ts'

describe.skipIf(!serversPresent('bao', 'kube', 'etcd'))('on real servers', () => {
  authoringContract('OpenBao and kube-apiserver', () => {
    const { vault, kubernetes } = sharedServers()
    return Promise.resolve(worldOf(vault, kubernetes))
  })
})

// The second opinion: built only on demand (npm run servers:build vault).
describe.skipIf(!serversPresent('vault', 'kube', 'etcd'))('on HashiCorp Vault', () => {
  authoringContract('HashiCorp Vault and kube-apiserver', async () => {
    const vault = await startVault({ name: 'vault', tls: true })
    return { ...worldOf(vault, sharedServers().kubernetes), close: () => vault.stop() }
  })
})
