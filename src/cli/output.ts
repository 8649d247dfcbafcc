/**
 * All that the command line prints, by these rules: data to stdout, everything else to stderr; lower
 * case, no period; colour only on a terminal and without NO_COLOR; never a secret unless it was asked for.
 */
import type { SecretManagerError } from '../errors.ts'

/** Where a command prints, and what it may know about it. */
export interface Output {
  /** Data: stdout, a line each. */
  data(line: string): void
  /** Everything else: stderr. */
  note(line: string): void
  readonly isTerminal: boolean
  readonly hasColor: boolean
}

/** Prints to the process's own streams. */
export function processOutput(env: Readonly<Record<string, string | undefined>>): Output {
  return {
    data: (line) => void process.stdout.write(`${line}\n`),
    note: (line) => void process.stderr.write(`${line}\n`),
    isTerminal: process.stdout.isTTY,
    hasColor: process.stderr.isTTY && !env['NO_COLOR'],
  }
}

/** Prints a failure: what and where, the code for a search, the next action. */
export function printError(output: Output, error: SecretManagerError): void {
  const { message, code, hint, attempts, elapsedMs, requestId } = error
  const tried = attempts > 1 ? `, ${attempts} attempts in ${seconds(elapsedMs ?? 0)}` : ''
  const joined = requestId === undefined ? '' : `, request ${requestId}`
  output.note(`${paint(output, RED, 'error:')} ${message}`)
  output.note(`code:  ${code}${tried}${joined}`)
  output.note(`try:   ${hint}`)
}

/** `text` in bold, where the output has colours. */
export function strong(output: Output, text: string): string {
  return paint(output, BOLD, text)
}

/** `text` dimmed, where the output has colours. */
export function dim(output: Output, text: string): string {
  return paint(output, DIM, text)
}

/** A duration for people, such as `0.4 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`
}

const RED = '31'
const BOLD = '1'
const DIM = '2'

function paint({ hasColor }: Output, style: string, text: string): string {
  return hasColor ? `\u001B[${style}m${text}\u001B[0m` : text
}
