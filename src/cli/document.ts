/** The document that a command is given to encrypt: from a file or from stdin, never from an argument. */
import { documentOf, formatOfName, type InputFormat } from '../authoring/input.ts'
import { SecretManagerError, systemCode } from '../errors.ts'
import { processInput } from './input.ts'
import type { Context } from './context.ts'

/** Notations with comments may be much longer than the document that they give. */
const MOST_READ_BYTES = 8 << 20

/**
 * Reads a document.
 *
 * @param from - a file, or `-` for stdin. Absent: stdin, where that is no terminal
 * @param format - absent: what the file's name tells
 * @throws {@link SecretManagerError} SM_FILE_UNREADABLE, SM_CONFIG_INVALID where there is no input, SM_PAYLOAD_INVALID,
 * SM_TOO_LARGE, SM_ABORTED
 */
export async function readDocument(
  from: string | undefined,
  format: InputFormat | undefined,
  context: Context,
): Promise<Uint8Array> {
  if (from === undefined || from === '-') {
    return documentOf(await fromStdin(from, context), format ?? 'json', 'the input')
  }
  const where = `the file ${JSON.stringify(from)}`
  const bytes = await readNamed(from, context)
  return documentOf(bytes, format ?? formatOfName(from), where)
}

/** Reads a file that a person named. @throws {@link SecretManagerError} SM_FILE_UNREADABLE */
export async function readNamed(path: string, { runtime }: Context): Promise<Uint8Array> {
  try {
    return await runtime.readFile(path)
  } catch (error) {
    const message = `the file ${JSON.stringify(path)} cannot be read`
    throw new SecretManagerError('SM_FILE_UNREADABLE', message, { causeClass: systemCode(error) })
  }
}

async function fromStdin(from: '-' | undefined, context: Context): Promise<Uint8Array> {
  const { interrupt, output } = context
  const input = context.input ?? processInput(process)
  if (input.isTerminal) {
    // What is typed there is shown, and a person before a silent terminal does not know what to do.
    if (from === undefined) throw noInput()
    output.notes.line('reading the document from the terminal, where it is shown; ctrl-d ends it')
  }
  return input.bytes(MOST_READ_BYTES, interrupt)
}

function noInput(): SecretManagerError {
  return new SecretManagerError(
    'SM_CONFIG_INVALID',
    'there is nothing to encrypt: stdin is a terminal',
    {
      hint: '--from FILE, or send it through a pipe; --from - reads from the terminal, too',
    },
  )
}
