import { isSecretManagerError, type SecretManagerError } from '../../src/errors.ts'

/** The error that `call` throws, or `undefined`; anything but a SecretManagerError fails the test. */
export function thrownBy(call: () => unknown): SecretManagerError | undefined {
  try {
    call()
  } catch (error) {
    if (isSecretManagerError(error)) return error
    throw error
  }
  return undefined
}
