/** A part of a fleet: isolated SecretManagers that each read one dictionary as they start. */
import { SecretManager, type ErrorCode, type SecretDefinition } from 'secretmanager'

import type { Place } from '../world.ts'

export interface FleetJob {
  readonly place: Place
  readonly definition: SecretDefinition
  /** Number of the first manager, and how many there are. */
  readonly first: number
  readonly count: number
}

/** What is printed. Times are of the clock that all processes share. */
export type FleetLine =
  | {
      readonly kind: 'waiting'
      readonly at: number
      /** Managers whose `status()` is not ready, and those that say it is for this reason. */
      readonly notReady: number
      readonly reasons: Partial<Record<ErrorCode, number>>
      readonly hint: string | undefined
    }
  | { readonly kind: 'ready'; readonly at: number; readonly isReady: boolean }
  | { readonly kind: 'failed'; readonly at: number; readonly error: string }
  | { readonly kind: 'all ready' }

const job = JSON.parse(process.argv[2] ?? '') as FleetJob
const print = (line: FleetLine): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
const at = (): number => Number(process.hrtime.bigint() / 1000n) / 1000

const managers = Array.from({ length: job.count }, (_none, index) => managerOf(job.first + index))
const watch = setInterval(tell, 500)
for (const manager of managers) void readOnce(manager)
process.stdin.resume().on('end', () => void end())

function managerOf(number: number): SecretManager {
  const { vaultUrl: url, role, jwtFile, mountedAt } = job.place
  const auth = { method: 'kubernetes', role, jwtFile } as const
  return new SecretManager({
    startup: { wait: '10m' },
    vault: { url, namespace: `m${number}`, auth },
    kubernetes: { mountedAt },
  })
}

async function readOnce(manager: SecretManager): Promise<void> {
  try {
    const { redis_url } = await manager.readSecrets(job.definition)
    if (typeof redis_url !== 'string') throw new TypeError('something else was read')
    print({ kind: 'ready', at: at(), isReady: manager.status().ready })
  } catch (error) {
    print({ kind: 'failed', at: at(), error: String(error) })
  }
}

function tell(): void {
  const statuses = managers.map((manager) => manager.status()).filter(({ ready }) => !ready)
  if (statuses.length === 0) {
    clearInterval(watch)
    return print({ kind: 'all ready' })
  }
  const reasons: Partial<Record<ErrorCode, number>> = {}
  let hint: string | undefined
  for (const { backends } of statuses) {
    const { trouble } = backends.vault
    if (!trouble) continue
    reasons[trouble.code] = (reasons[trouble.code] ?? 0) + 1
    ;({ hint } = trouble)
  }
  return print({ kind: 'waiting', at: at(), notReady: statuses.length, reasons, hint })
}

async function end(): Promise<void> {
  clearInterval(watch)
  await Promise.all(managers.map((manager) => manager.close()))
}
