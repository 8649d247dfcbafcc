/** The command `secretmanager` (alias `sm`): the one place that knows the process's arguments and exit code. */
import { createTransport } from '../http/transport.ts'
import { systemRuntime } from '../runtime.ts'
import { processOutput } from './output.ts'
import { runCommandLine } from './program.ts'

const interruption = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => interruption.abort())
}

process.exitCode = await runCommandLine(process.argv.slice(2), {
  runtime: systemRuntime(createTransport),
  output: processOutput(process.env),
  interrupt: interruption.signal,
})
