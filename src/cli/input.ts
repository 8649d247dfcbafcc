/** What a command line is given besides its arguments: stdin, and the person at the terminal. */
import { createInterface, type Interface } from 'node:readline'
import { Writable } from 'node:stream'

import { SecretManagerError } from '../errors.ts'
import { aborted } from '../lib/abort.ts'

/** Where a command reads. */
export interface Input {
  /** Whether a person can be asked. */
  readonly isTerminal: boolean
  /**
   * Reads stdin to its end.
   *
   * @throws {@link SecretManagerError} SM_TOO_LARGE beyond `most` bytes, SM_ABORTED
   */
  bytes(most: number, signal: AbortSignal): Promise<Uint8Array>
  /** Asks for lines that are not shown. @throws {@link SecretManagerError} SM_ABORTED */
  hidden(questions: readonly string[], signal: AbortSignal): Promise<readonly string[]>
  /** Asks for a line; a bare return is `unsaid`. @throws {@link SecretManagerError} SM_ABORTED */
  line(question: string, unsaid: string, signal: AbortSignal): Promise<string>
  /** Asks for yes or no; a bare return is `unsaid`. @throws {@link SecretManagerError} SM_ABORTED */
  confirm(question: string, unsaid: 'yes' | 'no', signal: AbortSignal): Promise<boolean>
}

/** Reads from the streams of a process; questions go to stderr. */
export function processInput({
  stdin,
  stderr,
  pid,
}: Pick<NodeJS.Process, 'stdin' | 'stderr' | 'pid'>): Input {
  const ask = (questions: readonly string[], isHidden: boolean, signal: AbortSignal) => {
    const output = isHidden ? new Writable({ write: (_chunk, _encoding, done) => done() }) : stderr
    const lines = createInterface({ input: stdin, output, terminal: true, historySize: 0 })
    // In raw mode ctrl-c is a character: the process's own handler decides what it means.
    lines.on('SIGINT', () => process.kill(pid, 'SIGINT'))
    const show = (text: string): void => {
      lines.setPrompt(text)
      lines.prompt()
      if (isHidden) stderr.write(text)
    }
    const ended = (): void => void (isHidden && stderr.write('\n'))
    return answers(lines, questions, { show, ended }, signal).finally(() => lines.close())
  }
  return {
    isTerminal: stdin.isTTY,
    bytes: (most, signal) => readAll(stdin, most, signal),
    hidden: (questions, signal) => ask(questions, true, signal),
    line: async (question, unsaid, signal) => {
      const shown = unsaid === '' ? '' : ` [${unsaid}]`
      const [said = ''] = await ask([`${question}${shown}: `], false, signal)
      return said.trim() || unsaid
    },
    confirm: async (question, unsaid, signal) => {
      const choice = unsaid === 'yes' ? '[Y/n]' : '[y/N]'
      const [said = 'n'] = await ask([`${question} ${choice} `], false, signal)
      return /^y(?:es)?$/i.test(said.trim() || unsaid)
    },
  }
}

async function readAll(
  stdin: NodeJS.ReadStream,
  most: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let size = 0
  const stop = (): void => void stdin.destroy(aborted())
  signal.addEventListener('abort', stop, { once: true })
  try {
    if (signal.aborted) throw aborted()
    for await (const chunk of bytesFrom(stdin)) {
      chunks.push(chunk)
      size += chunk.length
      if (size > most) throw tooLarge(most)
    }
  } finally {
    signal.removeEventListener('abort', stop)
  }
  return Buffer.concat(chunks)
}

/** Nobody has set an encoding. */
function bytesFrom(stdin: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  return stdin
}

/** The end of the input, ctrl-d, is as good as giving up. Lines may come faster than questions, as from a paste. */
function answers(
  lines: Interface,
  questions: readonly string[],
  { show, ended }: { readonly show: (text: string) => void; readonly ended: () => void },
  signal: AbortSignal,
): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const given: string[] = []
    const giveUp = (): void => reject(aborted())
    if (signal.aborted) giveUp()
    signal.addEventListener('abort', giveUp, { once: true })
    lines.once('close', () => {
      signal.removeEventListener('abort', giveUp)
      giveUp()
    })
    lines.on('line', (line) => {
      ended()
      given.push(line)
      const next = questions[given.length]
      if (next === undefined) resolve(given)
      else show(next)
    })
    show(questions[0] ?? '')
  })
}

function tooLarge(most: number): SecretManagerError {
  return new SecretManagerError('SM_TOO_LARGE', `stdin has more than ${most} bytes`)
}
