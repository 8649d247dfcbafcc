import type { Runtime } from '../runtime.ts'
import type { Input } from './input.ts'
import type { Output } from './output.ts'

/** What a command has of the world. */
export interface Context {
  readonly runtime: Runtime
  readonly output: Output
  /** Aborts when the person asks to stop; its reason is the signal's name. */
  readonly interrupt: AbortSignal
  /** Where a command reads besides its arguments. Default: stdin and the terminal. */
  readonly input?: Input | undefined
}
