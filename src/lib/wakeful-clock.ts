import type { Runtime } from '../runtime.ts'

/** Steps of the wall clock below this are its ordinary corrections, in milliseconds. */
const STEP_MS = 500

/**
 * A monotonic clock that also counts what the machine slept through, which Node's does not.
 *
 * Only the wall clock knows of it, so one that is set forward counts, too: what expires by this clock
 * expires early then, never late. One that is set back counts for nothing.
 *
 * @returns milliseconds since some moment
 */
export function wakefulClock(runtime: Pick<Runtime, 'now' | 'wallClock'>): () => number {
  let ahead = runtime.wallClock() - runtime.now()
  let slept = 0
  return () => {
    const now = runtime.now()
    const step = runtime.wallClock() - now - ahead
    if (Math.abs(step) > STEP_MS) {
      ahead += step
      slept += Math.max(0, step)
    }
    return now + slept
  }
}
