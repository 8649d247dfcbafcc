/** Whole numbers that a person gives to a flag. */
import { SecretManagerError } from '../errors.ts'

/**
 * Reads a whole number from 0 on.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID
 */
export function wholeNumber(value: unknown, flag: string): number {
  const number = /^\d{1,9}$/.test(String(value)) ? Number(value) : undefined
  if (number !== undefined) return number
  throw new SecretManagerError('SM_CONFIG_INVALID', `${flag} must be a whole number`)
}
