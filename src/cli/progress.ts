/** How far a job over many objects is: one line at the terminal, which is written over. */
import type { Runtime } from '../runtime.ts'
import { sheetAround, type Output, type Sheet } from './output.ts'

/** How often it is written, in milliseconds. */
const EVERY_MS = 100
const BAR = 24

/** A line that shows progress; nothing where nobody looks. */
export class Progress {
  readonly #sheet: Sheet
  readonly #runtime: Runtime
  #doing = ''
  #done = 0
  #remaining: number | undefined
  /** The most that was ahead: lists do not say how many there were. */
  #most = 0
  #writtenAt = -Infinity
  #isShown = false

  constructor(sheet: Sheet, runtime: Runtime) {
    this.#sheet = sheet
    this.#runtime = runtime
  }

  /**
   * Gives the same output, where the line goes away before anything else is printed. It comes back behind data, which
   * are its work, and not behind notes.
   */
  over({ data, notes }: Output): Output {
    return {
      data: data.isTerminal ? this.#over(data, () => this.#show()) : data,
      notes: this.#over(notes, () => undefined),
    }
  }

  /** Begins something else. */
  begin(doing: string): void {
    this.#doing = doing
    this.#done = 0
    this.#most = 0
    this.#remaining = undefined
  }

  /** Counts what is done. */
  add(objects: number, remaining: number | undefined): void {
    this.#done += objects
    this.#remaining = remaining
    // A list that follows begins anew.
    this.#most = Math.max(this.#most, objects + (remaining ?? 0))
    const now = this.#runtime.now()
    if (!this.#sheet.isTerminal || now - this.#writtenAt < EVERY_MS) return
    this.#writtenAt = now
    this.#show()
  }

  /** Takes the line away. */
  clear(): void {
    if (!this.#isShown) return
    this.#isShown = false
    this.#sheet.bytes(Buffer.from('\r\u001B[K'))
  }

  #show(): void {
    this.#sheet.bytes(Buffer.from(`\r${this.#text()}\u001B[K`))
    this.#isShown = true
  }

  #over(sheet: Sheet, then: () => void): Sheet {
    return sheetAround(sheet, (print) => {
      const wasShown = this.#isShown
      this.clear()
      print()
      if (wasShown) then()
    })
  }

  /** In one row: of a second nothing would be taken away. */
  #text(): string {
    const remaining = this.#remaining
    const count = this.#done.toLocaleString('en')
    const bar =
      remaining === undefined || this.#most === 0
        ? `: ${count}`
        : ` ${barOf(1 - remaining / this.#most)} ${count}, ${remaining.toLocaleString('en')} to go`
    const room = (this.#sheet.width ?? Infinity) - bar.length - 1
    const { length } = this.#doing
    const doing = length > room ? `${this.#doing.slice(0, Math.max(room - 1, 0))}…` : this.#doing
    return doing + bar
  }
}

function barOf(part: number): string {
  const filled = Math.round(part * BAR)
  return `[${'#'.repeat(filled)}${'-'.repeat(BAR - filled)}]`
}
