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
