/** The embedded API server keeps the contract of the real one. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { createKubernetes } from '../../src/dev/kubernetes/index.ts'
import { type KubernetesUnderTest, kubernetesContract } from './kubernetes.ts'
import { wireOfHandler } from './wire.ts'

const signingKey = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString()

async function open(rbac: boolean): Promise<KubernetesUnderTest> {
  const server = createKubernetes({ clock: Date.now, randomBytes, rbac, signingKey })
  const wire = wireOfHandler((request) => server.handle(request), 'https://127.0.0.1:6443')
  return { wire, adminToken: server.adminToken, signingKey, close: async () => undefined }
}

kubernetesContract('embedded', () => open(true))
kubernetesContract('embedded without RBAC', () => open(false), { rbac: false })
