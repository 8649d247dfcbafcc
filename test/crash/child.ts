/** The command line in a process of its own that is killed. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'vitest'

import { bundle } from '../../scripts/bundle.mjs'
import { createTransport } from '../../src/http/transport.ts'
import { systemRuntime, type Runtime } from '../../src/runtime.ts'
import { given, runWith } from '../cli/authoring-world.ts'
import type { CrashVariables } from '../process/programs/crash.ts'
import { NEW, OLD, type Place, type Situation } from './place.ts'
import type { Ran, Runner } from './matrix.ts'
import type { Subject } from './subjects.ts'

const root = join(import.meta.dirname, '..', '..')

/** Bundles the program into `directory`, the way the package is; gives its file. */
export async function buildCrashing(directory: string): Promise<string> {
  const entryPoints = { index: 'src/index.ts', crash: 'test/process/programs/crash.ts' }
  await bundle({ root, outdir: directory, entryPoints, external: ['google-auth-library', 'redis'] })
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}')
  return join(directory, 'crash.js')
}

/** A directory of one test, and one in memory for plaintext. */
export interface Room {
  readonly directory: string
  readonly memory: string
  close(): void
}

export function openRoom(): Room {
  const directory = mkdtempSync(join(tmpdir(), 'secretmanager-crash-'))
  const memory = mkdtempSync('/dev/shm/secretmanager-crash-')
  mkdirSync(join(directory, 'deploy'))
  const close = (): void => {
    for (const each of [directory, memory]) rmSync(each, { recursive: true, force: true })
  }
  return { directory, memory, close }
}

/** Leaves copies beside its file, as editors do: also while the directory is being removed. */
const EDITOR = `at=0
while [ $at -lt 30 ]; do at=$((at + 1)); echo canary > "$1.$at"; done 2> /dev/null
exec sed -i s/canary-old/canary-new/ "$1"`

/** Kills the command as a process of its own; what comes again finds the same files and variables. */
export function processRunner(program: string, place: Place, room: Room, seed: number): Runner {
  const { directory, memory } = room
  const kubeconfig = join(directory, 'kubeconfig')
  const config = join(directory, 'config.json')
  const editor = join(directory, 'editor.sh')
  writeFileSync(editor, EDITOR)
  writeFileSync(kubeconfig, place.kubeconfig)
  writeFileSync(config, JSON.stringify({ ...place.config, kubernetes: { kubeconfig } }))
  const argsOf = (subject: Subject, situation: Situation): string[] => {
    return [...subject.args(situation), '--config', config]
  }
  const variablesOf = ({ role }: Subject): Record<string, string> => ({
    HOME: directory,
    VAULT_TOKEN: place.tokens[role],
    XDG_RUNTIME_DIR: memory,
    EDITOR: `sh ${editor}`,
  })
  return {
    run: (subject, situation, at) =>
      runKilled(program, argsOf(subject, situation), {
        ...{ directory, at, seed, variables: variablesOf(subject) },
        stdin: subject.stdin?.(situation),
      }),
    again: async (subject, situation) => {
      const variables = variablesOf(subject)
      const runtime: Runtime = {
        ...systemRuntime((options) => createTransport(options, runtime)),
        env: (name) => variables[name],
      }
      const args = argsOf(subject, situation)
      const input = given(subject.stdin?.(situation) ?? '')
      const { code, stderr } = await runWith(input, args, runtime)
      return { isDead: false, code, stderr, points: [] }
    },
    inspect: () => expectNoPlaintext(room),
  }
}

/** How a process is run that is killed. */
export interface Killing {
  /** Where it runs; a file `points` is written there. */
  readonly directory: string
  /** The point, from 1; 0: it lives. */
  readonly at: number
  readonly seed: number
  readonly variables: Readonly<Record<string, string>>
  readonly stdin?: string | undefined
}

/** Runs the program of {@link buildCrashing}, which kills itself. */
export async function runKilled(
  program: string,
  args: readonly string[],
  { directory, at, seed, variables, stdin = '' }: Killing,
): Promise<Ran> {
  const log = join(directory, 'points')
  writeFileSync(log, '')
  const crash: CrashVariables = {
    SM_CRASH_AT: String(at),
    SM_CRASH_SEED: String(seed * 1000 + at),
    SM_CRASH_LOG: log,
  }
  const child = spawn(process.execPath, [program, ...args], {
    cwd: directory,
    env: { ...variables, ...crash, PATH: process.env['PATH'] },
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  const { code, signal, stderr } = await ended(child, stdin)
  const points = readFileSync(log, 'utf8').trimEnd().split('\n')
  return { isDead: signal === 'SIGKILL', code, stderr, points }
}

/** An empty directory may stay, where it was killed before it wrote. */
async function expectNoPlaintext({ directory, memory }: Room): Promise<void> {
  const open = filesIn(directory).filter((file) => {
    const text = readFileSync(file, 'latin1')
    return text.includes(OLD) || text.includes(NEW)
  })
  expect(open).toEqual([])
  // Who watches over a killed edit needs a moment.
  for (let tries = 1; filesIn(memory).length > 0 && tries < 100; tries += 1) await pause(50)
  expect(filesIn(memory)).toEqual([])
}

function filesIn(directory: string): readonly string[] {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true })
  return entries.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name))
}

interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stderr: string
}

/** Not longer than until its own end: an editor that outlives it holds its streams. */
function ended(child: ChildProcess, stdin: string): Promise<Ended> {
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(stdin)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      // What it wrote last may still be in the pipe.
      setImmediate(() => resolve({ code, signal, stderr }))
    })
  })
}
