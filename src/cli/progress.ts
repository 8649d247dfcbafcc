/** How far a job over many objects is: one line at the terminal, which is written over. */
import type { Runtime } from '../runtime.ts'
import type { Sheet } from './output.ts'

/** How often it is written, in milliseconds. */
const EVERY_MS = 100
const BAR = 24

/** A line that shows progress; nothing where nobody looks. */
export class Progress {
  readonly #sheet: Sheet
  readonly #runtime: Runtime
  #doing = ''
  #done = 0
  #total: number | undefined
  #writtenAt = -Infinity
  #isShown = false

  constructor(sheet: Sheet, runtime: Runtime) {
    this.#sheet = sheet
    this.#runtime = runtime
  }

  /** Begins something else. */
  begin(doing: string): void {
    this.#doing = doing
    this.#done = 0
    this.#total = undefined
  }

  /** Counts what is done. */
  add(objects: number, remaining: number | undefined): void {
    this.#done += objects
    this.#total = remaining === undefined ? undefined : this.#done + remaining
    const now = this.#runtime.now()
    if (!this.#sheet.isTerminal || now - this.#writtenAt < EVERY_MS) return
    this.#writtenAt = now
    this.#sheet.bytes(Buffer.from(`\r${this.#text()}\u001B[K`))
    this.#isShown = true
  }

  /** Takes the line away, so that something else can be printed. */
  clear(): void {
    if (!this.#isShown) return
    this.#sheet.bytes(Buffer.from('\r\u001B[K'))
    this.#isShown = false
  }

  #text(): string {
    const total = this.#total
    const count = this.#done.toLocaleString('en')
    if (total === undefined || total === 0) return `${this.#doing}: ${count}`
    const filled = Math.round((this.#done / total) * BAR)
    const bar = `${'#'.repeat(filled)}${'-'.repeat(BAR - filled)}`
    return `${this.#doing} [${bar}] ${count} of ${total.toLocaleString('en')}`
  }
}
