/** The files that rotation works on. */
import { realpath, stat } from 'node:fs/promises'
import { isAbsolute, relative, resolve, sep } from 'node:path'

import { isSecretManagerError, SecretManagerError, systemCode } from '../errors.ts'
import type { FileStore } from '../rotation/manifest-file.ts'
import type { Runtime } from '../runtime.ts'
import { isManifestName, lookAt, manifestPaths, pathsBelow } from './manifest-files.ts'
import { isLeftover, replaceFile } from './replaced-file.ts'

/** No manifest is so large, and all of it is held in memory. */
const MOST_BYTES = 1 << 26
/** Nor is what one is made from: an object has 1 MiB at most. */
const MOST_OTHER_BYTES = 1 << 24

/** Gives the files of this machine, named from the directory that we were started in. */
export function fileStore(runtime: Runtime): FileStore {
  const read = (path: string): Promise<Uint8Array> => readWhole(path, runtime)
  return {
    place: placeOf,
    paths: async (given) => {
      const found = await manifestPaths(await lookAt(given))
      return Promise.all(found.map(nameOf))
    },
    others: async (given) => {
      const { path, isDirectory } = await lookAt(given)
      const found = isDirectory ? await pathsBelow(path, isOther) : []
      const names = await Promise.all(found.map(nameOfOther))
      return names.filter((name) => name !== undefined)
    },
    read,
    replace: async (path, expected, bytes) => {
      try {
        await replaceFile(path, expected, bytes)
        return 'replaced'
      } catch (error) {
        if (await isChanged(path, [expected, bytes], read)) return 'changed'
        throw error
      }
    },
  }
}

/** What a killed writer left is nobody's input. */
function isOther(name: string): boolean {
  return !isManifestName(name) && !isLeftover(name)
}

async function placeOf(given: string): Promise<string> {
  try {
    return await realpath(given)
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    // Told when it is looked through.
    return resolve(given)
  }
}

/** Nothing where it cannot be what a manifest is made from. */
async function nameOfOther(path: string): Promise<string | undefined> {
  try {
    const found = await stat(path)
    if (!found.isFile() || found.size > MOST_OTHER_BYTES) return undefined
  } catch (error) {
    const code = systemCode(error)
    if (code === undefined) throw error
    // A link that leads nowhere; all else is told when it is read.
    if (code === 'ENOENT' || code === 'ELOOP') return undefined
  }
  return nameOf(path)
}

/** One name for a file, however many links lead to it: a link is never replaced, and what it leads to is. */
async function nameOf(path: string): Promise<string> {
  try {
    const [real, here] = await Promise.all([realpath(path), realpath('.')])
    const within = relative(here, real)
    return within === '..' || within.startsWith(`..${sep}`) || isAbsolute(within) ? real : within
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    // Told when it is read.
    return path
  }
}

async function readWhole(path: string, runtime: Runtime): Promise<Uint8Array> {
  const named = `the file ${JSON.stringify(path)}`
  try {
    const found = await stat(path)
    // Else one would wait for whoever writes into a pipe.
    if (!found.isFile()) {
      throw new SecretManagerError('SM_FILE_UNREADABLE', `${named} is no regular file`)
    }
    if (found.size > MOST_BYTES) throw tooLarge(named, found.size)
    return await runtime.readFile(path)
  } catch (error) {
    const causeClass = systemCode(error)
    if (isSecretManagerError(error) || causeClass === undefined) throw error
    throw new SecretManagerError('SM_FILE_UNREADABLE', `${named} cannot be read`, { causeClass })
  }
}

function tooLarge(named: string, size: number): SecretManagerError {
  return new SecretManagerError(
    'SM_TOO_LARGE',
    `${named} has ${size} bytes, the most is ${MOST_BYTES}`,
    {
      hint: 'split it, or name the manifests alone',
    },
  )
}

/** Whether it is gone, or holds what neither we nor whoever we read wrote. */
async function isChanged(
  path: string,
  known: readonly Uint8Array[],
  read: FileStore['read'],
): Promise<boolean> {
  try {
    const now = await read(path)
    return known.every((each) => Buffer.compare(each, now) !== 0)
  } catch (error) {
    if (isSecretManagerError(error)) return error.causeClass === 'ENOENT'
    throw error
  }
}
