import { randomBytes } from 'node:crypto'

import { createAuthority } from '../../src/dev/certificates.ts'
import { createKubernetes } from '../../src/dev/kubernetes/index.ts'
import { serve } from '../../src/dev/serve.ts'
import type { Handler } from '../../src/dev/transport.ts'
import { createVault } from '../../src/dev/vault/index.ts'
import { worldOf } from '../real/world.ts'
import type { KubernetesAccess, VaultAccess } from '../real/servers.ts'
import { doctorContract } from './doctor.ts'
import type { DoctorUnderTest, Fresh } from './doctor-setup.ts'
import type { KubevaultUnderTest } from './kubevault-fixture.ts'

doctorContract('the embedded stack', async (): Promise<DoctorUnderTest> => {
  const world = await served()
  return { ...world, fresh: served }
})

/** Both servers on sockets with TLS, so that there is a network to look at. */
async function served(what?: Fresh): Promise<KubevaultUnderTest> {
  const clock = Date.now
  const kubernetes = createKubernetes({ clock, randomBytes, rbac: what !== 'no rbac' })
  const authority = createAuthority()
  const tls = authority.issue({ hosts: ['localhost'], addresses: ['127.0.0.1'] })
  const api = await serve((request) => kubernetes.handle(request), { tls })
  // Vault reaches the cluster where it is, and nowhere else.
  const review: Handler = (request) =>
    new URL(request.url).origin === api.url
      ? kubernetes.handle(request)
      : Promise.resolve(new Response(undefined, { status: 502 }))
  const vault = createVault({ clock, randomBytes, kubernetes: review })
  const door = await serve(audited(vault, what), { tls })
  const access = { caPem: authority.caPem, caFile: '' }
  const vaultAccess = { ...access, url: door.url, rootToken: vault.rootToken }
  const clusterAccess = { ...access, url: api.url, adminToken: kubernetes.adminToken }
  return {
    ...worldOf(vaultAccess as VaultAccess, clusterAccess as KubernetesAccess),
    close: async () => {
      await Promise.all([door.close(), api.close()])
    },
  }
}

const DEVICES: Partial<Record<Fresh, object>> = {
  log_raw: { 'file/': { path: 'file/', type: 'file', options: { log_raw: 'true' } } },
  'no audit': {},
}

/** The embedded Vault writes no audit log: this says that it does. */
function audited({ handle }: ReturnType<typeof createVault>, what: Fresh = 'vault'): Handler {
  const devices = DEVICES[what] ?? {
    'file/': { path: 'file/', type: 'file', options: { file_path: '/var/log/audit.log' } },
  }
  return async (request) => {
    if (!request.url.endsWith('/v1/sys/audit')) return handle(request)
    const own = new Request(request.url.replace('/v1/sys/audit', '/v1/sys/auth'), request)
    const { status } = await handle(own)
    return status === 200
      ? Response.json({ data: devices })
      : Response.json({ errors: ['permission denied'] }, { status: 403 })
  }
}
