/**
 * Reads one dictionary again and again when it is kept already, beside the least that `await` costs.
 *
 * warm-read.mjs JOB: the path of a Job of bench/job.ts. Run from a directory that has the package.
 * Prints nanoseconds per read of each, medians of batches, and when the batches began and ended.
 */
import { readFileSync } from 'node:fs'
import { SecretManager } from 'secretmanager'

const BATCHES = 60
const READS = 5_000

const { config, definition } = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const { secret_name, namespace, read_type, read_key, transit_key } = definition
const native = {
  secretName: secret_name,
  namespace,
  readType: read_type,
  readKey: read_key,
  transitKey: transit_key,
  format: 'raw',
}
// The native shape of the same configuration: the old one asks the servers at each read, as the original does.
const sm = new SecretManager({
  vault: {
    url: config.vault_url,
    caCert: config.ca_cert,
    auth: { method: 'kubernetes', role: config.role, audience: 'https://kubernetes.default.svc' },
  },
  kubernetes: {
    kubeconfig: config.kube_config,
    namespace: config.namespace,
    serviceAccount: config.service_account,
  },
})
const kept = await sm.readSecrets(native)
const positional = await sm.readSecrets(secret_name, namespace, read_type, read_key, transit_key)
if (kept.redis_url === undefined || kept.redis_url !== positional.redis_url) {
  throw new Error('something else was read')
}
const resolved = async () => kept

// Each loop is a function of its own: one for all three would be compiled for none of them.
const batches = {
  floor: async () => {
    for (let read = 0; read < READS; read += 1) await resolved()
  },
  native: async () => {
    for (let read = 0; read < READS; read += 1) await sm.readSecrets(native)
  },
  positional: async () => {
    for (let read = 0; read < READS; read += 1) {
      await sm.readSecrets(secret_name, namespace, read_type, read_key, transit_key)
    }
  },
}
for (const batch of Object.values(batches)) await batch()
const times = { floor: [], native: [], positional: [] }
const began = monotonicMs()
for (let round = 0; round < BATCHES; round += 1) {
  for (const [name, batch] of Object.entries(batches)) {
    const start = performance.now()
    await batch()
    times[name].push(((performance.now() - start) * 1e6) / READS)
  }
}
const ended = monotonicMs()
await sm.close()
const medians = Object.entries(times).map(([name, all]) => [name, median(all)])
console.log(
  JSON.stringify({ began, ended, reads: BATCHES * READS, ns: Object.fromEntries(medians) }),
)

function median(samples) {
  return samples.toSorted((a, b) => a - b)[Math.floor(samples.length / 2)]
}

/** The clock that all processes of a machine share. */
function monotonicMs() {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}
