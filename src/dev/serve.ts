/**
 * Puts a fetch-style handler on a loopback socket: the only place of the embedded servers with one.
 *
 * Bodies are streamed both ways, so that a watch works.
 */
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import { SecretManagerError } from '../errors.ts'
import type { Handler } from './transport.ts'

/** Where and how to serve. */
export interface ServeOptions {
  /** Certificate and private key in PEM. Absent: plain http. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined
  /** Default 0: any free port. */
  readonly port?: number | undefined
}

/** A handler on a socket. */
export interface Served {
  /** Origin, such as `https://127.0.0.1:8200`. */
  readonly url: string
  readonly port: number
  /** Destroys open connections, waits until the socket is closed. May be called again. */
  readonly close: () => Promise<void>
}

/** Nothing but loopback is offered. */
const HOST = '127.0.0.1'

/**
 * Serves `handle` on 127.0.0.1.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID when the port cannot be opened
 */
export async function serve(handle: Handler, options: ServeOptions = {}): Promise<Served> {
  const { tls, port = 0 } = options
  const server = tls === undefined ? http.createServer() : https.createServer({ ...tls })
  const sockets = trackSockets(server)
  await listen(server, port)
  const { port: opened } = addressOf(server)
  const url = `${tls === undefined ? 'http' : 'https'}://${HOST}:${opened}`
  server.on('request', (incoming, outgoing) => {
    void answer(handle, url, incoming, outgoing)
  })
  return { url, port: opened, close: () => close(server, sockets) }
}

/** Node's own list lacks connections that have not finished their TLS handshake. */
function trackSockets(server: http.Server): Set<Socket> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  return sockets
}

function listen(server: http.Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const facts = {
        causeClass: error.code,
        hint: 'choose another port, or end what listens there',
      }
      reject(new SecretManagerError('SM_CONFIG_INVALID', `cannot listen on ${HOST}:${port}`, facts))
    })
    server.listen(port, HOST, () => {
      server.removeAllListeners('error')
      resolve()
    })
  })
}

function addressOf(server: http.Server): AddressInfo {
  const address = server.address()
  if (address !== null && typeof address === 'object') return address
  throw new SecretManagerError('SM_INTERNAL', 'a listening socket has no port')
}

async function close(server: http.Server, sockets: ReadonlySet<Socket>): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    // The error says that it was closed before: all the same to who closes.
    server.close(() => resolve())
  })
  for (const socket of sockets) socket.destroy()
  await closed
}

async function answer(
  handle: Handler,
  origin: string,
  incoming: http.IncomingMessage,
  outgoing: http.ServerResponse,
): Promise<void> {
  try {
    const request = requestOf(origin, incoming, outgoing)
    await send(request === undefined ? badRequest() : await handle(request), outgoing)
  } catch {
    // A fault of the handler, or a client that went away: who still listens must not wait.
    fail(outgoing)
  }
}

function fail(outgoing: http.ServerResponse): void {
  if (outgoing.headersSent) outgoing.destroy()
  else outgoing.writeHead(500, { 'content-type': 'text/plain' }).end('internal error\n')
}

function badRequest(): Response {
  return new Response('400 Bad Request', { status: 400 })
}

/** Undefined for what fetch cannot express: proxy requests and forbidden methods. */
function requestOf(
  origin: string,
  incoming: http.IncomingMessage,
  outgoing: http.ServerResponse,
): Request | undefined {
  const { method = 'GET', url = '/' } = incoming
  if (!url.startsWith('/') || FORBIDDEN_METHODS.has(method)) return undefined
  const gone = new AbortController()
  outgoing.once('close', () => gone.abort())
  const init = { method, headers: headersOf(incoming), signal: gone.signal }
  // Joined as text: a path that begins with // would otherwise name another host.
  if (method === 'GET' || method === 'HEAD') return new Request(origin + url, init)
  return new Request(origin + url, { ...init, body: Readable.toWeb(incoming), duplex: 'half' })
}

const FORBIDDEN_METHODS: ReadonlySet<string> = new Set(['CONNECT', 'TRACE', 'TRACK'])

function headersOf({ rawHeaders }: http.IncomingMessage): Headers {
  const headers = new Headers()
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    headers.append(rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '')
  }
  return headers
}

async function send(response: Response, outgoing: http.ServerResponse): Promise<void> {
  outgoing.writeHead(response.status, [...response.headers])
  if (response.body === null) {
    outgoing.end()
    return
  }
  // Now, not with the first bytes: a watch may have nothing to say for a while.
  outgoing.flushHeaders()
  await pipeline(Readable.fromWeb(response.body), outgoing)
}
