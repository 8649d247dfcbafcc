/** What is to be encrypted, from the notation that it was written in. */
import { inContext, isSecretManagerError, SecretManagerError, withFacts } from '../errors.ts'
import { parseDictionary } from '../lib/json.ts'
import { EnvProblem, readEnv } from './env-input.ts'
import { jsonText, type Plain } from './json-text.ts'
import { readYaml } from './yaml-input.ts'

/** Notations of input. `bytes` is whatever it is: only `readBytes` reads it. */
export const INPUT_FORMATS = ['json', 'yaml', 'env', 'bytes'] as const

/** See {@link INPUT_FORMATS}. */
export type InputFormat = (typeof INPUT_FORMATS)[number]

/** The notation that a file's name tells: YAML and `.env` by their endings, else JSON. */
export function formatOfName(path: string): InputFormat {
  const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase()
  if (/\.ya?ml$/.test(name)) return 'yaml'
  return /(^|\.)env$|^\.env\./.test(name) ? 'env' : 'json'
}

/**
 * Gives the document for an input: JSON and bytes exactly as they are, the others as JSON text. A
 * document that is no dictionary is refused, unless the input is `bytes`.
 *
 * @param where - names the input in errors, such as `the file "app.env"`
 * @throws {@link SecretManagerError} SM_PAYLOAD_INVALID, SM_TOO_LARGE, never with a word of the input
 */
export async function documentOf(
  input: Uint8Array,
  format: InputFormat,
  where: string,
): Promise<Uint8Array> {
  if (format === 'bytes') return input
  const document = format === 'json' ? input : await translated(input, format, where)
  try {
    parseDictionary(document)
  } catch (error) {
    throw isSecretManagerError(error) ? ofInput(error, format, where) : error
  }
  return document
}

async function translated(
  input: Uint8Array,
  format: 'yaml' | 'env',
  where: string,
): Promise<Uint8Array> {
  const text = textOf(input, where)
  const entries = format === 'env' ? entriesOfEnv(text, where) : await entriesOfYaml(text, where)
  return new TextEncoder().encode(jsonText(entries))
}

/** A byte order mark would become part of the first name. */
function textOf(input: Uint8Array, where: string): string {
  const text = decoded(input)
  if (text === undefined) throw invalid(`${where} is not UTF-8`, 'save it as UTF-8')
  if (!text.startsWith('\uFEFF')) return text
  throw invalid(`${where} begins with a byte order mark`, 'save it as UTF-8 without one')
}

function decoded(input: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(input)
  } catch {
    return undefined
  }
}

function entriesOfEnv(text: string, where: string): ReadonlyMap<string, Plain> {
  const entries = readEnv(text)
  if (entries instanceof EnvProblem) {
    throw invalid(`line ${entries.line} of ${where} ${entries.why}`, MEND_ENV)
  }
  // More likely a file that was cut, or a command before the pipe that failed.
  if (entries.size === 0)
    throw invalid(`${where} has no entry`, 'an empty dictionary is {} in JSON')
  return entries
}

const MEND_ENV =
  'write each entry once, as NAME="value"; for text with that quote in it take another: \' or `'

async function entriesOfYaml(text: string, where: string): Promise<ReadonlyMap<string, Plain>> {
  const read = await readYaml(text)
  if ('why' in read) throw invalid(`${where} is not usable as YAML: ${read.why}`, MEND_YAML)
  if (read.value instanceof Map) return read.value
  throw invalid(`${where} is not a dictionary`, 'give names and values: NAME: value')
}

const MEND_YAML = 'correct it, or say what it is with --input: json, env or bytes'

/** The table's hint is for who reads a document. */
function ofInput(
  error: SecretManagerError,
  format: InputFormat,
  where: string,
): SecretManagerError {
  const located = inContext(error, where)
  if (error.code !== 'SM_PAYLOAD_INVALID') return located
  const hint =
    format === 'json'
      ? 'give a JSON dictionary; or say what it is with --input: yaml, env or bytes'
      : 'a dictionary is text: names and values'
  return withFacts(located, { hint })
}

function invalid(message: string, hint: string): SecretManagerError {
  return new SecretManagerError('SM_PAYLOAD_INVALID', message, { hint })
}
