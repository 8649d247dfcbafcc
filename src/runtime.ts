/**
 * All effects of the core: clock, sleep, randomness, environment, files, processes, connections.
 *
 * Everything else takes a {@link Runtime} as an argument, so a test replaces time, files and the
 * network by passing another one, and nothing else can reach them.
 */
import { readdir, readFile } from 'node:fs'

import type { ErrorCode } from './errors.ts'

/** The outside world as the core sees it. */
export interface Runtime {
  /** Monotonic milliseconds: for deadlines and expiry. */
  now(): number
  /** Unix milliseconds: for claims that other hosts wrote. */
  wallClock(): number
  /** Waits; ends early, without an error, when `signal` aborts. The timer keeps the process alive. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /**
   * Runs `task` later, unless the function it gives is called before.
   *
   * @param keepsAlive - whether somebody waits for it, so that the process must not end before
   */
  after(ms: number, task: () => void, keepsAlive?: boolean): () => void
  /** A number in [0, 1). */
  random(): number
  randomId(): string
  env(name: string): string | undefined
  home(): string
  /** @throws the system's error with its `code`, such as ENOENT */
  readFile(path: string): Promise<Uint8Array>
  listDirectory(path: string): Promise<readonly string[]>
  /** Runs a program without a shell and gives its stdout; rejects when it fails or exceeds `timeoutMs`. */
  exec(command: string, args: readonly string[], options: ExecOptions): Promise<string>
  /** Opens a transport: connections to one backend with one set of TLS settings. */
  transport(options: TransportOptions): Transport
}

/** How to run a program; `env` is added to the process's own. */
export interface ExecOptions {
  readonly env: Readonly<Record<string, string>>
  readonly timeoutMs: number
}

/** Where PEM text comes from. Files are read when a connection needs them, and again when trust fails. */
export type Pem =
  | { readonly kind: 'text'; readonly pem: string }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'directory'; readonly path: string }

/** TLS and routing settings of one backend. */
export interface TransportOptions {
  /** Trusted CAs. Absent: Node's bundled roots, then the operating system's store. */
  readonly ca?: Pem | undefined
  readonly clientCert?: Pem | undefined
  readonly clientKey?: Pem | undefined
  /** Name to send as SNI and to check the certificate against. */
  readonly serverName?: string | undefined
  /** `http://` or `https://` URL of a proxy that is asked to CONNECT. */
  readonly proxy?: string | undefined
}

/** One HTTP request in plain data. */
export interface HttpRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
  /** Limits of this attempt, in milliseconds: to have a connection, and for the whole exchange. */
  readonly connectTimeoutMs: number
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** Must not be sent twice, not even where the first sending probably failed. */
  readonly once?: boolean | undefined
}

/** One HTTP answer in plain data; header names are lower case. */
export interface HttpResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Uint8Array
}

/** Connections to one backend. */
export interface Transport {
  /** @throws {@link TransportFailure} when no complete answer came */
  send(request: HttpRequest): Promise<HttpResponse>
  /** Starts a connection that the next request to this origin takes; never fails. */
  connect(url: string): void
  /** Refuses further requests; connections end in a moment. */
  close(): void
}

/** Why no complete answer came. */
export type TransportFailureKind =
  | 'unreachable'
  | 'timeout'
  | 'tls'
  | 'broken'
  | 'too-large'
  | 'aborted'

/** What a failed handshake is reported as. */
export interface TlsFailure {
  readonly code: Extract<ErrorCode, `SM_TLS_${string}`>
  /** What is wrong with the server, in a clause such as `its certificate has expired`. */
  readonly detail: string
  readonly hint?: string
}

/** What a transport rejects with. `detail` is our own text; `causeClass` the system's code. */
export class TransportFailure extends Error {
  readonly kind: TransportFailureKind
  readonly causeClass: string | undefined
  readonly tls: TlsFailure | undefined

  constructor(kind: TransportFailureKind, detail: string, causeClass?: string, tls?: TlsFailure) {
    super(detail)
    this.kind = kind
    this.causeClass = causeClass
    this.tls = tls
  }
}

/**
 * The real world, with connections opened by `transport`.
 *
 * Modules of Node are taken so that a start stays short: an import of `node:crypto`, `node:os` or
 * `node:fs/promises` evaluates all that they offer, and the first `performance.now()` loads eight more.
 */
export function systemRuntime(
  transport: (options: TransportOptions, runtime: Runtime) => Transport,
): Runtime {
  const runtime: Runtime = {
    now: monotonicMs,
    wallClock: () => Date.now(),
    sleep,
    after,
    random: () => Math.random(),
    randomId: () => process.getBuiltinModule('node:crypto').randomUUID(),
    env: (name) => process.env[name],
    home: () => process.getBuiltinModule('node:os').homedir(),
    readFile: readWhole,
    listDirectory: namesIn,
    exec,
    transport: (options) => transport(options, runtime),
  }
  return runtime
}

function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}

/** Files that are open at once: a process may hold few, and as many threads read them at best. */
const MAX_OPEN_FILES = 8
let openFiles = 0
const waitingForFile: (() => void)[] = []

function readWhole(path: string): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const begin = (): void => {
      openFiles += 1
      readFile(path, (error, bytes) => {
        openFiles -= 1
        waitingForFile.shift()?.()
        if (error) reject(error)
        else resolve(bytes)
      })
    }
    if (openFiles < MAX_OPEN_FILES) begin()
    else waitingForFile.push(begin)
  })
}

function namesIn(path: string): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    readdir(path, (error, names) => (error ? reject(error) : resolve(names)))
  })
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const done = (): void => {
      cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const cancel = timer(ms, done, true)
    signal?.addEventListener('abort', done)
  })
}

function after(ms: number, task: () => void, keepsAlive = false): () => void {
  return timer(ms, task, keepsAlive)
}

/** Node runs a timer at once that is asked for more: Vault's default lease of 768 h is. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

function timer(ms: number, task: () => void, keepsAlive: boolean): () => void {
  const endsAt = monotonicMs() + ms
  const ring = (): void => {
    const leftMs = endsAt - monotonicMs()
    // One millisecond is what timers come too early.
    if (leftMs <= 1) task()
    else set(leftMs)
  }
  const set = (leftMs: number): void => {
    handle = setTimeout(ring, Math.min(leftMs, LONGEST_TIMER_MS))
    if (!keepsAlive) handle.unref()
  }
  let handle: NodeJS.Timeout
  set(ms)
  return () => clearTimeout(handle)
}

async function exec(
  command: string,
  args: readonly string[],
  { env, timeoutMs }: ExecOptions,
): Promise<string> {
  // Loaded on use: a read without a credential plugin never pays for it.
  const { execFile } = await import('node:child_process')
  const options = {
    env: { ...process.env, ...env },
    timeout: timeoutMs,
    // A gentler signal may be ignored, and then the wait has no end.
    killSignal: 'SIGKILL',
    maxBuffer: 1 << 20,
  } as const
  return new Promise((resolve, reject) => {
    const child = execFile(command, args, options, (error, stdout) =>
      error ? reject(error) : resolve(stdout),
    )
    // A program that asks for input gets its end, instead of waiting for it until the limit.
    child.stdin?.end()
  })
}
