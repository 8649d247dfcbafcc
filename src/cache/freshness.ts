import type { CacheSettings } from '../config/settings.ts'

/**
 * What a value is still good for. `fresh`: serve it. `due`: serve it, and refresh it meanwhile.
 * `overdue`: nobody asked for long, so it is better to wait for the refresh. `expired`: nothing.
 */
export type Freshness = 'fresh' | 'due' | 'overdue' | 'expired'

/** How old a value is, in milliseconds. */
export interface Age {
  /** By the clock that counts what the machine slept through. */
  readonly totalMs: number
  /** By the monotonic clock, which a step of the wall clock cannot move: nothing ends by such a step. */
  readonly awakeMs: number
}

/** Judges a value by its age. */
export function freshnessOf(
  { totalMs, awakeMs }: Age,
  { refreshAfterMs, keepAtMostMs }: CacheSettings,
): Freshness {
  if (awakeMs >= keepAtMostMs) return 'expired'
  if (totalMs < refreshAfterMs) return 'fresh'
  return totalMs < refreshAfterMs * 2 ? 'due' : 'overdue'
}
