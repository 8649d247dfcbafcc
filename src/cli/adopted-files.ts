/** Raw documents in files of manifests, sealed in place: what `adopt --files` does. */
import {
  adoptInFile,
  findRawInFile,
  type AdoptedFile,
  type FoundInFile,
  type Selection,
} from '../authoring/adopt-files.ts'
import { mentionsDocuments } from '../authoring/manifests.ts'
import { objectName, type Finding } from '../authoring/verify.ts'
import type { Definition } from '../config/definition.ts'
import type { Core } from '../core.ts'
import { isSecretManagerError, SecretManagerError, systemCode } from '../errors.ts'
import { kindOf } from '../sources/place.ts'
import type { Runtime } from '../runtime.ts'
import { lookAt, manifestPaths } from './manifest-files.ts'
import type { Context } from './context.ts'
import { refuseIrreplaceable, replaceFile } from './replaced-file.ts'

/** What the paths have. */
export interface FoundInFiles {
  readonly files: readonly FoundInFile[]
  /** Of files that cannot be read, too. */
  readonly failures: readonly Finding[]
  /** Files that were looked at. */
  readonly count: number
}

/**
 * Reads files and directories of manifests, and finds the raw documents in them.
 *
 * @throws {@link SecretManagerError} SM_FILE_UNREADABLE for a path that is not there; SM_K8S_NOT_FOUND and SM_KEY_MISSING where
 * no file has the document that is named
 */
export async function findInFiles(
  core: Core,
  paths: readonly string[],
  selection: Selection,
  { runtime, interrupt }: Context,
): Promise<FoundInFiles> {
  const named = await Promise.all(paths.map(lookAt))
  const files = new Map<string, FoundInFile>()
  const failures: Finding[] = []
  const seen = new Set<string>()
  for (const one of named) {
    for (const file of await manifestPaths(one)) {
      if (seen.has(file)) continue
      seen.add(file)
      const found = await findInFile(
        core,
        { file, isGiven: !one.isDirectory },
        selection,
        runtime,
        interrupt,
      )
      if (found === undefined) continue
      if ('error' in found) failures.push(found)
      else files.set(file, found)
    }
  }
  const all = { files: [...files.values()], failures, count: seen.size }
  if (selection.isNamed) refuseAbsent(all, selection.definition)
  return all
}

async function findInFile(
  core: Core,
  { file, isGiven }: { readonly file: string; readonly isGiven: boolean },
  selection: Selection,
  runtime: Runtime,
  signal: AbortSignal,
): Promise<FoundInFile | Finding | undefined> {
  const bytes = await runtime.readFile(file).catch((error: unknown) => unreadable(file, error))
  if ('error' in bytes) return bytes
  const text = Buffer.from(bytes).toString()
  // In a directory there are other files, too, and templates: they count where they have something of ours.
  if (!isGiven && !/Secret|ConfigMap/.test(text)) return undefined
  try {
    return await findRawInFile(core, file, bytes, selection, { signal })
  } catch (error) {
    if (!isSecretManagerError(error)) throw error
    return isGiven || mentionsDocuments(text) ? { file, error } : undefined
  }
}

function unreadable(file: string, error: unknown): Finding {
  const causeClass = systemCode(error)
  if (causeClass === undefined) throw error
  const told = new SecretManagerError('SM_FILE_UNREADABLE', 'the file cannot be read', {
    causeClass,
  })
  return { file, error: told }
}

/** One that stands in no file, where none of them failed. */
function refuseAbsent({ files, failures }: FoundInFiles, definition: Definition): void {
  const has = files.some((each) => each.raw.length + each.sealed.length + each.failures.length > 0)
  if (has || failures.length > 0) return
  const { readType, namespace, secretName: name, readKey } = definition
  const kind = kindOf(readType)
  const object = objectName({ kind, namespace, name, isManaged: false })
  throw files.some(({ hasObject }) => hasObject)
    ? new SecretManagerError('SM_KEY_MISSING', `no file has ${readKey} of ${object}`)
    : new SecretManagerError('SM_K8S_NOT_FOUND', `no file has a ${object}`, {
        hint: 'check the name, the kind and the namespace, and which files are given; without NAME every raw document is meant',
      })
}

/**
 * Seals what was found in one file, and replaces the file unless it is a dry run. What cannot be written is no document
 * that was adopted.
 *
 * @throws {@link SecretManagerError} SM_ABORTED
 */
export async function adoptFile(
  core: Core,
  found: FoundInFile,
  { fromTransitKey, dryRun }: { readonly fromTransitKey: string; readonly dryRun: boolean },
  signal: AbortSignal,
): Promise<AdoptedFile> {
  const { file, bytes, raw } = found
  const failed = (error: unknown): AdoptedFile => {
    if (!isSecretManagerError(error) || error.code === 'SM_ABORTED') throw error
    return {
      bytes,
      adopted: [],
      failures: raw.map(({ spot }) => Object.assign({ error }, spot)),
      isStopped: false,
    }
  }
  try {
    await refuseIrreplaceable(file)
    const done = await adoptInFile(core, found, fromTransitKey, { signal })
    if (!dryRun && done.adopted.length > 0) await replaceFile(file, bytes, done.bytes)
    return done
  } catch (error) {
    return failed(error)
  }
}
