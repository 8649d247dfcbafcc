/** Prints a report of very many lines in few writes: each to a pipe is a system call that wakes its reader. */
import type { Runtime } from '../runtime.ts'
import { sheetAround, type Output, type Sheet } from './output.ts'

/** Where lines wait for others; nobody sees that they did. */
export interface Gathered {
  readonly output: Output
  /** Prints what waits. */
  readonly flush: () => void
}

/** The longest that a line waits, in milliseconds. */
const WAIT_MS = 50

/**
 * Gives the same output, where lines of data go together unless a terminal shows them. What was printed before a note
 * still is.
 */
export function gathered({ data, notes }: Output, runtime: Runtime): Gathered {
  if (data.isTerminal) return { output: { data, notes }, flush: () => undefined }
  let lines: string[] = []
  let cancel: (() => void) | undefined
  const flush = (): void => {
    cancel?.()
    cancel = undefined
    if (lines.length > 0) data.line(lines.join('\n'))
    lines = []
  }
  const line = (text: string): void => {
    lines.push(text)
    cancel ??= runtime.after(WAIT_MS, flush)
  }
  return { output: { data: { ...behind(data, flush), line }, notes: behind(notes, flush) }, flush }
}

function behind(sheet: Sheet, flush: () => void): Sheet {
  return sheetAround(sheet, (print) => {
    flush()
    print()
  })
}
