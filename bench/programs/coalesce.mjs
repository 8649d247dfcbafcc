/**
 * Opens many ciphertexts that are at hand, all at once or by a few workers.
 *
 * coalesce.mjs JOB CIPHERTEXTS WORKERS: the path of a Job of bench/job.ts, the path of a list of
 * [ciphertext, document], and how many opens wait at a time, 0 for all. Run from a directory that has
 * the package. Prints for each round when it began and ended.
 */
import { readFileSync } from 'node:fs'
import { SecretManager } from 'secretmanager'
import { rounds } from './coalesce-rounds.mjs'

const [, , jobFile, ciphertextsFile, workers] = process.argv
const { native, definition } = JSON.parse(readFileSync(jobFile, 'utf8'))
const sm = new SecretManager(native)
await rounds({
  ciphertextsFile,
  workers: Number(workers),
  logIn: () => sm.connectToVault(),
  open: async (ciphertext) =>
    Buffer.from(await sm.decryptDataWithVault(definition.transit_key, ciphertext)).toString(),
})
await sm.close()
