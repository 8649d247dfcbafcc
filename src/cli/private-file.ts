/** A file for plaintext that a person edits: in memory where the system has that, and gone in the end. */
import { spawn } from 'node:child_process'
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'

import { SecretManagerError, systemCode } from '../errors.ts'
import type { Runtime } from '../runtime.ts'

/** A file that nobody else can read, in a directory of its own: what an editor puts beside it goes with it. */
export interface PrivateFile {
  readonly directory: string
  readonly path: string
  /** @throws {@link SecretManagerError} SM_FILE_UNREADABLE */
  read(): Promise<Uint8Array>
  /** Leaves the file, and nothing beside it. The person must be told. */
  keep(): Promise<void>
  /**
   * Removes the directory with all that is in it, unless it is kept.
   *
   * @throws {@link SecretManagerError} SM_FILE_UNREADABLE where it cannot be: the person must be told
   */
  remove(): void
}

/**
 * Finds a directory for private files.
 *
 * @param allowDisk - take the system's temporary one where none is in memory
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID where there is none
 */
export async function privateParent(
  allowDisk: boolean,
  { env }: Pick<Runtime, 'env'>,
  sharedMemory = '/dev/shm',
): Promise<string> {
  for (const directory of [env('XDG_RUNTIME_DIR'), sharedMemory]) {
    if (directory !== undefined && (await isInMemory(directory))) return directory
  }
  if (allowDisk) return tmpdir()
  throw new SecretManagerError(
    'SM_CONFIG_INVALID',
    'this system has no directory in memory (XDG_RUNTIME_DIR or /dev/shm on a tmpfs), and plaintext on a disk may be read from it later',
    {
      hint: 'change single entries with secretmanager set, or accept a file in the temporary directory with --allow-disk',
    },
  )
}

/**
 * Writes `document` to a new file in `parent`. It is gone, too, when this process ends otherwise.
 *
 * @throws {@link SecretManagerError} SM_FILE_UNREADABLE
 */
export async function createPrivateFile(
  parent: string,
  name: string,
  document: Uint8Array,
): Promise<PrivateFile> {
  const directory = await written(parent, () => mkdtemp(join(parent, 'secretmanager-edit-')))
  const path = join(directory, name)
  const guard = guarded(directory)
  const erase = (): void => eraseDirectory(directory)
  process.once('exit', erase)
  const release = (): void => {
    process.off('exit', erase)
    guard.end()
  }
  let isKept = false
  const remove = (): void => {
    if (isKept) return
    erase()
    release()
  }
  try {
    await written(directory, () => writeFile(path, document, { mode: 0o600, flag: 'wx' }))
  } catch (error) {
    remove()
    throw error
  }
  const keep = async (): Promise<void> => {
    isKept = true
    guard.keep()
    release()
    const others = readdirSync(directory).filter((each) => each !== name)
    for (const each of others) await rm(join(directory, each), { recursive: true, force: true })
  }
  return { directory, path, read: () => written(path, () => readFile(path)), keep, remove }
}

const TMPFS = 0x01_02_19_94
const RAMFS = 0x85_84_58_f6

async function isInMemory(directory: string): Promise<boolean> {
  // Elsewhere the numbers of file systems mean something else.
  if (process.platform !== 'linux' || !isAbsolute(directory)) return false
  try {
    // Some systems give the 32 bits with a sign.
    const type = (await statfs(directory)).type >>> 0
    return type === TMPFS || type === RAMFS
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    return false
  }
}

/** Removes the directory when this process is killed outright: a shell that waits for the end of a pipe. */
function guarded(directory: string): { keep(): void; end(): void } {
  if (process.platform === 'win32') return { keep: () => undefined, end: () => undefined }
  const child = spawn('/bin/sh', ['-c', GUARD, 'secretmanager-edit', directory], {
    cwd: '/',
    env: { PATH: process.env['PATH'] },
    // In a session of its own: what ends a terminal must not end it first.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  child.unref()
  // Without a shell there is no editor either, and that is told.
  child.on('error', () => undefined)
  child.stdin.on('error', () => undefined)
  return {
    keep: () => void child.stdin.write('keep\n'),
    end: () => void child.stdin.end(),
  }
}

/** An editor that is left behind may make a file while its directory is removed, which then is not empty. */
const GUARD = `trap '' HUP INT TERM; read -r word; [ "$word" = keep ] && exit
for try in 1 2 3 4 5; do rm -rf -- "$1" && exit; sleep 1; done`

/** In one go, because a process that exits waits for nothing. */
function eraseDirectory(directory: string): void {
  try {
    for (const path of filesIn(directory)) overwrite(path)
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    throw new SecretManagerError(
      'SM_FILE_UNREADABLE',
      `the plaintext in ${JSON.stringify(directory)} cannot be removed`,
      { hint: 'remove the directory by hand', causeClass: systemCode(error) },
    )
  }
}

function filesIn(directory: string): string[] {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true })
  return entries.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name))
}

/** What cannot be overwritten is removed all the same. */
function overwrite(path: string): boolean {
  try {
    writeFileSync(path, Buffer.alloc(statSync(path).size), { flag: 'r+' })
    return true
  } catch {
    return false
  }
}

async function written<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const causeClass = systemCode(error)
    if (causeClass === undefined) throw error
    throw new SecretManagerError(
      'SM_FILE_UNREADABLE',
      `the private file ${JSON.stringify(path)} cannot be used`,
      { hint: 'check the space and the permissions there', causeClass },
    )
  }
}
