/** Many big dictionaries at once in a process that may hold few files. */
import { readdirSync } from 'node:fs'
import { SecretManager, type SecretDefinition } from 'secretmanager'

import type { Place } from '../world.ts'

export interface CrowdJob {
  readonly place: Pick<Place, 'vaultUrl' | 'role' | 'jwtFile'>
  /** Absent: the documents are files. */
  readonly kubeconfig: string | undefined
  readonly mountedAt: string | undefined
  readonly definition: SecretDefinition
  readonly count: number
  /** Characters of the one entry. */
  readonly length: number
}

export type CrowdLine =
  | {
      readonly kind: 'read'
      readonly tookMs: number
      readonly good: number
      /** How often each failure was met. */
      readonly failed: Readonly<Record<string, number>>
      readonly peakFiles: number
      readonly peakRssMiB: number
    }
  | { readonly kind: 'closed'; readonly files: number; readonly before: number }

/** None is left to look with. */
const TOO_MANY = 1e6
const job = JSON.parse(process.argv[2] ?? '') as CrowdJob
const print = (line: CrowdLine): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
const before = files()
let peakFiles = before
const watch = setInterval(() => {
  peakFiles = Math.max(peakFiles, files())
}, 10)

const { vaultUrl: url, role, jwtFile } = job.place
const manager = new SecretManager({
  // So much takes a while on a busy machine.
  ...{ timeout: '1m', startup: { wait: '4m' } },
  vault: { url, auth: { method: 'kubernetes', role, jwtFile } },
  kubernetes: { kubeconfig: job.kubeconfig, mountedAt: job.mountedAt },
})
const failed: Record<string, number> = {}
let good = 0
const startedAt = performance.now()
await Promise.all(Array.from({ length: job.count }, (_none, number) => read(`app-${number}`)))
print({
  kind: 'read',
  tookMs: Math.round(performance.now() - startedAt),
  ...{ good, failed, peakFiles },
  peakRssMiB: Math.round(process.resourceUsage().maxRSS / 1024),
})
await manager.close()
clearInterval(watch)
for (let turn = 0; turn < 100 && files() > before; turn += 1) await pause()
print({ kind: 'closed', files: files(), before })
process.stdin.destroy()

async function read(secretName: string): Promise<void> {
  try {
    const { text } = await manager.readSecrets({ ...job.definition, secretName })
    if (typeof text === 'string' && text.length === job.length) good += 1
    else throw new TypeError('something else was read')
  } catch (error) {
    const said = String(error).replaceAll(/app-\d+/g, 'app-N')
    failed[said] = (failed[said] ?? 0) + 1
  }
}

function files(): number {
  try {
    // One is the look itself.
    return readdirSync('/proc/self/fd').length - 1
  } catch {
    return TOO_MANY
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 20)
  })
}
