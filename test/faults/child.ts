/** Runs a few lines with a SecretManager in a process of their own: for what only a whole process shows. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { buildSync } from 'esbuild'

import { CIPHERTEXT, DEFINITION, JWT } from './world.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..', '..')

/**
 * Gives what `lines` printed. They have `manager(vault, more?)`, which makes a SecretManager that needs
 * no API server, and `definition`.
 */
export async function runChild(lines: string, env: Record<string, string> = {}): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'secretmanager-child-'))
  try {
    writeFileSync(join(directory, 'jwt'), JWT)
    writeFileSync(join(directory, 'secrets.json'), CIPHERTEXT)
    const script = join(directory, 'script.mjs')
    buildSync({
      stdin: { contents: preamble(directory) + lines, resolveDir: root, loader: 'ts' },
      outfile: script,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      banner: {
        js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)",
      },
      logLevel: 'silent',
    })
    const { stdout, stderr } = await run(process.execPath, ['--trace-warnings', script], {
      env: { PATH: process.env['PATH'], ...env },
      timeout: 60_000,
    })
    return stdout + stderr
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const preamble = (directory: string): string => `
import { SecretManager } from './src/manager.ts'
const definition = ${JSON.stringify(DEFINITION)}
const manager = (vault: object, more: object = {}): any => new SecretManager({
  timeout: 10_000,
  startup: { wait: 0 },
  ...more,
  vault: { auth: { method: 'kubernetes', role: 'app', jwtFile: '${directory}/jwt' }, ...vault },
  kubernetes: { mountedAt: '${directory}' },
} as any)
`
