/** The key that digests of entries are made with: random, of one repository, never part of it. */
import { randomBytes } from 'node:crypto'
import { link, readFile, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { SecretManagerError, systemCode } from '../errors.ts'
import { gitDirectory } from './git.ts'

const KEY_BYTES = 32

/**
 * Reads the key of a repository; makes it where there is none.
 *
 * @param directory - anywhere in a work tree
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID outside of a repository, SM_FILE_UNREADABLE where others can read it
 */
export async function textconvKey(directory: string): Promise<Uint8Array> {
  const git = await gitDirectory(directory)
  if (git === undefined) {
    throw new SecretManagerError('SM_CONFIG_INVALID', 'this is no git repository', {
      hint: 'run it in a work tree, or name one with --repository',
    })
  }
  const path = join(git, 'secretmanager-textconv-key')
  try {
    return await readKey(path)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw told(error, path)
  }
  try {
    await makeKey(path)
    return await readKey(path)
  } catch (error) {
    throw told(error, path)
  }
}

async function readKey(path: string): Promise<Uint8Array> {
  const { mode } = await stat(path)
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    throw unusable(path, 'can be read by others', `chmod 600 ${path}`)
  }
  const key = await readFile(path)
  if (key.byteLength === KEY_BYTES) return key
  throw unusable(path, `does not have ${KEY_BYTES} bytes`, 'delete it: another is made')
}

/** Whole or not at all, and never over another: two processes may begin at once. */
async function makeKey(path: string): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  await writeFile(draft, randomBytes(KEY_BYTES), { mode: 0o600, flag: 'wx' })
  try {
    await link(draft, path)
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
  } finally {
    await unlink(draft)
  }
}

function told(error: unknown, path: string): unknown {
  const code = systemCode(error)
  if (error instanceof SecretManagerError || code === undefined) return error
  return new SecretManagerError('SM_FILE_UNREADABLE', `${path} cannot be used`, {
    causeClass: code,
  })
}

function unusable(path: string, why: string, hint: string): SecretManagerError {
  return new SecretManagerError('SM_FILE_UNREADABLE', `${path} ${why}`, { hint })
}
