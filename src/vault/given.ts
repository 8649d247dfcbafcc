/** Credentials that a person gave: in the configuration, or by the path of a file. */
import { resolve } from 'node:path'

import type { Given } from '../config/settings.ts'
import { SecretManagerError, systemCode } from '../errors.ts'
import type { Runtime } from '../runtime.ts'

/**
 * Reads a credential, from its file as it is now, without the white space around it.
 *
 * @param setting - where the value would stand, such as `vault.auth.secretId`; that of a path ends in `File`
 * @throws {@link SecretManagerError} SM_FILE_UNREADABLE, SM_CONFIG_INVALID where there is nothing in it
 */
export async function readGiven(given: Given, setting: string, runtime: Runtime): Promise<string> {
  const text = given.kind === 'value' ? given.value : await readFile(given.path, setting, runtime)
  const value = text.trim()
  if (value !== '') return value
  throw new SecretManagerError('SM_CONFIG_INVALID', `${nameOf(given, setting)} is empty`)
}

/** How a message names it. */
export function nameOf(given: Given, setting: string): string {
  return given.kind === 'value' ? setting : `${given.path} (${setting}File)`
}

/** Whether `text` can stand in a header: visible ASCII in one piece. */
export function isHeaderSafe(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text)
}

async function readFile(path: string, setting: string, runtime: Runtime): Promise<string> {
  try {
    return new TextDecoder().decode(await runtime.readFile(path))
  } catch (error) {
    const code = systemCode(error)
    const reason = code === undefined ? '' : `: ${code}`
    throw new SecretManagerError(
      'SM_FILE_UNREADABLE',
      `cannot read ${resolve(path)} (${setting}File)${reason}`,
      { causeClass: code },
    )
  }
}
