/**
 * A {@link Runtime} without a world: time stands until a test moves it, files are an object, random
 * numbers repeat, and there is no network unless the test passes one.
 *
 * ```ts
 * const runtime = fakeRuntime({ files: { '/run/token': 'a' } })
 * const read = readWithRetries(runtime)   // sleeps 1 s between attempts
 * await runtime.advance(1000)             // wakes it
 * expect(runtime.sleeps).toEqual([1000])
 * ```
 */
import {
  TransportFailure,
  type ExecOptions,
  type Runtime,
  type Transport,
  type TransportOptions,
} from '../src/runtime.ts'

export interface FakeRuntimeOptions {
  /** Content by absolute path; an `Error` is what reading it fails with. */
  readonly files?: Record<string, FakeFile>
  readonly env?: Record<string, string>
  /** Unix milliseconds at the start. Default 2026-01-01. The monotonic clock starts at 0. */
  readonly now?: number
  /** Each sleep moves the clock and returns at once. Only for code that has one sleep at a time. */
  readonly auto?: boolean
  /** Default: a fixed sequence that looks random. */
  readonly random?: () => number
  /** Default: every request fails as unreachable, with ECONNREFUSED. */
  readonly transport?: (options: TransportOptions) => Transport
  /** Default: every program fails with ENOENT. */
  readonly exec?: FakeExec
}

export type FakeFile = string | Uint8Array | Error

export type FakeExec = (
  command: string,
  args: readonly string[],
  options: ExecOptions,
) => string | Promise<string>

export interface FakeRuntime extends Runtime {
  /** May be changed at any time. */
  readonly files: Record<string, FakeFile>
  /** May be changed at any time. */
  readonly variables: Record<string, string>
  /** Every wait that was begun, in milliseconds. */
  readonly sleeps: readonly number[]
  /** Every timer that was set, in milliseconds. */
  readonly timers: readonly number[]
  /** Sleeps and timers that have not ended yet. */
  pending(): number
  /** Every path that was read, found or not. */
  readonly reads: readonly string[]
  /** Moves both clocks and wakes sleepers in order, also those that begin to sleep on the way. */
  advance(ms: number): Promise<void>
  /** Sets the wall clock alone, as NTP or an administrator does. */
  setWallClock(unixMs: number): void
}

export function fakeRuntime(options: FakeRuntimeOptions = {}): FakeRuntime {
  const files = options.files ?? {}
  const variables = options.env ?? {}
  const reads: string[] = []
  const clock = fakeClock(options.now ?? Date.UTC(2026, 0, 1), options.auto ?? false)
  let ids = 0
  return {
    ...clock,
    files,
    variables,
    reads,
    random: options.random ?? fixedRandom(),
    randomId: () => `00000000-0000-4000-8000-${String(++ids).padStart(12, '0')}`,
    env: (name) => variables[name],
    home: () => '/home/user',
    async readFile(path) {
      reads.push(path)
      const content = files[path] ?? systemError('ENOENT')
      if (content instanceof Error) throw content
      // A copy: whoever wipes what they read must not wipe the file.
      return typeof content === 'string' ? new TextEncoder().encode(content) : content.slice()
    },
    async listDirectory(path) {
      const inside = Object.keys(files).filter((file) => file.startsWith(`${path}/`))
      if (inside.length === 0) throw systemError('ENOENT')
      return [...new Set(inside.map((file) => file.slice(path.length + 1).split('/')[0] ?? ''))]
    },
    async exec(command, args, execOptions) {
      if (!options.exec) throw systemError('ENOENT')
      return options.exec(command, args, execOptions)
    },
    transport: options.transport ?? (() => noNetwork),
  }
}

/** What Node rejects with, such as `systemError('EACCES')`. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: as the test asked`), { code })
}

interface Sleeper {
  readonly at: number
  readonly wake: () => void
}

type Clock = Pick<
  FakeRuntime,
  | 'now'
  | 'wallClock'
  | 'sleep'
  | 'sleeps'
  | 'after'
  | 'timers'
  | 'pending'
  | 'advance'
  | 'setWallClock'
>

function fakeClock(startUnixMs: number, auto: boolean): Clock {
  let now = 0
  let wallOffset = startUnixMs
  const sleeps: number[] = []
  const timers: number[] = []
  const sleepers = new Set<Sleeper>()

  const sleep = (ms: number, signal?: AbortSignal): Promise<void> => {
    if (signal?.aborted) return Promise.resolve()
    sleeps.push(ms)
    if (auto) {
      now += ms
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      const wake = (): void => {
        sleepers.delete(sleeper)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      const sleeper: Sleeper = { at: now + ms, wake }
      sleepers.add(sleeper)
      signal?.addEventListener('abort', wake)
    })
  }

  const after = (ms: number, task: () => void): (() => void) => {
    timers.push(ms)
    const wake = (): void => {
      sleepers.delete(sleeper)
      task()
    }
    const sleeper: Sleeper = { at: now + ms, wake }
    sleepers.add(sleeper)
    return () => void sleepers.delete(sleeper)
  }

  const advance = async (ms: number): Promise<void> => {
    const end = now + ms
    await settled()
    for (let next = earliest(sleepers, end); next; next = earliest(sleepers, end)) {
      now = Math.max(now, next.at)
      next.wake()
      await settled()
    }
    now = end
  }

  return {
    now: () => now,
    wallClock: () => wallOffset + now,
    sleep,
    sleeps,
    after,
    timers,
    pending: () => sleepers.size,
    advance,
    setWallClock: (unixMs) => {
      wallOffset = unixMs - now
    },
  }
}

function earliest(sleepers: ReadonlySet<Sleeper>, end: number): Sleeper | undefined {
  const due = [...sleepers].filter((sleeper) => sleeper.at <= end)
  return due.toSorted((a, b) => a.at - b.at)[0]
}

/** Lets everything run that waits for no timer and no I/O: a few turns, as imports take more than one. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

/** The generator mulberry32, always from the same seed. */
function fixedRandom(): () => number {
  let state = 1
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const noNetwork: Transport = {
  send: () =>
    Promise.reject(new TransportFailure('unreachable', 'no network here', 'ECONNREFUSED')),
  connect: () => undefined,
  close: () => undefined,
}
