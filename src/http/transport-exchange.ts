/** One request and its answer on an agent's connection, within its time limits. */
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

import { systemCode } from '../errors.ts'
import { TransportFailure, type HttpRequest, type HttpResponse } from '../runtime.ts'
import { tlsFailure } from './transport-failure.ts'

/** Larger answers are not ours: a Secret holds at most 1 MiB. */
const MAX_BODY_BYTES = 8 << 20

/** Cause of a failure on a connection that the server had closed while it was idle. */
export const STALE_CONNECTION = 'STALE_CONNECTION'

/**
 * Sends `request` and collects the whole answer.
 *
 * @param open - makes the client request; the body is written here
 * @throws {@link TransportFailure}
 */
export function exchange(
  open: () => ClientRequest,
  url: URL,
  request: HttpRequest,
): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const client = open()
    const timers = new Timers(
      (what, causeClass) => fail(new TransportFailure('timeout', what, causeClass)),
      request,
    )
    const abort = (): void => fail(new TransportFailure('aborted', 'the call was aborted'))
    const settle = (): void => {
      timers.clear()
      request.signal?.removeEventListener('abort', abort)
    }
    // Told here and now: a request that has no connection yet emits nothing when it is destroyed.
    const fail = (error: unknown): void => {
      settle()
      client.destroy()
      reject(translate(error, client, url))
    }
    client.on('error', fail)
    client.on('response', (response) => {
      collect(response).then(
        (body) => {
          settle()
          resolve({ status: response.statusCode ?? 0, headers: plainHeaders(response), body })
        },
        (error: unknown) => fail(endedEarly(error)),
      )
    })
    client.on('socket', (socket) => timers.watch(socket))
    request.signal?.addEventListener('abort', abort)
    if (request.signal?.aborted) abort()
    client.end(request.body)
  })
}

/**
 * The two limits of an attempt: one to have a connection, one for everything. Both begin when a
 * connection is opened or taken; the wait for one of the few may take the longer limit once more.
 */
class Timers {
  readonly #expire: (what: string, causeClass?: string) => void
  readonly #connectTimeoutMs: number
  readonly #total: NodeJS.Timeout
  #connect: NodeJS.Timeout | undefined

  constructor(
    expire: (what: string, causeClass?: string) => void,
    { connectTimeoutMs, timeoutMs }: Pick<HttpRequest, 'connectTimeoutMs' | 'timeoutMs'>,
  ) {
    this.#expire = expire
    this.#connectTimeoutMs = connectTimeoutMs
    const what = `no complete answer within ${timeoutMs} ms`
    this.#total = setTimeout(this.#expire, timeoutMs, what)
  }

  /** The first limit ends with the handshake; a connection in use has it behind it. */
  watch(socket: Socket): void {
    if (!isConnected(socket)) {
      const what = `no connection within ${this.#connectTimeoutMs} ms`
      // A class of its own: nothing was sent, so whatever it was may be sent again.
      this.#connect = setTimeout(this.#expire, this.#connectTimeoutMs, what, 'NO_CONNECTION')
      const event = socket instanceof TLSSocket ? 'secureConnect' : 'connect'
      socket.once(event, () => clearTimeout(this.#connect))
    }
    this.#total.refresh()
  }

  clear(): void {
    clearTimeout(this.#connect)
    clearTimeout(this.#total)
  }
}

function isConnected(socket: Socket): boolean {
  // A TLS socket names its protocol before the handshake has agreed on one; `authorized` comes after it.
  return socket instanceof TLSSocket ? socket.authorized : !socket.connecting
}

/** Events, not iteration: an async iterator of a stream is a machine of its own to start. */
function collect(response: IncomingMessage): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = []
    let size = 0
    response.on('data', (chunk: Uint8Array) => {
      size += chunk.byteLength
      if (size > MAX_BODY_BYTES) response.destroy(tooLarge())
      chunks.push(chunk)
    })
    response.on('error', reject)
    // Every answer closes: an error takes a stack, which only one that came too early is worth.
    response.on('close', () => {
      if (!response.readableEnded) reject(endedEarly(undefined))
    })
    response.on('end', () => {
      if (response.complete) resolve(joined(chunks))
      else reject(endedEarly(undefined))
    })
  })
}

/** Most answers come in one piece. */
function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const [first, second] = chunks
  return first !== undefined && second === undefined ? first : Buffer.concat(chunks)
}

function tooLarge(): TransportFailure {
  return new TransportFailure('too-large', `an answer above ${MAX_BODY_BYTES} bytes`)
}

/** Once an answer has begun, a lost connection says nothing about who is reachable. */
function endedEarly(error: unknown): TransportFailure {
  if (error instanceof TransportFailure) return error
  return new TransportFailure('broken', 'the answer ended early', systemCode(error))
}

function plainHeaders(response: IncomingMessage): HttpResponse['headers'] {
  const pairs = Object.entries(response.headers)
  return Object.fromEntries(
    pairs.map(([name, value]) => [name, Array.isArray(value) ? value[0] : value]),
  )
}

const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_FAIL',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPIPE',
  'ECONNABORTED',
  'EHOSTDOWN',
  'ENETDOWN',
  'EADDRNOTAVAIL',
])

function translate(error: unknown, client: ClientRequest, url: URL): TransportFailure {
  if (error instanceof TransportFailure) return error
  const code = systemCode(firstOf(error))
  if (client.reusedSocket && (code === 'ECONNRESET' || code === 'EPIPE')) {
    return new TransportFailure('unreachable', 'an idle connection was closed', STALE_CONNECTION)
  }
  const tls = tlsFailure(error, url.hostname)
  if (tls) return new TransportFailure('tls', tls.detail, code, tls)
  if (code !== undefined && UNREACHABLE.has(code))
    return new TransportFailure('unreachable', describe(code), code)
  return new TransportFailure('broken', 'the answer is not HTTP', code)
}

/** Where a name has several addresses, Node reports all failures; the first will do. */
function firstOf(error: unknown): unknown {
  return error instanceof AggregateError ? (error.errors[0] ?? error) : error
}

function describe(code: string): string {
  switch (code) {
    case 'ECONNREFUSED':
      return 'nothing listens there'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_FAIL':
      return 'the name does not resolve'
    case 'ECONNRESET':
    case 'EPIPE':
    case 'ECONNABORTED':
      return 'the connection was reset'
    default:
      return 'there is no route to it'
  }
}
