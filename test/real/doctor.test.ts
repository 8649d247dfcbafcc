import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'vitest'

import { doctorContract } from '../contracts/doctor.ts'
import type { Fresh } from '../contracts/doctor-setup.ts'
import type { KubevaultUnderTest } from '../contracts/kubevault-fixture.ts'
import { serversPresent, startKubernetes, startVault } from './servers.ts'
import { sharedServers } from './shared.ts'
import { worldOf } from './world.ts'

describe.skipIf(!serversPresent('bao', 'kube', 'etcd'))('on real servers', () => {
  doctorContract('OpenBao and kube-apiserver', async () => {
    const world = await audited()
    return { ...world, fresh: (what) => fresh(what, world) }
  })
})

/** What a test may spoil, beside what all share. */
async function fresh(what: Fresh, shared: KubevaultUnderTest): Promise<KubevaultUnderTest> {
  if (what === 'no audit') return worldOf(sharedServers().vault, sharedServers().kubernetes)
  if (what !== 'no rbac') return audited(what === 'log_raw')
  const kubernetes = await startKubernetes({ rbac: false })
  const { rootToken } = shared.servers
  const vault = { url: shared.vaultUrl, caPem: shared.vaultCaPem, caFile: '', unsealKey: '' }
  const close = (): Promise<void> => kubernetes.stop()
  return { ...worldOf({ ...vault, rootToken }, kubernetes), close }
}

/** A Vault that says who decrypted what. */
async function audited(isRaw = false): Promise<KubevaultUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), 'secretmanager-doctor-'))
  const hcl = `audit "file" "file" {
  options {
    file_path = "${join(directory, 'audit.log')}"
    log_raw = "${isRaw}"
  }
}`
  const vault = await startVault({ tls: true, hcl })
  const close = async (): Promise<void> => {
    await vault.stop()
    await rm(directory, { recursive: true })
  }
  return { ...worldOf(vault, sharedServers().kubernetes), close }
}
