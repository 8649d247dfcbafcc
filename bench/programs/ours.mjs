/**
 * A service that reads its secrets with the package as it is installed.
 *
 * ours.mjs JOB: the path of a Job of bench/job.ts. Run from a directory that has the package.
 */
import { readFileSync } from 'node:fs'
import { SecretManager } from 'secretmanager'

const job = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const sm = new SecretManager(job.native ?? job.config)

await read()
if (job.again) {
  // The token has expired by then, the connections are open.
  await new Promise((resolve) => setTimeout(resolve, job.again.afterMs))
  const start = performance.now()
  await read()
  console.log(performance.now() - start)
}
await sm.close()

async function read() {
  const { redis_url } = await sm.readSecrets(job.definition)
  if (redis_url === undefined) throw new Error('something else was read')
}
