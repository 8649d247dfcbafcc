import { isSecretManagerError } from '../../src/errors.ts'

/** The message of the SM_CONFIG_INVALID that `act` throws; any other outcome fails the test. */
export function messageOf(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    return configMessage(error)
  }
  throw new Error('nothing was thrown')
}

/** The same for what a promise rejects with. */
export async function rejectionOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    return configMessage(error)
  }
  throw new Error('nothing was thrown')
}

/** The problems that the message lists. */
export function problemsOf(act: () => unknown): string[] {
  return listed(messageOf(act))
}

/** The problems of a message. */
export function listed(message: string): string[] {
  return message.slice(message.indexOf(' is not valid: ') + ' is not valid: '.length).split('; ')
}

function configMessage(error: unknown): string {
  if (isSecretManagerError(error) && error.code === 'SM_CONFIG_INVALID') return error.message
  throw error
}
