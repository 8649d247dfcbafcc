/** Durations that a person gives to a flag. */
import { SecretManagerError } from '../errors.ts'
import { parseDuration } from '../lib/duration.ts'

/**
 * Reads a Go duration, such as `10s` or `1h`.
 *
 * @returns milliseconds; `undefined` where nothing was said
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID
 */
export function durationOf(value: unknown, flag: string): number | undefined {
  if (value === undefined) return undefined
  const ms = typeof value === 'string' ? parseDuration(value) : undefined
  if (ms !== undefined) return ms
  throw new SecretManagerError('SM_CONFIG_INVALID', `${flag} must be a duration, such as 10s or 1h`)
}

/** How long ago something was, such as `5 min`: as exact as anybody wants to know. */
export function ageText(ms: number): string {
  const age = Math.max(ms, 0)
  if (age < 2 * MINUTE) return `${Math.round(age / 1000)} s`
  if (age < 2 * HOUR) return `${Math.round(age / MINUTE)} min`
  return age < 48 * HOUR ? `${Math.round(age / HOUR)} h` : `${Math.floor(age / 24 / HOUR)} days`
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
