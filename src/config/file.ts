/** Reads a configuration or definition file: JSON, or YAML where its name says so. */
import { isUtf8 } from 'node:buffer'
import { isSecretManagerError, SecretManagerError, systemCode } from '../errors.ts'
import { parseJson } from '../lib/json.ts'
import type { Runtime } from '../runtime.ts'

/**
 * Reads `path` into plain data that nobody has checked yet.
 *
 * @param what - `configuration` or `definition`, for the error
 * @throws {@link SecretManagerError} SM_FILE_UNREADABLE, or SM_CONFIG_INVALID when it is not one
 *   document of its format; a key that comes twice is such an error
 */
export async function readDataFile(what: string, path: string, runtime: Runtime): Promise<unknown> {
  const bytes = await readBytes(what, path, runtime)
  const file = `the ${what} file ${JSON.stringify(path)}`
  return /\.ya?ml$/i.test(path) ? await parseYaml(file, bytes) : parseJsonFile(file, bytes)
}

async function readBytes(what: string, path: string, runtime: Runtime): Promise<Uint8Array> {
  try {
    return await runtime.readFile(path)
  } catch (error) {
    const message = `the ${what} file ${JSON.stringify(path)} cannot be read`
    throw new SecretManagerError('SM_FILE_UNREADABLE', message, { causeClass: systemCode(error) })
  }
}

function parseJsonFile(file: string, bytes: Uint8Array): unknown {
  try {
    return parseJson(bytes)
  } catch (error) {
    // Our own parser says where and never what.
    const why = isSecretManagerError(error) ? error.message : 'the document is not JSON'
    throw new SecretManagerError('SM_CONFIG_INVALID', `${file} is not valid: ${why}`)
  }
}

async function parseYaml(file: string, bytes: Uint8Array): Promise<unknown> {
  if (!isUtf8(bytes)) throw notYaml(file, 'it is not UTF-8')
  // Loaded on use: it costs more than a whole read.
  const { parseDocument } = await import('yaml')
  const document = parseDocument(new TextDecoder().decode(bytes), { logLevel: 'error' })
  const [error] = document.errors
  if (error !== undefined) {
    // The library's message quotes the text; its code and place do not.
    const line = error.linePos?.[0].line
    const why = error.code.toLowerCase().replaceAll('_', ' ')
    throw notYaml(file, line === undefined ? why : `${why} at line ${line}`)
  }
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch {
    throw notYaml(file, 'its aliases do not resolve, or make it too large')
  }
}

const notYaml = (file: string, why: string): SecretManagerError =>
  new SecretManagerError('SM_CONFIG_INVALID', `${file} is not valid: ${why}`)
