/** What a cache tells of its entries, on the diagnostics channels. */
import type { Definition } from '../config/definition.ts'
import type { SecretManagerError } from '../errors.ts'
import { eventError, publish, type EventDefinition, type RefreshEvent } from '../telemetry.ts'

/** How a flight ended. */
export interface Refreshed {
  readonly outcome: RefreshEvent['outcome']
  readonly durationMs: number
  readonly error: SecretManagerError | undefined
}

/** Publishes that a definition was read from the servers, or could not be. */
export function publishRefresh(
  definition: Definition,
  { outcome, durationMs, error }: Refreshed,
): void {
  publish('refresh', () => ({ ...named(definition), outcome, durationMs, ...reason(error) }))
}

/** Publishes that what is kept has another standing now. */
export function publishFreshness(
  name: 'stale' | 'fresh' | 'dropped',
  definition: Definition,
  ageMs: number,
  error?: SecretManagerError,
): void {
  publish(name, () => ({ ...named(definition), ageMs, ...reason(error) }))
}

function named({ secretName, namespace, readKey }: Definition): EventDefinition {
  return { secretName, namespace, readKey }
}

function reason(error: SecretManagerError | undefined): Pick<RefreshEvent, 'error'> {
  return error ? { error: eventError(error) } : {}
}
