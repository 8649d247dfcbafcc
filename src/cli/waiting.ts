import type { Runtime } from '../runtime.ts'
import { listen, type RetryEvent } from '../telemetry.ts'
import { printWait, seconds, type Output } from './output.ts'

/** A shorter wait passes unnoticed. */
const SILENT_MS = 2000
/** The same reason is told again only now and then. */
const AGAIN_MS = 10_000

/**
 * Tells why a command waits, because a person before a silent terminal must not have to guess.
 *
 * @returns what ends it
 */
export function announceWaits(output: Output, runtime: Runtime): () => void {
  let told = { message: '', at: 0 }
  return listen('retry', (event) => {
    if (event.elapsedMs + event.waitMs < SILENT_MS) return
    const isNew = event.message !== told.message
    if (!isNew && runtime.now() - told.at < AGAIN_MS) return
    told = { message: event.message, at: runtime.now() }
    printWait(output, textOf(event), isNew ? event.hint : undefined)
  })
}

function textOf({ message, attempt, waitMs }: RetryEvent): string {
  return `${message}; attempt ${attempt}, the next in ${seconds(waitMs)}`
}
