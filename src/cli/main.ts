#!/usr/bin/env node
/** The command `secretmanager` (alias `sm`): the one place that knows the process's arguments, signals and exit code. */
import { constants } from 'node:os'

import { createTransport } from '../http/transport.ts'
import { systemRuntime } from '../runtime.ts'
import { processOutput } from './output.ts'
import { runCommandLine } from './program.ts'

/** npm passes on what a terminal has sent already: two at once are one. */
const ONE_WISH_MS = 500

const interruption = new AbortController()
let askedAt = 0
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // Who asks again does not want to wait.
    const isAgain = interruption.signal.aborted && performance.now() - askedAt > ONE_WISH_MS
    if (isAgain) process.exit(128 + constants.signals[signal])
    askedAt = performance.now()
    interruption.abort(signal)
  })
}

process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
  // The reader has enough, as head(1) does: that ends us as it ends every program.
  if (code === 'EPIPE') process.exit(128 + constants.signals.SIGPIPE)
  process.stderr.write(`error: stdout cannot be written (${code})\n`)
  process.exit(1)
})
// Nobody is left to be told.
process.stderr.on('error', () => undefined)

process.exitCode = await runCommandLine(process.argv.slice(2), {
  runtime: systemRuntime(createTransport),
  output: processOutput(process),
  interrupt: interruption.signal,
})
