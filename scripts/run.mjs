import { spawn } from 'node:child_process'

/**
 * Runs a program without a shell and gives what it printed.
 *
 * @throws an Error that holds the output, when it does not exit with 0
 */
export async function run(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => (output += text))
  }
  const [code, signal] = await new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (...ended) => resolve(ended))
  })
  if (code === 0) return output
  throw new Error(`${command} ${args.join(' ')} ended with ${signal ?? code}\n${output}`)
}

/** The same with its output shown as it comes; gives the exit code. */
export function show(command, args, options = {}) {
  const child = spawn(command, args, { stdio: 'inherit', ...options })
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (code) => resolve(code ?? 1))
  })
}
