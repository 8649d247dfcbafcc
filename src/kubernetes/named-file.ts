import { resolve } from 'node:path'

import { SecretManagerError, systemCode } from '../errors.ts'
import type { Runtime } from '../runtime.ts'

/**
 * Reads a file whose path a person wrote into `setting`.
 *
 * @throws SM_FILE_UNREADABLE naming the path and the setting
 */
export async function readNamedFile(
  path: string,
  setting: string,
  runtime: Runtime,
): Promise<Uint8Array> {
  try {
    return await runtime.readFile(path)
  } catch (error) {
    throw unreadable(path, setting, systemCode(error))
  }
}

/** Reads a file that need not be there: `undefined` where it is not. */
export async function readIfPresent(
  path: string,
  setting: string,
  runtime: Runtime,
): Promise<Uint8Array | undefined> {
  try {
    return await runtime.readFile(path)
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw unreadable(path, setting, code)
  }
}

function unreadable(path: string, setting: string, code: string | undefined): SecretManagerError {
  const reason = code ? ` (${code})` : ''
  // What is relative is so to the current directory, wherever it was written.
  const message = `cannot read ${resolve(path)}${reason}, ${setting}`
  return new SecretManagerError('SM_FILE_UNREADABLE', message, {
    hint: `correct ${setting}, or the permissions of the file`,
    causeClass: code,
  })
}
