/** How one attempt waits at a {@link Gate}. */
import { aborted } from '../lib/abort.ts'
import type { Runtime } from '../runtime.ts'
import type { Gate } from './gate.ts'

/** How long an attempt waits, in milliseconds. */
export interface Wait {
  /** At least. */
  readonly leastMs: number
  /** At most. */
  readonly leftMs: number
  /** Whether a backend that serves others ends the wait. */
  readonly wakes: boolean
  /** Told how long at most, before the wait is begun. */
  readonly onWait?: ((waitMs: number) => void) | undefined
}

/** How a wait ended. `turn`: with a token; `served`: as the backend served somebody; `late`: there was no time. */
export type Passage = 'turn' | 'served' | 'late'

/**
 * Takes a token and waits for it; again, where the gate was closed meanwhile.
 *
 * @throws {@link SecretManagerError} SM_ABORTED
 */
export async function pass(
  gate: Gate,
  first: Wait,
  runtime: Runtime,
  signal: AbortSignal,
): Promise<Passage> {
  if (first.leastMs > Math.max(0, first.leftMs)) return 'late'
  const endsAt = runtime.now() + Math.max(0, first.leftMs)
  for (let { leastMs, onWait } = first; ; [leastMs, onWait] = [0, undefined]) {
    if (signal.aborted) throw aborted()
    // Who need not wait may go, however late it is.
    const leftMs = Math.max(0, endsAt - runtime.now())
    // It was to fill the time that is left, and of that some microseconds have passed.
    const wait = { leastMs: Math.min(leastMs, leftMs), onWait, leftMs, wakes: first.wakes }
    const passage = await queue(gate, wait, runtime, signal)
    if (passage) return passage
  }
}

/** Queues once; `undefined` where that was for nothing. */
async function queue(
  gate: Gate,
  { leastMs, leftMs, wakes, onWait }: Wait,
  runtime: Runtime,
  signal: AbortSignal,
): Promise<Passage | undefined> {
  const now = runtime.now()
  const fixedMs = Math.max(leastMs, gate.blockedMs(now))
  const waitMs = Math.max(fixedMs, gate.waitMs(now))
  // Nothing that happens meanwhile could shorten it.
  if ((wakes && leftMs > 0 ? fixedMs : waitMs) > leftMs) return 'late'
  const turn = waitMs <= leftMs ? gate.take(now) : undefined
  const restMs = Math.min(waitMs, leftMs)
  onWait?.(restMs)
  const end = await rest(restMs, { gate, wakes }, runtime, signal)
  if (end === 'slept' && gate.holds(turn)) return 'turn'
  gate.giveBack(turn, runtime.now())
  return end === 'served' && gate.blockedMs(runtime.now()) === 0 ? 'served' : undefined
}

/** Waits; where it `wakes`, no longer than until the server serves somebody. */
async function rest(
  waitMs: number,
  { gate, wakes }: { readonly gate: Gate; readonly wakes: boolean },
  runtime: Runtime,
  signal: AbortSignal,
): Promise<'slept' | 'served' | 'aborted'> {
  if (waitMs <= 0) return 'slept'
  let served = false
  const enough = new AbortController()
  const end = (): void => enough.abort('enough')
  const forget = gate.onWorked(() => {
    // While it is closed nobody may go, and who left the queue would lose their place in it.
    served = wakes && gate.blockedMs(runtime.now()) === 0
    if (served) end()
  })
  signal.addEventListener('abort', end, { once: true })
  await runtime.sleep(waitMs, enough.signal)
  signal.removeEventListener('abort', end)
  forget()
  return signal.aborted ? 'aborted' : served ? 'served' : 'slept'
}
