/**
 * All that the command line prints, by these rules: data to stdout, everything else to stderr; lower
 * case, no period; colour only on a terminal and without NO_COLOR; never a secret unless it was asked for.
 */
import type { SecretManagerError } from '../errors.ts'
import { wrap } from './wrap.ts'

/** One of the two streams, and what a command may know about it. */
export interface Sheet {
  line(text: string): void
  /** Passes a document on as it is. */
  bytes(document: Uint8Array): void
  readonly isTerminal: boolean
  readonly hasColor: boolean
  /** Columns that text for people is broken at; absent where programs read. */
  readonly width: number | undefined
}

/** Gives the same sheet, where `around` decides what happens before and after each print. */
export function sheetAround(sheet: Sheet, around: (print: () => void) => void): Sheet {
  return {
    line: (text) => around(() => sheet.line(text)),
    bytes: (document) => around(() => sheet.bytes(document)),
    isTerminal: sheet.isTerminal,
    hasColor: sheet.hasColor,
    // A terminal may change it.
    get width() {
      return sheet.width
    },
  }
}

/** Where a command prints. */
export interface Output {
  /** What was asked for: stdout. */
  readonly data: Sheet
  /** Everything else: stderr. */
  readonly notes: Sheet
}

/** Longer lines are hard to read, however wide the terminal is. */
const WIDEST = 100

/** Prints to the streams of a process. */
export function processOutput(process: Pick<NodeJS.Process, 'stdout' | 'stderr' | 'env'>): Output {
  const { stdout, stderr, env } = process
  const isPlain = Boolean(env['NO_COLOR']) || env['TERM'] === 'dumb'
  return { data: sheetOf(stdout, isPlain), notes: sheetOf(stderr, isPlain) }
}

function sheetOf(stream: NodeJS.WriteStream, isPlain: boolean): Sheet {
  return {
    line: (text) => void stream.write(`${text}\n`),
    bytes: (document) => void stream.write(document),
    isTerminal: stream.isTTY,
    hasColor: stream.isTTY && !isPlain,
    // A terminal may be resized meanwhile.
    get width() {
      return stream.isTTY ? Math.min(stream.columns || WIDEST, WIDEST) : undefined
    },
  }
}

/** Prints a failure: what and where, the code for a search, the next action. */
export function printError({ notes }: Output, error: SecretManagerError): void {
  const { message, code, hint, attempts, elapsedMs, requestId } = error
  const tried = attempts > 1 ? `, ${attempts} attempts in ${seconds(elapsedMs ?? 0)}` : ''
  const joined = requestId === undefined ? '' : `, request ${requestId}`
  const [first = message, ...rest] = linesOf(error)
  field(notes, 'error:', first, RED)
  for (const line of rest) field(notes, '', line)
  field(notes, 'code:', `${code}${tried}${joined}`)
  field(notes, 'try:', hint)
}

/** The message in lines: where it lists problems, one for each, below what they are about. */
export function linesOf({ message, problems = [] }: SecretManagerError): readonly string[] {
  const [first, second] = problems
  if (first === undefined || second === undefined) return [message]
  const head = message.slice(0, message.indexOf(first)).trimEnd()
  return head === '' ? problems : [head, ...problems]
}

/** Prints a wrong use of the command line. */
export function printUsageError({ notes }: Output, message: string, hint: string): void {
  field(notes, 'error:', message, RED)
  field(notes, 'try:', hint)
}

/** Prints what is waited for; what can be done about it is said once. */
export function printWait({ notes }: Output, message: string, hint: string | undefined): void {
  field(notes, 'wait:', message, YELLOW)
  if (hint !== undefined) field(notes, 'try:', hint)
}

/** `text` in bold, where the sheet has colours. */
export function strong(sheet: Sheet, text: string): string {
  return paint(sheet, BOLD, text)
}

/** `text` dimmed, where the sheet has colours. */
export function dim(sheet: Sheet, text: string): string {
  return paint(sheet, DIM, text)
}

/** Prints `text` behind an indentation, broken at the sheet's width; `head` begins its first line. */
export function paragraph(
  sheet: Sheet,
  text: string,
  indent = 2,
  head: string = ' '.repeat(indent),
): void {
  const [first = '', ...rest] = wrap(text, sheet.width, indent)
  sheet.line(head + first)
  for (const line of rest) sheet.line(' '.repeat(indent) + line)
}

/** A duration for people, such as `0.4 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`
}

/** Width of the labels, a space behind the longest. */
const LABEL = 7

function field(sheet: Sheet, label: string, text: string, style?: string): void {
  const [first = '', ...rest] = wrap(text, sheet.width, LABEL)
  const painted = style === undefined ? label : paint(sheet, style, label)
  sheet.line(`${painted}${' '.repeat(LABEL - label.length)}${first}`)
  for (const line of rest) sheet.line(' '.repeat(LABEL) + line)
}

const RED = '31'
const YELLOW = '33'
const BOLD = '1'
const DIM = '2'

function paint({ hasColor }: Sheet, style: string, text: string): string {
  return hasColor ? `\u001B[${style}m${text}\u001B[0m` : text
}
