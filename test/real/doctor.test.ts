import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'vitest'

import { doctorContract } from '../contracts/doctor.ts'
import { policyContract } from '../contracts/doctor-policies.ts'
import { snapshotContract } from '../contracts/doctor-snapshots.ts'
import type { Fresh, Watched } from '../contracts/doctor-setup.ts'
import { serversPresent, startKubernetes, startVault } from './servers.ts'
import { sharedServers } from './shared.ts'
import { worldOf } from './world.ts'

describe.skipIf(!serversPresent('bao', 'kube', 'etcd'))('on real servers', () => {
  doctorContract('OpenBao and kube-apiserver', async () => {
    const world = await audited('bao')
    return { ...world, fresh: (what) => fresh('bao', what, world) }
  })
  policyContract('OpenBao', () => audited('bao'))
  snapshotContract('OpenBao', () => audited('bao'))
})

// The second opinion: built only on demand (npm run servers:build vault).
describe.skipIf(!serversPresent('vault', 'kube', 'etcd'))('on HashiCorp Vault', () => {
  doctorContract('HashiCorp Vault and kube-apiserver', async () => {
    const world = await audited('vault')
    return { ...world, fresh: (what) => fresh('vault', what, world) }
  })
  policyContract('HashiCorp Vault', () => audited('vault'))
  snapshotContract('HashiCorp Vault', () => audited('vault'))
})

type Name = 'bao' | 'vault'

/** What a test may spoil, beside what all share. */
async function fresh(name: Name, what: Fresh, shared: Watched): Promise<Watched> {
  // That of all files has none.
  if (what === 'no audit') return worldOf(sharedServers().vault, sharedServers().kubernetes)
  if (what !== 'no rbac') return audited(name, what === 'log_raw')
  const kubernetes = await startKubernetes({ rbac: false })
  const { rootToken } = shared.servers
  const vault = { url: shared.vaultUrl, caPem: shared.vaultCaPem, caFile: '', unsealKey: '' }
  const close = (): Promise<void> => kubernetes.stop()
  return { ...worldOf({ ...vault, rootToken }, kubernetes), isReal: true, close }
}

/** A Vault that says who decrypted what. */
async function audited(name: Name, isRaw = false): Promise<Watched> {
  const directory = await mkdtemp(join(tmpdir(), 'secretmanager-doctor-'))
  const options = { file_path: join(directory, 'audit.log'), log_raw: String(isRaw) }
  const vault = await startVault({
    name,
    tls: true,
    ...(name === 'bao' && { hcl: hclOf(options) }),
  })
  // OpenBao takes audit devices from its configuration alone, Vault from its API alone.
  if (name === 'vault') await vault.api('PUT', 'sys/audit/file', { type: 'file', options })
  const close = async (): Promise<void> => {
    await vault.stop()
    await rm(directory, { recursive: true })
  }
  return { ...worldOf(vault, sharedServers().kubernetes), isReal: true, close }
}

function hclOf(options: Readonly<Record<string, string>>): string {
  const lines = Object.entries(options).map(([key, value]) => `    ${key} = "${value}"`)
  return `audit "file" "file" {\n  options {\n${lines.join('\n')}\n  }\n}`
}
