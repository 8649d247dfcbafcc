/**
 * A service that reads its secrets with node-vault and @kubernetes/client-node, as their documentation
 * shows it.
 *
 * peer.mjs JOB: the path of a Job of bench/job.ts. Run from a directory that has the packages.
 */
import { readFileSync } from 'node:fs'
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node'
import vault from 'node-vault'

const { config, definition, vaultCa } = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const kubeConfig = new KubeConfig()
kubeConfig.loadFromFile(config.kube_config)
const kubernetes = kubeConfig.makeApiClient(CoreV1Api)

const client = vault({
  endpoint: config.vault_url,
  requestOptions: { agentOptions: { ca: readFileSync(vaultCa) } },
})
const [secret, { auth }] = await Promise.all([
  kubernetes.readNamespacedSecret({ name: definition.secret_name, namespace: config.namespace }),
  logIn(),
])
client.token = auth.client_token
const ciphertext = Buffer.from(secret.data[definition.read_key], 'base64').toString()
const { data } = await client.write(`transit/decrypt/${definition.transit_key}`, { ciphertext })
const { redis_url } = JSON.parse(Buffer.from(data.plaintext, 'base64').toString())
if (redis_url === undefined) throw new Error('something else was read')

async function logIn() {
  const { status } = await kubernetes.createNamespacedServiceAccountToken({
    name: config.service_account,
    namespace: config.namespace,
    body: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: ['https://kubernetes.default.svc'], expirationSeconds: 600 },
    },
  })
  return client.kubernetesLogin({ mount_point: 'kubernetes', role: config.role, jwt: status.token })
}
