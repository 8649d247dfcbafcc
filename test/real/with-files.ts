import { createTransport } from '../../src/http/transport.ts'
import { systemRuntime, type Runtime } from '../../src/runtime.ts'

/** The real world with these files and variables in it. */
export function withFiles(
  files: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>>,
): Runtime {
  const real = systemRuntime((options) => createTransport(options, runtime))
  const runtime: Runtime = {
    ...real,
    env: (name) => env[name],
    readFile: (path) => {
      const text = files[path]
      return text === undefined ? real.readFile(path) : Promise.resolve(Buffer.from(text))
    },
  }
  return runtime
}
