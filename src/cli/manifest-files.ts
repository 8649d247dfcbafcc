/** The files that a person names, or has in a directory that is named. */
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join, normalize } from 'node:path'

import { SecretManagerError, systemCode } from '../errors.ts'
import type { Runtime } from '../runtime.ts'
import { processInput } from './input.ts'
import type { Context } from './context.ts'

/** A file, or a directory of files, as somebody named it. */
export interface Named {
  readonly path: string
  readonly isDirectory: boolean
  /** Where git is asked about it, and what it is called there. */
  readonly directory: string
  readonly within: string
}

/** Looks at what was named. @throws {@link SecretManagerError} SM_FILE_UNREADABLE */
export async function lookAt(given: string): Promise<Named> {
  const path = normalize(given)
  try {
    const isDirectory = (await stat(path)).isDirectory()
    return isDirectory
      ? { path, isDirectory, directory: path, within: '.' }
      : { path, isDirectory, directory: dirname(path), within: basename(path) }
  } catch (error) {
    throw unreadable(given, error)
  }
}

/** Paths of the manifests: a file itself; of a directory what ends as one, at any depth. Links to directories are not followed. */
export async function manifestPaths({ path, isDirectory }: Named): Promise<readonly string[]> {
  return isDirectory ? pathsBelow(path, isManifestName) : [path]
}

/** Paths in a directory of what is called so, at any depth. @throws {@link SecretManagerError} SM_FILE_UNREADABLE */
export async function pathsBelow(
  path: string,
  isSought: (name: string) => boolean,
): Promise<readonly string[]> {
  const found = await readdir(path, { withFileTypes: true }).catch((error: unknown) => {
    throw unreadable(path, error)
  })
  const paths: string[] = []
  for (const each of found.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const inner = join(path, each.name)
    if (each.isDirectory() && !SKIPPED.has(each.name)) {
      paths.push(...(await pathsBelow(inner, isSought)))
    } else if (!each.isDirectory() && isSought(each.name)) paths.push(inner)
  }
  return paths
}

/** Whether a file is a manifest by its name. */
export function isManifestName(name: string): boolean {
  return /\.(ya?ml|json)$/i.test(name)
}

/** Most that is read from stdin. */
const MOST_MANIFEST_BYTES = 1 << 28

/** Nobody keeps manifests there, and they are large. */
const SKIPPED: ReadonlySet<string> = new Set(['.git', 'node_modules'])

/**
 * The text that a person named: of a file, or of stdin for `-`.
 *
 * @throws {@link SecretManagerError} SM_FILE_UNREADABLE, SM_TOO_LARGE, SM_ABORTED
 */
export async function readGiven(
  from: string,
  { runtime, input = processInput(process), interrupt }: Context,
): Promise<{ readonly text: string; readonly where: string }> {
  if (from !== '-') {
    return { text: await textOfFile(from, runtime), where: `the file ${JSON.stringify(from)}` }
  }
  const bytes = await input.bytes(MOST_MANIFEST_BYTES, interrupt)
  return { text: Buffer.from(bytes).toString(), where: 'the input' }
}

/** The text of a file. @throws {@link SecretManagerError} SM_FILE_UNREADABLE */
export async function textOfFile(path: string, runtime: Runtime): Promise<string> {
  try {
    return Buffer.from(await runtime.readFile(path)).toString()
  } catch (error) {
    throw unreadable(path, error)
  }
}

function unreadable(path: string, error: unknown): SecretManagerError {
  const message = `the file ${JSON.stringify(path)} cannot be read`
  return new SecretManagerError('SM_FILE_UNREADABLE', message, { causeClass: systemCode(error) })
}
