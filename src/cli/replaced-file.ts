/** A file that is replaced as a whole: whoever reads it finds the old bytes or the new ones, and never a part. */
import { randomUUID } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { lstat, open, rename, rm, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

import { isSecretManagerError, SecretManagerError, systemCode } from '../errors.ts'

/**
 * Replaces a file by way of another one beside it, with the same mode and owner. What kills the process, or fails,
 * before the end leaves the old bytes. A write by somebody else in the last moment, after the file was compared, is lost:
 * file systems have no compare-and-set.
 *
 * @param expected - what the file held when it was read
 * @throws {@link SecretManagerError} SM_FILE_UNREADABLE where it holds something else by now, is a symbolic link or no file,
 * or cannot be written
 */
export async function replaceFile(
  path: string,
  expected: Uint8Array,
  bytes: Uint8Array,
): Promise<void> {
  await told(`the file ${JSON.stringify(path)} cannot be replaced`, CHECK, async () => {
    const stats = await lstat(path)
    refuseStats(path, stats)
    // No name of a manifest: one that a killed process left is nobody's input.
    const beside = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`)
    try {
      await writeNew(beside, bytes, stats)
      await refuseChanged(path, expected)
      await rename(beside, path)
    } catch (error) {
      await rm(beside, { force: true })
      throw error
    }
  })
  const replaced = `the file ${JSON.stringify(path)} was replaced, and a loss of power may undo it`
  await told(replaced, 'look at the disk', () => syncDirectory(dirname(path)))
}

/** Whether a name is of a file that a killed process left beside the one that it was to replace. */
export function isLeftover(name: string): boolean {
  return /^\..+\.[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}\.tmp$/.test(name)
}

const CHECK = 'check its permissions, those of its directory, and the space there'

/**
 * Refuses, before any work, what {@link replaceFile} would refuse after it.
 *
 * @throws {@link SecretManagerError} SM_FILE_UNREADABLE
 */
export async function refuseIrreplaceable(path: string): Promise<void> {
  await told(`the file ${JSON.stringify(path)} cannot be replaced`, CHECK, async () => {
    refuseStats(path, await lstat(path))
  })
}

function refuseStats(path: string, stats: Stats): void {
  if (stats.isSymbolicLink()) {
    throw refused(
      path,
      'is a symbolic link, which would be replaced by a file',
      'name the file itself',
    )
  }
  if (!stats.isFile()) throw refused(path, 'is no regular file, and is not replaced')
}

/** Readable by its owner alone until it has the mode of the file that it replaces. */
async function writeNew(path: string, bytes: Uint8Array, { mode, uid, gid }: Stats): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(bytes)
    const now = await file.stat()
    // Else a file that root writes would be taken from its owner.
    if (now.uid !== uid || now.gid !== gid) await file.chown(uid, gid)
    await file.chmod(mode & 0o7777)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function refuseChanged(path: string, expected: Uint8Array): Promise<void> {
  const file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0))
  const now = await contentOf(file)
  if (Buffer.compare(now, expected) === 0) return
  throw refused(
    path,
    'changed while it was worked on, and was not overwritten',
    'run it again: it reads the file as it is now',
  )
}

async function contentOf(file: FileHandle): Promise<Uint8Array> {
  try {
    return await file.readFile()
  } finally {
    await file.close()
  }
}

/** Makes new names in a directory last where the power fails. @throws the system's error */
export async function syncDirectory(path: string): Promise<void> {
  // There a directory cannot be opened.
  if (process.platform === 'win32') return
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

async function told(message: string, hint: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const causeClass = systemCode(error)
    if (isSecretManagerError(error) || causeClass === undefined) throw error
    throw new SecretManagerError('SM_FILE_UNREADABLE', message, { hint, causeClass })
  }
}

function refused(path: string, why: string, hint?: string): SecretManagerError {
  const message = `the file ${JSON.stringify(path)} ${why}`
  return new SecretManagerError('SM_FILE_UNREADABLE', message, { hint })
}
