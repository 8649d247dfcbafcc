/** Tells a login that was refused because clocks differ from one that was refused for itself. */
import { ERRORS, SecretManagerError } from '../errors.ts'
import type { Refusal } from './client.ts'

/** Clocks may differ by this, in milliseconds: Vault and the API server allow for as much. */
const LEEWAY_MS = 60_000

/** What Vault says of a JWT whose times do not fit its clock; where it says nothing, they may be why. */
const ABOUT_TIME: ReadonlySet<string> = new Set([
  '',
  'token is expired',
  'token not yet valid',
  'token issued in the future',
  'JWT is expired',
  'JWT must expire in',
  'JWTs expire within',
])

/**
 * The error of a login that Vault refused: `denied`, or SM_CLOCK_SKEW where the clocks may be to blame.
 *
 * @param denied - what the refusal is without a look at the clocks
 */
export function orClockSkew(
  { sentence, facts, skewMs }: Refusal,
  denied: SecretManagerError,
): SecretManagerError {
  if (skewMs === undefined || Math.abs(skewMs) <= LEEWAY_MS || !ABOUT_TIME.has(sentence)) {
    return denied
  }
  const direction = skewMs > 0 ? 'ahead of' : 'behind'
  const skew = `this host's clock is ${Math.round(Math.abs(skewMs) / 1000)} s ${direction} vault's`
  const [, , , hint] = ERRORS.SM_CLOCK_SKEW
  return new SecretManagerError('SM_CLOCK_SKEW', `${skew}: ${denied.message}`, {
    ...facts,
    hint: `${hint}; if it is refused still: ${denied.hint}`,
  })
}
