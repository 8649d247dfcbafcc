/** Where the value of an entry comes from. Never from an argument: others see those. */
import {
  inContext,
  isSecretManagerError,
  SecretManagerError,
  systemCode,
  withFacts,
} from '../errors.ts'
import { MAX_DOCUMENT_BYTES, parseJson } from '../lib/json.ts'
import { processInput, type Input } from './input.ts'
import type { Context } from './context.ts'

/** How a value is given. */
export interface ValueSource {
  /** A file, or `-` for stdin. Absent: stdin, or a question where that is a terminal. */
  readonly from: string | undefined
  /** Whether it is JSON; else it is a string. */
  readonly isJson: boolean
  /** Whether a line end behind a value of one line belongs to it. */
  readonly isExact: boolean
}

/**
 * Reads a value.
 *
 * @returns the text of a JSON value
 * @throws {@link SecretManagerError} SM_FILE_UNREADABLE, SM_PAYLOAD_INVALID for what is no JSON or not UTF-8,
 * SM_CONFIG_INVALID for an empty string, SM_TOO_LARGE, SM_ABORTED
 */
export async function readValue(source: ValueSource, context: Context): Promise<string> {
  const bytes = await given(source, context)
  return source.isJson ? jsonIn(bytes) : JSON.stringify(stringIn(bytes, source.isExact))
}

async function given({ from, isJson }: ValueSource, context: Context): Promise<Uint8Array> {
  const { interrupt, runtime } = context
  const input = context.input ?? processInput(process)
  if (from !== undefined && from !== '-') {
    return runtime.readFile(from).catch((error: unknown) => {
      throw unreadable(from, error)
    })
  }
  if (from === undefined && input.isTerminal) return asked(input, isJson, interrupt)
  return input.bytes(MAX_DOCUMENT_BYTES, interrupt)
}

/** Twice: nobody sees a slip of the finger. */
async function asked(input: Input, isJson: boolean, signal: AbortSignal): Promise<Uint8Array> {
  const what = isJson ? 'value in JSON' : 'value'
  const [first = '', again] = await input.hidden([`${what}: `, 'once more: '], signal)
  if (first === again) return Buffer.from(first)
  throw new SecretManagerError('SM_CONFIG_INVALID', 'the two values differ; nothing was written', {
    hint: 'run it again, or send the value through a pipe',
  })
}

/** As it is spelled: digits that a double has no room for stay. */
function jsonIn(bytes: Uint8Array): string {
  try {
    parseJson(bytes)
  } catch (error) {
    if (!isSecretManagerError(error)) throw error
    const hint = 'leave --json out for a value that is a plain string'
    throw withFacts(inContext(error, 'the value'), { hint })
  }
  return decoded(bytes).replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '')
}

function stringIn(bytes: Uint8Array, isExact: boolean): string {
  const text = decoded(bytes)
  const value = isExact ? text : withoutLineEnd(text)
  if (value !== '') return value
  throw new SecretManagerError('SM_CONFIG_INVALID', 'the value is empty; nothing was written', {
    hint: 'for an empty string on purpose send "" (with its quotes) to --json; to take the entry out use unset',
  })
}

/** `echo` and editors end a line; a certificate of many lines is left as it is. */
function withoutLineEnd(text: string): string {
  const [line = '', rest, ...more] = text.split('\n')
  return rest === '' && more.length === 0 ? line.replace(/\r$/, '') : text
}

function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new SecretManagerError('SM_PAYLOAD_INVALID', 'the value is not text in UTF-8', {
      hint: 'an entry of JSON holds text alone: send it in base64',
    })
  }
}

function unreadable(path: string, error: unknown): SecretManagerError {
  return new SecretManagerError(
    'SM_FILE_UNREADABLE',
    `the file ${JSON.stringify(path)} cannot be read`,
    { causeClass: systemCode(error) },
  )
}
