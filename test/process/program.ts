/** Programs in processes of their own, which say in lines of JSON how they are and are told words on stdin. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { build } from 'esbuild'
import { onTestFinished } from 'vitest'

const root = join(import.meta.dirname, '..', '..')

/** How a process ended. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A program that runs, or has run. */
export interface Program<Line> {
  readonly pid: number
  /** So far. */
  readonly lines: readonly Line[]
  readonly stderr: () => string
  /** Waits for a line, also among those that came before. @throws when it ends or `ms` pass before */
  until<Some extends Line = Line>(
    isIt: ((line: Line) => line is Some) | ((line: Line) => boolean),
    ms: number,
  ): Promise<Some>
  tell(word: string): void
  /** How it ended; `undefined` while it runs. */
  readonly ended: () => Exit | undefined
  /** Closes its stdin, by which it is to end, and waits. */
  end(ms: number): Promise<Exit>
  signal(signal: NodeJS.Signals): void
}

/** How to start one. */
export interface StartOptions {
  readonly nodeArgs?: readonly string[]
  /** Open files that it may have. */
  readonly maxFiles?: number
}

/** Builds a program of `programs/`, as starting it must not take a compiler; gone after the test. */
export async function buildProgram(name: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'secretmanager-program-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  await build({
    absWorkingDir: root,
    entryPoints: [`test/process/programs/${name}.ts`],
    outdir: directory,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    // As in the package: what a read does not need is not loaded.
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    alias: { secretmanager: join(root, 'src/index.ts') },
    packages: 'external',
    external: ['google-auth-library'],
    logLevel: 'silent',
  })
  return join(directory, `${name}.mjs`)
}

/** Starts a program that was built, with `job` as its argument; killed after the test if it still runs. */
export function startProgram<Line>(
  file: string,
  job: object,
  { nodeArgs = [], maxFiles }: StartOptions = {},
): Program<Line> {
  const args = [...nodeArgs, '--trace-warnings', file, JSON.stringify(job)]
  const [command, ...rest] =
    maxFiles === undefined
      ? [process.execPath, ...args]
      : ['sh', '-c', `ulimit -n ${maxFiles} && exec "$@"`, 'sh', process.execPath, ...args]
  const child = spawn(command ?? '', rest, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return watched(child)
}

function watched<Line>(child: ChildProcess): Program<Line> {
  const lines: Line[] = []
  const waiting = new Set<() => void>()
  let errors = ''
  let exit: Exit | undefined
  const changed = (): void => {
    for (const look of waiting) look()
  }
  child.stdin?.on('error', () => undefined)
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(JSON.parse(line) as Line)
      changed()
    })
  }
  child.on('close', (code, signal) => {
    exit = { code, signal }
    changed()
  })
  const wait = <T>(look: () => T | undefined, ms: number, what: string): Promise<T> =>
    new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer)
        waiting.delete(check)
      }
      const fail = (why: string): void => {
        end()
        reject(new Error(`${what}: ${why}\n${JSON.stringify(lines.slice(-3))}\n${errors}`))
      }
      const check = (): void => {
        const found = look()
        if (found !== undefined) {
          end()
          resolve(found)
        } else if (exit) fail(`ended with ${JSON.stringify(exit)}`)
      }
      const timer = setTimeout(() => fail(`nothing within ${ms} ms`), ms)
      waiting.add(check)
      check()
    })
  return {
    pid: child.pid ?? 0,
    lines,
    stderr: () => errors,
    until: <Some extends Line>(isIt: (line: Line) => boolean, ms: number) => {
      // Each line once: who looks at all for each new one takes the processor from whom it watches.
      let next = 0
      const look = (): Some | undefined => {
        for (; next < lines.length; next += 1) {
          const line = lines[next]
          if (line !== undefined && isIt(line)) return line as Some
        }
        return undefined
      }
      return wait(look, ms, 'a line')
    },
    tell: (word) => void child.stdin?.write(`${word}\n`),
    ended: () => exit,
    end: (ms) => {
      child.stdin?.end()
      return wait(() => exit, ms, 'the end')
    },
    signal: (signal) => void child.kill(signal),
  }
}
