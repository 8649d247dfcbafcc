import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe } from 'vitest'
import { prepareKubernetes } from '../contracts/vault-kubernetes-fixture.ts'
import { vaultContract, type VaultUnderTest } from '../contracts/vault.ts'
import { transitMaintenanceSuite } from '../contracts/vault-transit-maintenance.ts'
import { wireOfUrl, type Wire } from '../contracts/wire.ts'
import { serversPresent, startVault } from './servers.ts'
import { requireBinary } from './servers/binaries.ts'
import { freePort, removeDirectory, serverDirectory, startProcess } from './servers/process.ts'
import { sharedServers } from './shared.ts'

describe.skipIf(!serversPresent('bao', 'kube', 'etcd'))('on real servers', () => {
  vaultContract('OpenBao', () => {
    const { vault, vaultWire } = sharedServers()
    return worldOf({ wire: vaultWire, rootToken: vault.rootToken, close: () => Promise.resolve() })
  })
})

describe.skipIf(!serversPresent('vault', 'kube', 'etcd'))('on HashiCorp Vault', () => {
  // Error texts of other suites are OpenBao's own.
  const suites = [transitMaintenanceSuite]
  const open = async (): Promise<VaultUnderTest> => {
    const { url, rootToken, caPem, stop } = await startVault({ name: 'vault', tls: true })
    return worldOf({ wire: wireOfUrl(url, { ca: caPem }), rootToken, close: stop })
  }
  vaultContract('Vault', open, suites)
})

async function worldOf(
  server: Pick<VaultUnderTest, 'wire' | 'rootToken' | 'close'>,
): Promise<VaultUnderTest> {
  const { kubernetes, kubernetesWire } = sharedServers()
  return {
    ...server,
    kubernetes: await prepareKubernetes(kubernetesWire, {
      host: kubernetes.url,
      caPem: kubernetes.caPem,
      adminToken: kubernetes.adminToken,
    }),
    uninitialized: startUninitialized,
    now: () => Date.now(),
    pass: (ms) => delay(ms),
  }
}

/** An OpenBao in memory that nobody has initialised; the harness gives only initialised ones. */
async function startUninitialized(): Promise<{ wire: Wire; close(): Promise<void> }> {
  const directory = await serverDirectory('bao')
  const port = await freePort()
  const config = join(directory, 'bao.hcl')
  const listener = `listener "tcp" { address = "127.0.0.1:${port}", tls_disable = true }`
  await writeFile(
    config,
    `storage "inmem" {}\n${listener}\napi_addr = "http://127.0.0.1:${port}"\n`,
  )
  const wire = wireOfUrl(`http://127.0.0.1:${port}`)
  const server = await startProcess({
    name: 'bao',
    command: requireBinary('bao'),
    args: ['server', `-config=${config}`, '-log-level=warn'],
    directory,
    ready: () =>
      wire('GET', '/v1/sys/health').then(
        ({ status }) => status === 501,
        () => false,
      ),
  })
  return {
    wire,
    close: async () => {
      await server.stop()
      await removeDirectory(directory)
    },
  }
}
