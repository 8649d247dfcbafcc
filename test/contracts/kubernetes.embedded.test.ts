/** The embedded API server keeps the contract of the real one. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { createKubernetes } from '../../src/dev/kubernetes/index.ts'
import {
  type ForgetfulKubernetes,
  forgottenListContract,
  kubernetesClientContract,
} from './kubernetes-client.ts'
import { kubernetesContract } from './kubernetes.ts'
import { wireOfHandler } from './wire.ts'

const MINUTE = 60_000

const signingKey = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString()

async function open(rbac: boolean): Promise<ForgetfulKubernetes> {
  let passed = 0
  const clock = (): number => Date.now() + passed
  const server = createKubernetes({ clock, randomBytes, rbac, signingKey })
  const wire = wireOfHandler((request) => server.handle(request), 'https://127.0.0.1:6443')
  const forget = async (): Promise<void> => void (passed += MINUTE)
  return { wire, adminToken: server.adminToken, signingKey, forget, close: async () => undefined }
}

kubernetesContract('embedded', () => open(true))
kubernetesContract('embedded without RBAC', () => open(false), { rbac: false })
kubernetesClientContract('embedded', () => open(true), { apply: false })
kubernetesClientContract('embedded without RBAC', () => open(false), { rbac: false, apply: false })
forgottenListContract('embedded', () => open(true))
