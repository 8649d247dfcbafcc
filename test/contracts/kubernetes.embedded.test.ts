/** The embedded API server keeps the contract of the real one, within the process and on a socket. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { createAuthority } from '../../src/dev/certificates.ts'
import { createKubernetes } from '../../src/dev/kubernetes/index.ts'
import { serve } from '../../src/dev/serve.ts'
import { type KubernetesUnderTest, kubernetesContract } from './kubernetes.ts'
import { wireOfHandler, wireOfUrl } from './wire.ts'

const signingKey = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString()

kubernetesContract('embedded', async (): Promise<KubernetesUnderTest> => {
  const server = createKubernetes({ clock: Date.now, randomBytes, signingKey })
  const wire = wireOfHandler((request) => server.handle(request), 'https://127.0.0.1:6443')
  return { wire, adminToken: server.adminToken, signingKey, close: async () => undefined }
})

async function openServed(): Promise<KubernetesUnderTest> {
  const server = createKubernetes({ clock: Date.now, randomBytes, rbac: false, signingKey })
  const authority = createAuthority()
  const tls = authority.issue({ hosts: ['localhost'], addresses: ['127.0.0.1'] })
  const { url, close } = await serve((request) => server.handle(request), { tls })
  const wire = wireOfUrl(url, { ca: authority.caPem })
  return { wire, adminToken: server.adminToken, signingKey, close }
}

kubernetesContract('embedded without RBAC, over TLS', openServed, { rbac: false })
