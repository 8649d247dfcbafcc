/**
 * A service that meets faults, with the package.
 *
 * faults-ours.mjs JOB PLAN SERVICE: the path of a Job of bench/job.ts; {ciphertext, startAt, seconds,
 * everyMs} as JSON; the path of service.mjs. Run from a directory that has the package.
 */
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { SecretManager } from 'secretmanager'

const [, , jobFile, plan, serviceFile] = process.argv
const { native, definition } = JSON.parse(readFileSync(jobFile, 'utf8'))
const { ciphertext, ...times } = JSON.parse(plan)
const { serve } = await import(pathToFileURL(serviceFile).href)
const sm = new SecretManager(native)
await serve({
  logIn: () => sm.connectToVault(),
  use: () => sm.decryptDataWithVault(definition.transit_key, ciphertext),
  ...times,
})
await sm.close()
