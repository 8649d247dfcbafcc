import { randomBytes } from 'node:crypto'
import { createKubernetes } from '../../src/dev/kubernetes/index.ts'
import { createVault } from '../../src/dev/vault/index.ts'
import { prepareKubernetes } from './vault-kubernetes-fixture.ts'
import { vaultContract, type VaultUnderTest } from './vault.ts'
import { wireOfHandler } from './wire.ts'

vaultContract('the embedded Vault', async (): Promise<VaultUnderTest> => {
  let now = Date.now()
  const clock = (): number => now
  const cluster = createKubernetes({ clock, randomBytes })
  const send = (request: Request): Promise<Response> => cluster.handle(request)
  const host = 'https://kubernetes.embedded'
  const kubernetes = await prepareKubernetes(wireOfHandler(send, host), {
    host,
    caPem: 'the embedded Vault opens no connection',
    adminToken: cluster.adminToken,
  })
  const vault = createVault({ clock, randomBytes, kubernetes: send })
  const base = 'https://vault.embedded'
  return {
    wire: wireOfHandler(vault.handle, base),
    rootToken: vault.rootToken,
    kubernetes,
    uninitialized: () => {
      const fresh = createVault({ clock, randomBytes, start: 'uninitialized' })
      return Promise.resolve({
        wire: wireOfHandler(fresh.handle, base),
        close: () => Promise.resolve(),
      })
    },
    now: clock,
    pass: (ms) => {
      now += ms
      return Promise.resolve()
    },
    close: () => Promise.resolve(),
  }
})
