/** Starts a server, waits until it serves, and stops exactly that one. */
import { type ChildProcess, spawn } from 'node:child_process'
import { openSync, closeSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { forgetProcess, watchDirectory, watchProcess } from './reaper.ts'

/** How to start one server. */
export interface ProcessPlan {
  /** Name in messages and of the log file. */
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Where the log is written, and the server's working directory. */
  readonly directory: string
  /** Asked every 50 ms until it gives true; a rejection counts as "not yet". */
  readonly ready: () => Promise<boolean>
  /** Longest wait for `ready`, in milliseconds. Default 60 s: two cores may be busy. */
  readonly readyTimeoutMs?: number | undefined
}

/** A server that runs. */
export interface ServerProcess {
  readonly pid: number
  readonly logFile: string
  isRunning(): boolean
  /** SIGSTOP: connections stay open and nothing answers. */
  pause(): void
  resume(): void
  /** SIGTERM, after `graceMs` SIGKILL; resolves when it has ended. Safe to call twice. */
  stop(graceMs?: number): Promise<void>
  /** SIGKILL, as a power cut; resolves when it has ended. */
  kill(): Promise<void>
  /** The last lines of its log. */
  logTail(lines?: number): string
}

/** Starts a server and waits until it is ready. @throws with the end of its log when it is not */
export async function startProcess(plan: ProcessPlan): Promise<ServerProcess> {
  const logFile = join(plan.directory, `${plan.name}.log`)
  const server = track(launch(plan, logFile), logFile)
  try {
    await untilReady(plan, server)
  } catch (error) {
    await server.kill()
    throw error
  }
  return server
}

/** A fresh directory for one server, removed when this process ends at the latest. */
export async function serverDirectory(name: string): Promise<string> {
  const directory = await mkdtemp(join(await realpath(tmpdir()), `secretmanager-${name}-`))
  watchDirectory(directory)
  return directory
}

/** Removes a directory of {@link serverDirectory}. */
export async function removeDirectory(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true, maxRetries: 3 })
}

const givenPorts = new Set<number>()

/**
 * A free loopback port. Below the range of ephemeral ports, where another process's outgoing
 * connection could take it before the server listens, and low enough for Redis's bus (+ 10000).
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 20_000)
    if (!givenPorts.has(port) && (await portIsFree(port))) {
      givenPorts.add(port)
      return port
    }
  }
}

/** Whether nothing listens on this loopback port. */
export function portIsFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}

/** Whether something accepts connections on this loopback port; never stands in its way. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(port, '127.0.0.1', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
}

function launch(plan: ProcessPlan, logFile: string): ChildProcess {
  const log = openSync(logFile, 'a')
  try {
    return spawn(plan.command, plan.args, {
      cwd: plan.directory,
      // No HOME of the user: servers must not read or write there.
      env: { PATH: process.env['PATH'] ?? '', HOME: plan.directory, ...plan.env },
      stdio: ['ignore', log, log],
    })
  } finally {
    closeSync(log)
  }
}

function track(child: ChildProcess, logFile: string): ServerProcess {
  const { pid } = child
  if (pid === undefined) throw new Error(`cannot run ${child.spawnfile}`)
  watchProcess(pid)
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => {
      forgetProcess(pid)
      resolve()
    })
  })
  const kill = async (): Promise<void> => {
    if (isRunning()) child.kill('SIGKILL')
    await ended
  }
  const stop = async (graceMs = 10_000): Promise<void> => {
    if (!isRunning()) return ended
    child.kill('SIGCONT')
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
    await ended
    clearTimeout(timer)
  }
  return {
    pid,
    logFile,
    isRunning,
    pause: () => {
      child.kill('SIGSTOP')
      waitUntilStopped(pid)
    },
    resume: () => void child.kill('SIGCONT'),
    stop,
    kill,
    logTail: (lines = 40) =>
      readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n'),
  }
}

async function untilReady(plan: ProcessPlan, server: ServerProcess): Promise<void> {
  const deadline = performance.now() + (plan.readyTimeoutMs ?? 60_000)
  for (;;) {
    if (!server.isRunning()) throw failure(plan, server, 'ended while starting')
    if (await plan.ready().catch(() => false)) return
    if (performance.now() > deadline) throw failure(plan, server, 'did not become ready')
    await delay(50)
  }
}

function failure(plan: ProcessPlan, server: ServerProcess, what: string): Error {
  return new Error(`${plan.name} ${what}; the end of its log:\n${server.logTail()}`)
}

/** A signal is on its way for a while: until each thread has stopped, the server may still answer. */
function waitUntilStopped(pid: number): void {
  const tasks = `/proc/${pid}/task`
  const hasStopped = (id: string): boolean =>
    / T /.test(readFileSync(`${tasks}/${id}/stat`, 'utf8').replace(/\(.*\)/s, ''))
  for (let wait = 0; wait < 200; wait++) {
    if (readdirSync(tasks).every(hasStopped)) return
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
  }
}
