/** Runs programs and measures them from outside. */
import { spawn } from 'node:child_process'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Readable } from 'node:stream'

/** A program to measure. */
export interface Program {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly cwd?: string | undefined
  /** Added to a small environment: what the caller's shell has set must not change a figure. */
  readonly env?: Readonly<Record<string, string>> | undefined
}

/** A program that runs longer hangs. */
const LONGEST_MS = 300_000

/** What one run took. */
export interface Run {
  /** From before spawn() until the process has ended. */
  readonly wallMs: number
  readonly stdout: string
}

/** What a Node program used, as it says itself when it ends. */
export interface Usage {
  readonly cpuMs: number
  readonly rssMiB: number
}

/** A program of `bench/programs`, run by this Node. */
export function nodeProgram(
  name: string,
  file: string,
  args: readonly string[] = [],
  options: Pick<Program, 'cwd' | 'env'> = {},
): Program {
  return { name, command: process.execPath, args: [file, ...args], ...options }
}

/** Path of a file of `bench/programs`. */
export function programFile(file: string): string {
  return fileURLToPath(new URL(`programs/${file}`, import.meta.url))
}

/** Runs a program once. @throws with its stderr unless it ends with 0 */
export function run(program: Program): Promise<Run> {
  return launch(program, ['ignore', 'pipe', 'pipe']).then(({ wallMs, stdout }) => ({
    wallMs,
    stdout,
  }))
}

/** Runs a Node program once and gives what it used. @throws with its stderr unless it ends with 0 */
export async function runUsage(program: Program): Promise<Usage> {
  const args = ['--import', pathToFileURL(programFile('usage.mjs')).href, ...program.args]
  const { extra } = await launch({ ...program, args }, ['ignore', 'pipe', 'pipe', 'pipe'])
  return JSON.parse(extra) as Usage
}

/**
 * Runs all programs once per round, in another order each time, so that what disturbs the machine
 * disturbs all of them.
 *
 * @returns by the program's name one result per round
 */
export async function interleave<T>(
  programs: readonly Program[],
  rounds: number,
  measure: (program: Program) => Promise<T>,
): Promise<Map<string, T[]>> {
  const results = new Map<string, T[]>(programs.map(({ name }) => [name, []]))
  // The first run fills the caches of files and of the servers.
  for (const program of programs) await measure(program)
  for (let round = 0; round < rounds; round += 1) {
    for (const program of shuffled(programs))
      results.get(program.name)?.push(await measure(program))
  }
  return results
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

function launch(
  { name, command, args, cwd, env }: Program,
  stdio: ('ignore' | 'pipe')[],
): Promise<Run & { readonly extra: string }> {
  const { PATH = '', HOME = '' } = process.env
  const start = performance.now()
  const child = spawn(command, args, {
    cwd,
    env: { PATH, HOME, ...env },
    stdio,
    timeout: LONGEST_MS,
  })
  const [, stdout, stderr, extra] = child.stdio.map((stream) =>
    stream !== null && stream !== undefined && 'read' in stream ? textOf(stream) : () => '',
  )
  let wallMs = Number.NaN
  child.once('exit', () => (wallMs = performance.now() - start))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0) resolve({ wallMs, stdout: stdout?.() ?? '', extra: extra?.() ?? '' })
      else reject(new Error(`${name} ended with ${code ?? signal}: ${stderr?.().slice(-2000)}`))
    })
  })
}

function textOf(stream: Readable): () => string {
  let text = ''
  stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  return () => text
}
