/**
 * The command line in a process that kills itself: at the SM_CRASH_AT-th point, counted from 1, of all at which it waits
 * for something, or has just waited. Answers are held back by SM_CRASH_SEED; points are told in the file SM_CRASH_LOG.
 */
import childProcess from 'node:child_process'
import fs from 'node:fs'
import promises, { type FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { setTimeout as pause } from 'node:timers/promises'

import { processOutput } from '../../../src/cli/output.ts'
import { runCommandLine } from '../../../src/cli/program.ts'
import { createTransport } from '../../../src/http/transport.ts'
import { systemRuntime, type Runtime } from '../../../src/runtime.ts'
import { nameOf, pointed } from '../../crash/points.ts'

/** What says how it goes; no variables of the product. */
export interface CrashVariables extends Record<string, string> {
  /** From 1; 0: it lives. */
  readonly SM_CRASH_AT: string
  readonly SM_CRASH_SEED: string
  readonly SM_CRASH_LOG: string
}

/** An answer is held back so many milliseconds at most. */
const HELD_MS = 20

const { SM_CRASH_AT: at = '', SM_CRASH_SEED: seed = '', SM_CRASH_LOG: log = '' } = process.env
const random = randomOf(Number(seed))
const told = fs.openSync(log, 'a')
let reached = 0

wrapFiles()
wrapStarts()
const runtime: Runtime = pointed(
  systemRuntime((options) => createTransport(options, runtime)),
  async (point) => {
    if (point.effect === 'send' && point.moment === 'after') await pause(random() * HELD_MS)
    reach(nameOf(point))
  },
)
process.exitCode = await runCommandLine(process.argv.slice(2), {
  runtime,
  output: processOutput(process),
  interrupt: new AbortController().signal,
})

function reach(what: string): void {
  if (isLast(what)) die()
}

function isLast(what: string): boolean {
  reached += 1
  fs.writeSync(told, `${what}\n`)
  return reached === Number(at)
}

function die(): never {
  process.kill(process.pid, 'SIGKILL')
  throw new Error('nobody survives this')
}

type Step = (...args: readonly unknown[]) => Promise<unknown>

/** Steps on files come to a point before and after; a write has one in its middle, too. */
function wrapFiles(): void {
  const steps = promises as unknown as Record<string, Step>
  const write = promises.writeFile
  for (const name of ['lstat', 'stat', 'realpath', 'rename', 'rm', 'mkdtemp', 'readFile', 'statfs'])
    steps[name] = around(name, steps[name])
  steps['open'] = around('open', steps['open'], (handle) => wrapHandle(handle as FileHandle))
  steps['writeFile'] = around('writeFile', async (path, data, options) => {
    if (isLast('middle of writeFile')) {
      await write(path as string, half(data), options as object)
      die()
    }
    await write(path as string, data as Uint8Array, options as object)
  })
  const syncSteps = fs as unknown as Record<string, (...args: readonly unknown[]) => unknown>
  for (const name of ['rmSync', 'writeFileSync']) syncSteps[name] = before(name, syncSteps[name])
  syncBuiltinESMExports()
}

function wrapHandle(handle: FileHandle): FileHandle {
  const steps = handle as unknown as Record<string, Step>
  const write = handle.writeFile.bind(handle)
  const writeAt = handle.write.bind(handle)
  for (const name of ['stat', 'chown', 'chmod', 'sync', 'truncate', 'close', 'readFile'])
    steps[name] = around(`handle ${name}`, steps[name]?.bind(handle))
  steps['writeFile'] = around('handle writeFile', async (data) => {
    if (isLast('middle of handle writeFile')) {
      await write(half(data))
      die()
    }
    await write(data as Uint8Array)
  })
  steps['write'] = around('handle write', async (...args) => {
    const [bytes, offset, length, position] = args as [Uint8Array, number, number, number]
    if (isLast('middle of handle write')) {
      await writeAt(bytes, offset, Math.floor(length / 2), position)
      die()
    }
    return writeAt(bytes, offset, length, position)
  })
  return handle
}

/** An editor that was just started goes on alone. */
function wrapStarts(): void {
  const { spawn } = childProcess
  const start = spawn as (...args: readonly unknown[]) => unknown
  const wrapped = (...args: readonly unknown[]): unknown => {
    reach('before spawn')
    const child = start(...args)
    reach('after spawn')
    return child
  }
  Object.assign(childProcess, { spawn: wrapped })
  syncBuiltinESMExports()
}

function around(
  what: string,
  step: Step | undefined,
  changed = (result: unknown): unknown => result,
): Step {
  return async (...args) => {
    if (step === undefined) throw new TypeError(`there is no ${what}`)
    reach(`before ${what}`)
    const result = await step(...args)
    reach(`after ${what}`)
    return changed(result)
  }
}

function before(
  what: string,
  step: ((...args: readonly unknown[]) => unknown) | undefined,
): (...args: readonly unknown[]) => unknown {
  return (...args) => {
    if (step === undefined) throw new TypeError(`there is no ${what}`)
    reach(`before ${what}`)
    return step(...args)
  }
}

function half(data: unknown): Uint8Array {
  const bytes = data as Uint8Array
  return bytes.subarray(0, Math.floor(bytes.length / 2))
}

/** mulberry32: the same numbers for the same seed. */
function randomOf(start: number): () => number {
  let state = start
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
