/** A hundred readers in a process that is stopped, or stops itself, for longer than its token lives. */
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { SecretManager, type SecretDefinition } from 'secretmanager'

import type { Place } from '../world.ts'

export interface PausedJob {
  readonly place: Pick<Place, 'vaultUrl' | 'role' | 'jwtFile'>
  readonly kubeconfig: string
  readonly definitions: readonly SecretDefinition[]
  readonly readers: number
}

export type PausedLine =
  | { readonly kind: 'ready' }
  /** Nothing else happens for a while. */
  | { readonly kind: 'blocked' }
  /** Told each half second: the oldest version that is served, and reads that failed. */
  | { readonly kind: 'tick'; readonly oldest: number; readonly failed: readonly string[] }

const job = JSON.parse(process.argv[2] ?? '') as PausedJob
const print = (line: PausedLine): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
const { vaultUrl: url, role, jwtFile } = job.place
const manager = new SecretManager({
  timeout: '2s',
  vault: { url, auth: { method: 'kubernetes', role, jwtFile } },
  kubernetes: { kubeconfig: job.kubeconfig },
  cache: { refreshAfter: '2s' },
})
const seen = job.definitions.map(() => 0)
const failed: string[] = []
let isEnding = false

await Promise.all(job.definitions.map((_none, of) => read(of)))
const readers = Array.from({ length: job.readers }, (_none, number) => reader(number))
const ticks = setInterval(() => print({ kind: 'tick', oldest: Math.min(...seen), failed }), 500)
print({ kind: 'ready' })
for await (const word of createInterface({ input: process.stdin })) {
  if (!word.startsWith('block ')) continue
  print({ kind: 'blocked' })
  block(Number(word.slice('block '.length)))
}
isEnding = true
clearInterval(ticks)
await Promise.all(readers)
await manager.close()

async function reader(number: number): Promise<void> {
  while (!isEnding) {
    await read(number % job.definitions.length)
    await pause(10)
  }
}

async function read(of: number): Promise<void> {
  const definition = job.definitions[of]
  if (!definition) throw new TypeError('no such definition')
  try {
    seen[of] = Number((await manager.readSecrets(definition))['version'])
  } catch (error) {
    failed.push(String(error))
  }
}

/** What a long computation does to everything else in a process. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
