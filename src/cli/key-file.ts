/** The file that keys are written to, which come once: new, for its owner alone, and known to take them before they exist. */
import { constants } from 'node:fs'
import { lstat, open, rm, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'

import { isSecretManagerError, SecretManagerError, systemCode } from '../errors.ts'
import { syncDirectory } from './replaced-file.ts'

/** A new file, open. */
export interface KeyFile {
  readonly path: string
  /**
   * Replaces what it holds, and comes back when that is on the disk.
   *
   * @throws {@link SecretManagerError} SM_FILE_UNREADABLE
   */
  write(text: string): Promise<void>
  /** Removes it: it holds no keys. What somebody else put in its place stays. */
  discard(): Promise<void>
  /** Closes it; again is harmless. */
  close(): Promise<void>
}

/**
 * Creates a file, mode 0600, and fills it with `notice` and blanks, so that space and permissions are known to be there.
 *
 * @param notice - stays in the file where this process ends before it has keys
 * @param size - bytes that will be needed
 * @throws {@link SecretManagerError} SM_FILE_UNREADABLE where something is there already, or it cannot be written
 */
export async function createKeyFile(path: string, notice: string, size: number): Promise<KeyFile> {
  const handle = await told(path, 'cannot be created', () => open(path, NEW, 0o600))
  const file: KeyFile = {
    path,
    write: (text) => told(path, 'cannot be written', () => overwrite(handle, path, text)),
    discard: async () => {
      try {
        await told(path, 'holds no keys, and cannot be removed', async () => {
          if (await isAt(handle, path)) await rm(path)
        })
      } finally {
        await file.close()
      }
    },
    close: () => handle.close(),
  }
  try {
    // The mask of the process can only have taken rights away, from the owner, too.
    await told(path, 'cannot be made private', () => handle.chmod(0o600))
    await file.write(notice.padEnd(size))
    await told(path, 'may not outlive a loss of power', () => syncDirectory(dirname(path)))
  } catch (error) {
    await file.discard()
    throw error
  }
  return file
}

// A symbolic link is something that is there. Where a system has no such flag, O_EXCL says the same.
const NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0)

async function overwrite(handle: FileHandle, path: string, text: string): Promise<void> {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length;) {
    at += (await handle.write(bytes, at, bytes.length - at, at)).bytesWritten
  }
  await handle.truncate(bytes.length)
  await handle.sync()
  if (await isAt(handle, path)) return
  throw new SecretManagerError(
    'SM_FILE_UNREADABLE',
    `the file ${JSON.stringify(path)} was removed or replaced by somebody else`,
    { hint: HINT },
  )
}

/** What is written to a file without a name is lost with the handle. */
async function isAt(handle: FileHandle, path: string): Promise<boolean> {
  const own = await handle.stat({ bigint: true })
  try {
    const there = await lstat(path, { bigint: true })
    return own.ino === there.ino && own.dev === there.dev
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw error
  }
}

const HINT = 'name another file, in a directory of your own'

async function told<T>(path: string, what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const causeClass = systemCode(error)
    if (isSecretManagerError(error) || causeClass === undefined) throw error
    const name = `the file ${JSON.stringify(path)}`
    if (causeClass === 'EEXIST') throw existing(name)
    const message = `${name} for the keys ${what} (${causeClass})`
    throw new SecretManagerError('SM_FILE_UNREADABLE', message, { hint: HINT, causeClass })
  }
}

function existing(name: string): SecretManagerError {
  const message = `${name} is there already, and keys are written over nothing`
  return new SecretManagerError('SM_FILE_UNREADABLE', message, {
    hint: 'name a new one with --keys; what is in the old one may be the only keys of a Vault',
    causeClass: 'EEXIST',
  })
}
