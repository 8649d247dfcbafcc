/**
 * A part of a fleet: isolated SecretManagers in one process, each of which reads one dictionary.
 *
 * storm.mjs JOB FIRST COUNT START RAMP: the path of a Job of bench/job.ts, the number of the first
 * manager and how many, when to start (monotonic milliseconds) and how long the starts are spread.
 * Run from a directory that has the package. Prints for each manager when it had its dictionary, or
 * the code of the error.
 */
import { readFileSync } from 'node:fs'
import { SecretManager } from 'secretmanager'

const [, , jobFile, first, count, start, ramp] = process.argv
const { native, definition } = JSON.parse(readFileSync(jobFile, 'utf8'))
const { vault, ...config } = native
const wanted = {
  secretName: definition.secret_name,
  namespace: definition.namespace,
  readKey: definition.read_key,
  transitKey: definition.transit_key,
  format: 'raw',
}
const managers = []
const reads = Array.from({ length: Number(count) }, (_none, at) => readOnce(at))
const results = await Promise.all(reads)
await Promise.all(managers.map((sm) => sm.close()))
console.log(JSON.stringify(results))

async function readOnce(at) {
  const offset = (at / Number(count)) * Number(ramp)
  await new Promise((resolve) => setTimeout(resolve, Number(start) + offset - monotonicMs()))
  const startedAt = monotonicMs()
  // The proxy tells managers apart by their Vault namespace, and hides it from the server.
  const namespace = `m${Number(first) + at}`
  const sm = new SecretManager({ ...config, vault: { ...vault, namespace } })
  managers.push(sm)
  try {
    const { redis_url } = await sm.readSecrets(wanted)
    if (redis_url === undefined) throw new Error('something else was read')
    return { startedAt, endedAt: monotonicMs() }
  } catch (error) {
    return { startedAt, endedAt: monotonicMs(), failed: error.code ?? String(error) }
  }
}

/** The clock that all processes of a machine share. */
function monotonicMs() {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}
