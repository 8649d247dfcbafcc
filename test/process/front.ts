/**
 * A server on loopback before a handler in this process: it notes every request, and does to it what a
 * fault says. Plain http, so that many clients measure us and not their handshakes.
 */
import http from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

import type { Handler } from '../../src/dev/transport.ts'

/** A request as it arrived. */
export interface Arrival {
  /** {@link monotonicMs}. */
  readonly at: number
  readonly method: string
  /** Without the client's prefix and without its query. */
  readonly path: string
  /**
   * Whose it is: Vault's namespace, which the server behind has none of and never sees, or the first
   * segment of the path of an API server.
   */
  readonly client: string
  readonly token: string | undefined
  /** Of the answer; 0 while there is none. */
  readonly status: number
}

/** What is done to a request in place of answering it. */
export type Fault =
  | { readonly kind: 'answer'; readonly status: number; readonly retryAfter?: number | undefined }
  /** RST. */
  | { readonly kind: 'reset' }
  /** Never an answer. */
  | { readonly kind: 'hang' }
  | { readonly kind: 'delay'; readonly ms: number }

/** A front that runs. */
export interface Front {
  readonly url: string
  readonly arrivals: readonly Arrival[]
  /** `undefined` lets a request pass. */
  fault(fault: (arrival: Arrival) => Fault | undefined): void
  /** Closes every connection and refuses new ones. */
  refuse(): Promise<void>
  /** Listens again, on the same port. */
  accept(): Promise<void>
  /** Connections that are open now, and the most that ever were. */
  connections(): { readonly now: number; readonly peak: number }
  close(): Promise<void>
}

/** Milliseconds of the clock that all processes of a machine share. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}

/** Starts a front on a free port. */
export async function startFront(handle: Handler): Promise<Front> {
  const arrivals: Arrival[] = []
  const open = new Set<Socket>()
  let peak = 0
  let fault: (arrival: Arrival) => Fault | undefined = () => undefined
  const server = http.createServer((incoming, outgoing) => {
    const { arrival, path } = arrivalOf(incoming, outgoing)
    arrivals.push(arrival)
    answer(fault(arrival), { handle, path, incoming, outgoing }).catch(() => outgoing.destroy())
  })
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    peak = Math.max(peak, open.size)
    socket.on('error', () => undefined)
    socket.on('close', () => open.delete(socket))
  })
  const port = await listen(server, 0)
  const refuse = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve())
    })
    for (const socket of open) socket.destroy()
    await closed
  }
  return {
    url: `http://127.0.0.1:${port}`,
    arrivals,
    fault: (next) => void (fault = next),
    refuse,
    accept: async () => void (await listen(server, port)),
    connections: () => ({ now: open.size, peak }),
    close: async () => {
      if (server.listening) await refuse()
    },
  }
}

function arrivalOf(
  { method = '', url = '', headers }: http.IncomingMessage,
  outgoing: http.ServerResponse,
): { readonly arrival: Arrival; readonly path: string } {
  const [, prefix, path] = /^(?:\/(m\d+)(?=\/))?(.*)$/.exec(url) ?? []
  const token = headers['x-vault-token']
  const arrival = {
    at: monotonicMs(),
    method,
    path: path?.split('?')[0] ?? '',
    client: String(headers['x-vault-namespace'] ?? prefix ?? ''),
    token: typeof token === 'string' ? token : undefined,
    status: 0,
  }
  outgoing.on('close', () => {
    if (outgoing.headersSent) arrival.status = outgoing.statusCode
  })
  return { arrival, path: path ?? '' }
}

interface Exchange {
  readonly handle: Handler
  readonly path: string
  readonly incoming: http.IncomingMessage
  readonly outgoing: http.ServerResponse
}

async function answer(fault: Fault | undefined, exchange: Exchange): Promise<void> {
  const { incoming, outgoing } = exchange
  switch (fault?.kind) {
    case undefined:
      return forward(exchange)
    case 'reset':
      incoming.socket.resetAndDestroy()
      return undefined
    case 'hang':
      incoming.resume()
      return undefined
    case 'delay':
      await new Promise((resolve) => setTimeout(resolve, fault.ms))
      return forward(exchange)
    case 'answer': {
      await bodyOf(incoming)
      const { status, retryAfter } = fault
      const headers = retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }
      outgoing.writeHead(status, { 'content-type': 'application/json', ...headers })
      outgoing.end('{"errors":[]}')
      return undefined
    }
  }
}

async function forward({ handle, path, incoming, outgoing }: Exchange): Promise<void> {
  const { method = 'GET' } = incoming
  const { 'x-vault-namespace': _client, ...headers } = incoming.headers
  const body = await bodyOf(incoming)
  const request = new Request(`http://127.0.0.1${path}`, {
    method,
    headers: Object.entries(headers).map(([name, value]) => [name, String(value)]),
    ...(method !== 'GET' && { body }),
  })
  const response = await handle(request)
  outgoing.writeHead(response.status, [...response.headers])
  outgoing.end(new Uint8Array(await response.arrayBuffer()))
}

async function bodyOf(incoming: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** The longest queue that the system allows: a fleet connects at once. */
function listen(server: http.Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, host: '127.0.0.1', backlog: 4096 }, () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

/** The most arrivals within any second. */
export function peakPerSecond(arrivals: readonly Pick<Arrival, 'at'>[]): number {
  const times = arrivals.map(({ at }) => at).toSorted((a, b) => a - b)
  let oldest = 0
  let peak = 0
  for (const [index, at] of times.entries()) {
    while (at - (times[oldest] ?? at) >= 1000) oldest += 1
    peak = Math.max(peak, index - oldest + 1)
  }
  return peak
}
